import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { type DpEvent, privacySpent } from "../index.ts";
import { createCryptoRandom } from "../mechanisms/gaussian-noise.ts";
import { type CanaryRuns, canaryScores } from "./canary-runs.ts";
import { epsilonFromBelow, rateAtMost } from "./epsilon-from-below.ts";

const DELTA = 1e-5;
const random = createCryptoRandom({ randomBytes: (length) => new Uint8Array(randomBytes(length)) });
const settings = { runs: 6000, steps: 1, clipNorm: 1, noiseMultiplier: 1, samplingRate: 1, random };

function promised({ steps, noiseMultiplier, samplingRate }: CanaryRuns): number {
  const gaussian = { kind: "gaussian", noiseMultiplier } as const;
  const event: DpEvent = samplingRate === 1 ? gaussian : { kind: "poissonSampled", samplingRate, event: gaussian };
  return privacySpent({ kind: "selfComposed", count: steps, event }, DELTA, "rdp").epsilon;
}
const shown = (runs: CanaryRuns): number => epsilonFromBelow(canaryScores(runs), { delta: DELTA });

describe("the audit by canaries", () => {
  it.each([
    // What so many runs show differs from draw to draw: by enough of them to stay above 1.
    ["one step with everybody", { ...settings, runs: 60_000 }, 1],
    ["ten steps of more noise", { ...settings, runs: 20_000, steps: 10, noiseMultiplier: 3 }, 1],
    ["ten steps of a sample", { ...settings, steps: 10, samplingRate: 0.3, runs: 5000 }, 0.3],
  ] as const)("finds traces in %s, and no more than was promised", (_, runs, atLeast) => {
    const epsilon = shown(runs);
    expect(epsilon).toBeGreaterThan(atLeast);
    expect(epsilon).toBeLessThanOrEqual(promised(runs));
  });

  it.each([
    ["no noise to speak of", { noiseMultiplier: 1e-6 }],
    ["a fifth of the noise", { noiseMultiplier: 1 / 5 }],
    ["a patient's scans clipped one by one", { canaryGradients: 5 }],
    ["noise that repeats", { random: { uniform: () => 0.25 } }],
  ])("fails %s", (_, flaw) => {
    expect(shown({ ...settings, ...flaw })).toBeGreaterThan(promised(settings));
  });

  it("shows nothing where there is nothing to see, and wants enough runs", () => {
    const same = Array.from({ length: 2000 }, () => random.uniform());
    const others = Array.from({ length: 2000 }, () => random.uniform());
    expect(epsilonFromBelow({ withCanary: same, without: others }, { delta: DELTA })).toBeLessThan(0.5);
    expect(() => epsilonFromBelow({ withCanary: [1], without: [0] }, { delta: DELTA })).toThrow(/privacy-parameters/);
  });
});

describe("rateAtMost", () => {
  // Both ends have a closed form: (1 - p)^runs = errorRate without a hit, p^runs = 1 - errorRate with all but one.
  it.each([
    [0, 100, 0.05, 1 - 0.05 ** (1 / 100)],
    [0, 5000, 0.001, 1 - 0.001 ** (1 / 5000)],
    [9, 10, 0.05, 0.95 ** (1 / 10)],
  ])("is Clopper and Pearson's for %i of %i", (hits, runs, errorRate, expected) => {
    expect(rateAtMost(hits, runs, errorRate)).toBeCloseTo(expected, 10);
  });

  it("holds as often as it says", () => {
    let broken = 0;
    for (let run = 0; run < 400; run++) {
      const hits = Array.from({ length: 50 }, () => random.uniform()).filter((value) => value < 0.3).length;
      if (rateAtMost(hits, 50, 0.1) < 0.3) broken++;
    }
    expect(broken).toBeLessThan(75);
    expect(broken).toBeGreaterThan(5);
  });
});
