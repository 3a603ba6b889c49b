import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../../base/index.ts";
import { rdpEpsilon } from "../accounting/rdp-accountant.ts";
import { clipToNorm, nextClipNorm, updateNoiseMultiplier } from "./clip-norm.ts";

const normOf = (vector: Float32Array): number => Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));

describe("clipToNorm", () => {
  it("never leaves a norm above the bound, in float32, and hardly below it", () => {
    const vectors = fc.array(fc.float({ min: -1000, max: 1000, noNaN: true }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(vectors, fc.double({ min: 1e-3, max: 1e3, noNaN: true }), (values, clipNorm) => {
        const vector = Float32Array.from(values);
        const before = normOf(vector);
        const { norm, clipped } = clipToNorm(vector, clipNorm);
        expect(norm).toBe(before);
        expect(clipped).toBe(before > clipNorm);
        expect(normOf(vector)).toBeLessThanOrEqual(clipNorm);
        if (clipped) expect(normOf(vector)).toBeGreaterThan(clipNorm * (1 - 1e-6));
        else expect([...vector]).toEqual([...Float32Array.from(values)]);
      }),
      { numRuns: 500 },
    );
  });

  it("has a control: without room for rounding some norm ends above the bound", () => {
    const random = createRandom("clip control");
    let above = 0;
    for (let run = 0; run < 100; run++) {
      const vector = Float32Array.from({ length: 50 }, () => random.normal());
      const factor = 1 / normOf(vector);
      if (normOf(vector.map((value) => value * factor)) > 1) above++;
    }
    expect(above).toBeGreaterThan(0);
  });

  it("refuses what is not finite, and bounds that are none", () => {
    expect(() => clipToNorm(Float32Array.of(1, Number.NaN), 1)).toThrow(/update-not-finite/);
    expect(() => clipToNorm(Float32Array.of(Number.POSITIVE_INFINITY), 1)).toThrow(/update-not-finite/);
    for (const bound of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => clipToNorm(Float32Array.of(1), bound)).toThrow(/privacy-parameters/);
    }
  });
});

describe("nextClipNorm", () => {
  it("comes to the quantile of the norms and stays there", () => {
    const random = createRandom("adaptive");
    const norms = Array.from({ length: 401 }, () => Math.exp(random.normal())).sort((a, b) => a - b);
    for (const targetQuantile of [0.25, 0.5, 0.9]) {
      let clipNorm = 0.1;
      for (let round = 0; round < 200; round++) {
        const share = norms.filter((norm) => norm <= clipNorm).length / norms.length;
        clipNorm = nextClipNorm(clipNorm, share, { targetQuantile, learningRate: 0.2 });
      }
      expect(norms.filter((norm) => norm <= clipNorm).length / norms.length).toBeCloseTo(targetQuantile, 1);
    }
  });

  it("is the paper's formula: 0.1 exp(-0.2 (0.8 - 0.5))", () => {
    const next = nextClipNorm(0.1, 0.8, { targetQuantile: 0.5, learningRate: 0.2 });
    expect(next).toBeCloseTo(0.0941764533584, 12);
    expect(() => nextClipNorm(0.1, Number.NaN, { targetQuantile: 0.5, learningRate: 0.2 })).toThrow(
      /privacy-parameters/,
    );
  });
});

describe("updateNoiseMultiplier", () => {
  it("makes update and count together cost what one release would", () => {
    const [noise, deviation] = [1.2, 1.5];
    const update = updateNoiseMultiplier(noise, deviation);
    expect(update).toBeGreaterThan(noise);
    const gaussian = (noiseMultiplier: number) => ({ kind: "gaussian", noiseMultiplier }) as const;
    const both = { kind: "composed", events: [gaussian(update), gaussian(2 * deviation)] } as const;
    expect(rdpEpsilon(both, 1e-5).epsilon).toBeCloseTo(rdpEpsilon(gaussian(noise), 1e-5).epsilon, 10);
  });

  it("refuses a count whose noise alone would spend everything", () => {
    expect(() => updateNoiseMultiplier(1, 0.5)).toThrow(/privacy-parameters/);
    expect(() => updateNoiseMultiplier(0, 1)).toThrow(/privacy-parameters/);
  });
});
