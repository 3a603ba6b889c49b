import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createRandom } from "../../base/index.ts";
import { createDiscreteGaussian } from "./discrete-gaussian.ts";

const port = { randomBytes: (length: number) => new Uint8Array(randomBytes(length)) };
const SAMPLES = 20_000;

/** Chi-square against the exact probabilities; values that are expected fewer than ten times count together. */
function chiSquare(
  samples: readonly number[],
  sigma: number,
): { readonly statistic: number; readonly freedom: number } {
  const weight = (x: number): number => Math.exp(-(x * x) / (2 * sigma * sigma));
  let total = 0;
  for (let x = -200; x <= 200; x++) total += weight(x);
  let statistic = 0;
  let cells = 0;
  let [restWanted, restSeen] = [samples.length, samples.length];
  for (let x = -200; x <= 200; x++) {
    const wanted = (samples.length * weight(x)) / total;
    if (wanted < 10) continue;
    const seen = samples.filter((sample) => sample === x).length;
    statistic += (seen - wanted) ** 2 / wanted;
    cells++;
    restWanted -= wanted;
    restSeen -= seen;
  }
  statistic += (restSeen - restWanted) ** 2 / Math.max(restWanted, 1);
  return { statistic, freedom: cells };
}

/** Six and a half standard deviations of a chi-square above its mean, and some for its tail: once in millions. */
const limit = (freedom: number): number => freedom + 6.5 * Math.sqrt(2 * freedom) + 20;

describe("createDiscreteGaussian", () => {
  for (const sigma of [0.4, 1, 2.3, 12.5]) {
    it(`draws integers with the probabilities of sigma ${sigma}`, () => {
      const { sample } = createDiscreteGaussian(sigma, port);
      const { statistic, freedom } = chiSquare(
        Array.from({ length: SAMPLES }, () => sample()),
        sigma,
      );
      expect(freedom).toBeGreaterThan(2);
      expect(statistic).toBeLessThan(limit(freedom));
    });
  }

  it("has controls: rounded normals, and a deviation that is off by a twentieth, do not pass", () => {
    const random = createRandom("rounded normals");
    const rounded = chiSquare(
      Array.from({ length: SAMPLES }, () => Math.round(0.7 * random.normal())),
      0.7,
    );
    expect(rounded.statistic).toBeGreaterThan(limit(rounded.freedom));
    const { sample } = createDiscreteGaussian(2.3 * 1.05, port);
    const wider = chiSquare(
      Array.from({ length: SAMPLES }, () => sample()),
      2.3,
    );
    expect(wider.statistic).toBeGreaterThan(limit(wider.freedom));
  });

  it("has the variance asked for where values are large", () => {
    const sigma = 100_000;
    const { sample } = createDiscreteGaussian(sigma, port);
    const squares = Array.from({ length: SAMPLES }, () => (sample() / sigma) ** 2);
    const variance = squares.reduce((sum, square) => sum + square, 0) / SAMPLES;
    expect(Math.abs(variance - 1)).toBeLessThan(6.5 * Math.sqrt(2 / SAMPLES));
  });

  it("takes every bit from its port: the same bytes, the same draws; a stuck generator never passes for noise", () => {
    const replay = (): (() => number) => {
      const random = createRandom("bytes");
      return createDiscreteGaussian(3, {
        randomBytes: (length) => Uint8Array.from({ length }, () => random.integer(256)),
      }).sample;
    };
    const [first, second] = [replay(), replay()];
    const draws = Array.from({ length: 50 }, () => first());
    expect(Array.from({ length: 50 }, () => second())).toEqual(draws);
    expect(new Set(draws).size).toBeGreaterThan(5);
  });

  it("refuses deviations that are none", () => {
    for (const sigma of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31]) {
      expect(() => createDiscreteGaussian(sigma, port)).toThrow(/privacy-parameters/);
    }
  });
});
