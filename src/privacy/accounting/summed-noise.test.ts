/** Sums of discrete Gaussians beside what they are worth exactly: every outcome of small ones is weighed. */
import { describe, expect, it } from "vitest";
import type { DpEvent } from "./dp-event.ts";
import { privacySpent } from "./epsilon.ts";
import { pldEpsilon } from "./pld-accountant.ts";
import { continuousBound, type SummedNoise, tauOf } from "./summed-noise.ts";

function summed(changes: Partial<SummedNoise> = {}): SummedNoise {
  return {
    kind: "distributedDiscreteGaussian",
    sites: 3,
    stepsStandardDeviation: 2.5,
    stepsSensitivity: 5,
    dimension: 1,
    ...changes,
  };
}

/** Chances of the whole numbers from -reach to reach, of one site's noise and then of their sum. */
function chancesOf({ sites, stepsStandardDeviation }: SummedNoise): Float64Array {
  const reach = Math.ceil(12 * stepsStandardDeviation);
  const one = Float64Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-((i - reach) ** 2) / (2 * stepsStandardDeviation ** 2)),
  );
  const whole = one.reduce((sum, chance) => sum + chance, 0);
  let sum = Float64Array.of(1);
  for (let site = 0; site < sites; site++) {
    const next = new Float64Array(sum.length + one.length - 1);
    for (let i = 0; i < sum.length; i++) {
      for (let k = 0; k < one.length; k++) next[i + k] += (sum[i] * one[k]) / whole;
    }
    sum = next;
  }
  return sum;
}

interface Outcome {
  readonly p: number;
  readonly q: number;
}

/** Every outcome of all coordinates, under the noise and under the same moved by whole steps. */
function outcomesOf(noise: Float64Array, moved: readonly number[]): readonly Outcome[] {
  return moved.reduce<readonly Outcome[]>(
    (known, shift) =>
      known.flatMap(({ p, q }) =>
        Array.from(noise, (chance, i) => ({ p: p * chance, q: q * (noise[i - shift] ?? 0) })),
      ),
    [{ p: 1, q: 1 }],
  );
}

function exactEpsilon(leaf: SummedNoise, moved: readonly number[], delta: number): number {
  const outcomes = outcomesOf(chancesOf(leaf), moved);
  const deltaAt = (epsilon: number): number =>
    outcomes.reduce((sum, { p, q }) => sum + Math.max(0, p - Math.exp(epsilon) * q), 0);
  let [low, high] = [0, 50];
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (deltaAt(middle) > delta) low = middle;
    else high = middle;
  }
  return low;
}

describe("the account of summed noise by loss distributions", () => {
  it.each([
    ["one number", summed(), [5]],
    ["one number of many sites", summed({ sites: 12, stepsStandardDeviation: 1, stepsSensitivity: 3 }), [3]],
    ["two numbers", summed({ sites: 2, stepsStandardDeviation: 3, dimension: 2 }), [3, 4]],
  ])("is never below the exact epsilon of %s, and near it", (_, leaf, moved) => {
    for (const delta of [1e-2, 1e-4]) {
      const exact = exactEpsilon(leaf, moved, delta);
      const epsilon = pldEpsilon(leaf, delta);
      expect(epsilon).toBeGreaterThanOrEqual(exact);
      // These steps are coarse: the rounding takes up to half of the variance away.
      expect(epsilon).toBeLessThan(1.6 * exact);
      // The control: noise that is 1.7 times as large is worth less than the exact epsilon.
      expect(pldEpsilon({ ...leaf, stepsStandardDeviation: 1.7 * leaf.stepsStandardDeviation }, delta)).toBeLessThan(
        exact,
      );
    }
  });

  it("is that of one continuous Gaussian where steps are fine, over rounds of different steps, and below Rényi's", () => {
    const round = (scale: number): DpEvent =>
      summed({
        sites: 15,
        stepsStandardDeviation: (1.2 * scale) / Math.sqrt(15),
        stepsSensitivity: scale,
        dimension: 1_000_000,
      });
    const rounds: DpEvent = { kind: "composed", events: [1, 2, 3, 4, 5].map((n) => round(n * 2 ** 20)) };
    const continuous: DpEvent = { kind: "selfComposed", count: 5, event: { kind: "gaussian", noiseMultiplier: 1.2 } };
    const epsilon = pldEpsilon(rounds, 1e-5);
    expect(epsilon / pldEpsilon(continuous, 1e-5) - 1).toBeLessThan(1e-6);
    expect(epsilon).toBeLessThan(privacySpent(rounds, 1e-5, "rdp").epsilon);
    expect(pldEpsilon(rounds, 1e-5)).toBeGreaterThan(pldEpsilon(round(2 ** 20), 1e-5));
  });

  it("is refused where steps are too coarse for it, and has no slack to speak of where they are fine", () => {
    const coarse = summed({ sites: 2, stepsStandardDeviation: 0.5 });
    expect(continuousBound(coarse)).toBeUndefined();
    expect(() => pldEpsilon(coarse, 1e-5)).toThrow(/privacy-event-unknown/);
    expect(privacySpent(coarse, 1e-5, "rdp").epsilon).toBeGreaterThan(0);
    expect(continuousBound(summed({ stepsStandardDeviation: 1e6, dimension: 1e9 }))?.slack).toBeLessThan(1e-20);
    // Sums of coarse noise are no discrete Gaussian: that is paid for, and grows with the coordinates.
    const many = summed({ sites: 40, stepsStandardDeviation: 0.6, dimension: 1000 });
    expect(continuousBound(many)?.slack).toBeGreaterThan(1);
  });

  it("has a slack of no less than what single outcomes differ by, which is at most tau / 2", () => {
    for (const leaf of [2, 3, 5].flatMap((sites) => [0.5, 0.6, 0.8].map((deviation) => [sites, deviation]))) {
      const [sites, stepsStandardDeviation] = leaf;
      const many = summed({ sites, stepsStandardDeviation });
      const sum = chancesOf(many);
      const middle = (sum.length - 1) / 2;
      const variance = sites * stepsStandardDeviation ** 2;
      const single = Array.from(sum, (_, i) => Math.exp(-((i - middle) ** 2) / (2 * variance)));
      const whole = single.reduce((total, chance) => total + chance, 0);
      const ratios = [-5, -4, -3, -2, -1, 0].map((x) => Math.log((sum[middle + x] * whole) / single[middle + x]));
      const worst = Math.max(...ratios.map(Math.abs));
      expect(worst).toBeLessThan(tauOf(many) / 2);
      // Not of another order: a factor that was forgotten shows.
      if (sites === 2) expect(worst).toBeGreaterThan(tauOf(many) / 6);
    }
  });

  it("is refused where the slack leaves a smaller delta than the account can bear", () => {
    const many = summed({ sites: 40, stepsStandardDeviation: 0.6, dimension: 1000 });
    expect(() => pldEpsilon(many, 1e-9)).toThrow(/privacy-delta-too-small/);
    const fine = summed({ stepsStandardDeviation: 10, stepsSensitivity: 20 });
    expect(pldEpsilon(fine, 1.01e-10)).toBeGreaterThan(0);
  });
});
