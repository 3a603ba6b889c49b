import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../../base/index.ts";
import { noiseGridStep } from "./gaussian-noise.ts";
import { createPatientSum, samplePatients } from "./patient-sum.ts";

const LENGTH = 20;

function noisedSum(gradients: readonly Float32Array[], clipNorm = 1, noiseMultiplier = 1): Float64Array {
  const random = createRandom("the same noise");
  const sum = createPatientSum({ length: LENGTH, clipNorm, noiseMultiplier, expectedPatients: 1, random });
  for (const gradient of gradients) sum.add(gradient.slice());
  return Float64Array.from(sum.noisedMean());
}

const distance = (a: Float64Array, b: Float64Array): number => Math.hypot(...a.map((value, i) => value - b[i]));
const gradients = fc.array(
  fc
    .array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: LENGTH, maxLength: LENGTH })
    .map((values) => Float32Array.from(values)),
  { minLength: 1, maxLength: 6 },
);

describe("the sum of a step", () => {
  it("changes by at most the clip norm with one patient, whoever else takes part", () => {
    fc.assert(
      fc.property(gradients, fc.double({ min: 0.01, max: 10, noNaN: true }), (patients, clipNorm) => {
        const without = noisedSum(patients.slice(1), clipNorm);
        const room = Math.sqrt(LENGTH) * (noiseGridStep(clipNorm) + 2 ** -20 * clipNorm);
        expect(distance(noisedSum(patients, clipNorm), without)).toBeLessThanOrEqual(clipNorm + room);
      }),
    );
  });

  it("has a control: two scans clipped apart would change it by more", () => {
    const scan = Float32Array.from({ length: LENGTH }, () => 1);
    expect(distance(noisedSum([scan, scan]), noisedSum([]))).toBeGreaterThan(1.9);
    const both = scan.map((value) => 2 * value);
    expect(distance(noisedSum([both]), noisedSum([]))).toBeLessThan(1.001);
  });

  it("is noised though nobody takes part, and divided by the expected number", () => {
    const of = (expectedPatients: number): Float32Array => {
      const random = createRandom("noise");
      return createPatientSum({ length: 5000, clipNorm: 2, noiseMultiplier: 3, expectedPatients, random }).noisedMean();
    };
    const spread = (values: Float32Array): number => Math.hypot(...values) / Math.sqrt(values.length);
    expect(spread(of(1))).toBeGreaterThan(5.7);
    expect(spread(of(1))).toBeLessThan(6.3);
    expect(spread(of(4))).toBeCloseTo(spread(of(1)) / 4, 5);
  });

  it("starts anew after each step", () => {
    const random = createRandom("noise");
    const options = { length: 4, clipNorm: 1, noiseMultiplier: 0.1, expectedPatients: 1, random };
    const sum = createPatientSum(options);
    sum.add(Float32Array.of(1e6, 0, 0, 0));
    expect(sum.noisedMean()[0]).toBeGreaterThan(0.4);
    expect(Math.abs(sum.noisedMean()[0])).toBeLessThan(0.5);
  });
});

describe("samplePatients", () => {
  it("takes each at the rate, independently: sizes vary as a binomial's do, down to nobody", () => {
    const random = createRandom("sampling");
    const sizes = Array.from({ length: 20_000 }, () => samplePatients(10, 0.2, random).length);
    const mean = sizes.reduce((a, b) => a + b, 0) / sizes.length;
    const variance = sizes.reduce((sum, size) => sum + (size - mean) ** 2, 0) / sizes.length;
    expect(mean).toBeCloseTo(2, 1);
    expect(variance).toBeCloseTo(1.6, 1);
    expect(sizes.filter((size) => size === 0).length / sizes.length).toBeCloseTo(0.8 ** 10, 1);
    const hits = new Uint32Array(10);
    for (let run = 0; run < 20_000; run++) for (const patient of samplePatients(10, 0.2, random)) hits[patient]++;
    for (const count of hits) expect(Math.abs(count - 4000)).toBeLessThan(5.5 * Math.sqrt(3200));
    expect(samplePatients(3, 1, random)).toEqual([0, 1, 2]);
  });
});
