import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createRandom } from "../base/index.ts";
import { parseStudy, type Study } from "../study/index.ts";
import { privacySpent } from "./accounting/epsilon.ts";
import { createDiscreteGaussian } from "./mechanisms/discrete-gaussian.ts";
import {
  clipNormAfter,
  clipSiteUpdate,
  countedWithin,
  patientEventOf,
  plannedSitePrivacy,
  siteNoise,
  siteWeight,
} from "./site-level.ts";

const DIMENSION = 1000;

function study(siteLevel: object = {}, aggregation: object = {}): Study {
  return parseStudy({
    schema: "consilium.study/1",
    name: "Sites",
    network: { kind: "unet3d", levels: 2 },
    training: { optimiser: { kind: "sgd", learningRate: 0.05 }, patch: [8, 8, 8], stepsPerRound: 3 },
    rounds: { count: 10 },
    aggregation: { weightBy: "equal", ...aggregation },
    privacy: {
      secureAggregation: { threshold: 15 },
      siteLevel: { clipNorm: 0.5, noiseMultiplier: 1.2, delta: 1e-3, ...siteLevel },
    },
  });
}

function noiseOf(of: Study) {
  const noise = siteNoise(of, DIMENSION);
  if (noise === undefined) throw new Error("a study without noise");
  return noise;
}

const epsilonOf = (event: Parameters<typeof privacySpent>[0], rounds: number): number =>
  privacySpent({ kind: "selfComposed", count: rounds, event }, 1e-3, "rdp").epsilon;

describe("noise of sites", () => {
  it("of the threshold less the colluders reaches the multiplier, rounding included", () => {
    for (const colluders of [0, 4]) {
      const { deviationSteps, sensitivitySteps, stepSize } = noiseOf(study({ colluders }));
      expect(Math.sqrt(15 - colluders) * deviationSteps).toBeCloseTo(1.2 * sensitivitySteps, 3);
      expect(sensitivitySteps).toBe(0.5 / stepSize + Math.sqrt(DIMENSION) / 2);
      expect(Number.isInteger(Math.log2(stepSize))).toBe(true);
    }
  });

  it("costs what the plan says, with a fixed clip norm and with one that follows the data", () => {
    const fixed = study();
    const planned = plannedSitePrivacy(fixed)?.epsilon ?? Number.NaN;
    expect(epsilonOf(noiseOf(fixed).event, 10)).toBeCloseTo(planned, 6);
    const adaptive = study({ adaptive: { countDeviation: 2 } });
    expect(epsilonOf(noiseOf(adaptive).event, 10)).toBeCloseTo(planned, 6);
    expect(noiseOf(adaptive).deviationSteps / noiseOf(adaptive).sensitivitySteps).toBeGreaterThan(
      noiseOf(fixed).deviationSteps / noiseOf(fixed).sensitivitySteps,
    );
    // A patient's change is up to twice a site's: as with half the noise.
    expect(epsilonOf(patientEventOf(noiseOf(fixed).event), 10)).toBeCloseTo(
      epsilonOf({ kind: "gaussian", noiseMultiplier: 0.6 }, 10),
      6,
    );
  });

  it("and a clipped update fit into the words, whatever the weight, and are refused where words are too coarse", () => {
    for (const more of [{}, { weightCap: 50 }]) {
      const weighed = study(more, "weightCap" in more ? { weightBy: "cases" } : {});
      const { sensitivitySteps, deviationSteps } = noiseOf(weighed);
      const limit = 2 ** 27 - 1;
      expect(sensitivitySteps + 12 * deviationSteps).toBeLessThanOrEqual(limit);
      expect(sensitivitySteps + 12 * deviationSteps).toBeGreaterThan(limit / 2.1);
    }
    expect(() => siteNoise(study({}, { precisionBits: 16 }), 1e9)).toThrow(/privacy-parameters.*precisionBits/);
  });

  it("has the sum's variance where fifteen sites draw it, and its mean", () => {
    const { deviationSteps, sensitivitySteps } = noiseOf(study());
    const gaussian = createDiscreteGaussian(deviationSteps, { randomBytes: (n) => new Uint8Array(randomBytes(n)) });
    const draws = 400;
    const sums = Array.from({ length: draws }, () => {
      let sum = 0;
      for (let site = 0; site < 15; site++) sum += gaussian.sample();
      return sum / (1.2 * sensitivitySteps);
    });
    const variance = sums.reduce((total, sum) => total + sum ** 2, 0) / draws;
    // Chi-square of 400 degrees: five standard deviations are 0.35.
    expect(Math.abs(variance - 1)).toBeLessThan(0.36);
  });
});

describe("a site's update", () => {
  const random = createRandom("site update");
  const global = Float32Array.from({ length: DIMENSION }, () => random.normal());
  const moved = (by: number): Float32Array => global.map((value) => value + by * random.normal());
  const norm = (values: Int32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0));

  it("is clipped to the norm, in whole steps, and says whether it was within", () => {
    const noise = noiseOf(study());
    const large = clipSiteUpdate(global, moved(1), noise);
    expect(large.within).toBe(false);
    expect(norm(large.coordinates)).toBeLessThanOrEqual(noise.sensitivitySteps);
    expect(norm(large.coordinates) * noise.stepSize).toBeCloseTo(0.5, 3);
    const local = moved(0.001);
    const small = clipSiteUpdate(global, local, noise);
    expect(small.within).toBe(true);
    small.coordinates.forEach((steps, i) => {
      expect(Math.abs(steps * noise.stepSize - (local[i] - global[i]))).toBeLessThanOrEqual(noise.stepSize / 2);
    });
    expect(clipSiteUpdate(global, global, noise)).toMatchObject({ within: true });
    expect(() => clipSiteUpdate(global, moved(Number.NaN), noise)).toThrow(/update-not-finite/);
  });

  it("weighs its cases up to the cap", () => {
    expect(siteWeight(study(), 70)).toBe(1);
    const capped = study({ weightCap: 50 }, { weightBy: "cases" });
    expect([siteWeight(capped, 70), siteWeight(capped, 20)]).toEqual([50, 20]);
  });
});

describe("a clip norm that follows the data", () => {
  it("falls where all sites are within, rises where none is, and stays at the quantile", () => {
    const adaptive = study({ adaptive: { countDeviation: 2, targetQuantile: 0.5, learningRate: 0.2 } });
    const noise = noiseOf(adaptive);
    const normAfter = (within: readonly boolean[]): number => {
      const count = within.reduce((sum, each) => sum + countedWithin(noise, each), 0);
      return clipNormAfter(adaptive, 1, count, within.length);
    };
    expect(normAfter([true, true, true, true])).toBeCloseTo(Math.exp(-0.1), 12);
    expect(normAfter([false, false])).toBeCloseTo(Math.exp(0.1), 12);
    expect(normAfter([true, false])).toBe(1);
    expect(clipNormAfter(study(), 1, 0, 2)).toBe(1);
  });
});
