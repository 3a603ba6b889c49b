import { describe, expect, it } from "vitest";
import { readDpVectors } from "../testing/dp-vectors.ts";
import { composeLosses } from "./compose-losses.ts";
import type { DpEvent } from "./dp-event.ts";
import { upperTail } from "./normal-distribution.ts";
import { epsilonOf, lossDistributions, pldEpsilon } from "./pld-accountant.ts";
import { discretisedLoss } from "./privacy-loss.ts";

/** delta(epsilon) of one Gaussian: Balle and Wang 2018, theorem 8. */
function exactDelta(noiseMultiplier: number, epsilon: number): number {
  const half = 1 / (2 * noiseMultiplier);
  const shift = epsilon * noiseMultiplier;
  return upperTail(shift - half) - Math.exp(epsilon) * upperTail(shift + half);
}

function exactEpsilon(noiseMultiplier: number, delta: number): number {
  let [low, high] = [0, 1000];
  if (exactDelta(noiseMultiplier, 0) <= delta) return 0;
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    if (exactDelta(noiseMultiplier, middle) > delta) low = middle;
    else high = middle;
  }
  return low;
}

describe("pldEpsilon", () => {
  it("is never below dp-accounting's, and at most 1e-3 above (every twelfth setting; all of them in the slow test)", () => {
    const settings = readDpVectors().settings.filter((_, i) => i % 12 === 0);
    expect(settings.length).toBeGreaterThan(9);
    for (const { event, epsilons } of settings) {
      const losses = lossDistributions(event);
      if (losses === "unbounded") throw new Error("a setting without noise");
      for (const { delta, pld } of epsilons) {
        const epsilon = Math.max(...losses.map((loss) => epsilonOf(loss, delta)));
        expect(epsilon).toBeGreaterThanOrEqual(pld);
        expect(epsilon).toBeLessThanOrEqual(pld * (1 + 1e-3));
      }
    }
  });

  it("is never below the exact epsilon of Gaussians, and at most 1e-3 above, in closed form and by transforms", () => {
    for (const noise of [0.5, 1, 3]) {
      for (const delta of [1e-2, 1e-5, 1e-8]) {
        const exact = exactEpsilon(noise, delta);
        const once = pldEpsilon({ kind: "gaussian", noiseMultiplier: noise }, delta);
        // The same by composing a hundred weaker ones on the grid.
        const part = discretisedLoss({ noiseMultiplier: noise * 10, samplingRate: 1 }, "remove", 1e-4);
        const whole = composeLosses([{ loss: part, count: 100 }], 2 ** 21);
        if (whole === undefined) throw new Error("a hundred Gaussians do not fit");
        for (const epsilon of [once, epsilonOf(whole, delta)]) {
          expect(epsilon).toBeGreaterThanOrEqual(exact);
          expect(epsilon).toBeLessThanOrEqual(exact * (1 + 1e-3));
        }
      }
    }
  });

  it("has a control: losses rounded down, not up, come out below the exact epsilon", () => {
    const part = discretisedLoss({ noiseMultiplier: 10, samplingRate: 1 }, "remove", 1e-2);
    const lowered = { ...part, lower: part.lower - 1 };
    const whole = composeLosses([{ loss: lowered, count: 100 }], 2 ** 21);
    if (whole === undefined) throw new Error("a hundred Gaussians do not fit");
    expect(epsilonOf(whole, 1e-5)).toBeLessThan(exactEpsilon(1, 1e-5));
  });

  it("is at most Rényi's answer, and grows with every use", () => {
    const times = (count: number): DpEvent => ({
      kind: "selfComposed",
      count,
      event: { kind: "poissonSampled", samplingRate: 0.02, event: { kind: "gaussian", noiseMultiplier: 1 } },
    });
    const epsilons = [1, 10, 100, 101].map((count) => pldEpsilon(times(count), 1e-5));
    expect([...epsilons].sort((a, b) => a - b)).toEqual(epsilons);
    expect(new Set(epsilons).size).toBe(4);
  });

  it("refuses deltas that its rounding would drown, and events whose losses it does not know", () => {
    expect(() => pldEpsilon({ kind: "gaussian", noiseMultiplier: 1 }, 1e-11)).toThrow(/privacy-delta-too-small/);
    expect(() => pldEpsilon({ kind: "discreteGaussian", noiseMultiplier: 1 }, 1e-5)).toThrow(/privacy-event-unknown/);
    expect(pldEpsilon({ kind: "nonPrivate" }, 1e-5)).toBe(Number.POSITIVE_INFINITY);
    expect(pldEpsilon({ kind: "composed", events: [] }, 1e-5)).toBe(0);
  });
});

describe("discretisedLoss", () => {
  it("conserves the probability with the unit and without it, to 1e-13", () => {
    for (const [noiseMultiplier, samplingRate] of [
      [10, 0.25],
      [2, 0.1],
      [1, 0.001],
      [0.7, 1],
    ]) {
      for (const direction of ["add", "remove"] as const) {
        const { masses, lower, interval, infinite } = discretisedLoss(
          { noiseMultiplier, samplingRate },
          direction,
          1e-4,
        );
        const withUnit = masses.reduce((sum, mass) => sum + mass, infinite);
        const without = masses.reduce((sum, mass, i) => sum + mass * Math.exp(-(lower + i) * interval), 0);
        expect(Math.abs(withUnit - 1)).toBeLessThan(1e-13);
        expect(Math.abs(without - 1)).toBeLessThan(1e-13);
      }
    }
  });
});

describe("composeLosses", () => {
  it("rounds by less than it allows for: far above every loss hardly anything is left", () => {
    const part = discretisedLoss({ noiseMultiplier: 100, samplingRate: 1 }, "remove", 1e-4);
    const whole = composeLosses([{ loss: part, count: 10_000 }], 2 ** 21);
    if (whole === undefined) throw new Error("ten thousand Gaussians do not fit");
    const { masses, lower, interval } = whole;
    // Composed, this is one Gaussian of noise 1: a loss above 7.5 has a probability of 1.3e-12.
    const beyond = masses.reduce((sum, mass, i) => ((lower + i) * interval > 7.5 ? sum + mass : sum), 0);
    expect(Math.abs(beyond - upperTail(7))).toBeLessThan(1e-12);
    expect(masses.reduce((sum, mass) => sum + mass, 0)).toBeCloseTo(1, 10);
  });
});
