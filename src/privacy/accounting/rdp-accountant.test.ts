import { describe, expect, it } from "vitest";
import { readDpVectors } from "../testing/dp-vectors.ts";
import type { DpEvent } from "./dp-event.ts";
import { rdpEpsilon } from "./rdp-accountant.ts";
import { DEFAULT_ORDERS, renyiDivergence } from "./renyi-divergence.ts";

const { settings } = readDpVectors();
const gaussian = (noiseMultiplier: number) => ({ kind: "gaussian", noiseMultiplier }) as const;

describe("rdpEpsilon", () => {
  it("equals dp-accounting's to 1e-6 at the same order, on at least 200 settings", () => {
    const rows = settings.flatMap(({ event, epsilons }) => epsilons.map((row) => ({ event, ...row })));
    expect(rows.length).toBeGreaterThanOrEqual(200);
    for (const { event, delta, rdp, order } of rows) {
      const ours = rdpEpsilon(event, delta);
      expect(Math.abs(ours.epsilon - rdp)).toBeLessThanOrEqual(1e-6 * rdp);
      expect(ours.order).toBe(order);
    }
  });

  it("has a control: the conversion of Mironov 2017 is off by more than 1e-6", () => {
    const { event, epsilons } = settings[0];
    const classic = Math.min(
      ...DEFAULT_ORDERS.map((order) => {
        return order / (2 * 0.6 ** 2) - Math.log(epsilons[0].delta) / (order - 1);
      }),
    );
    expect(event).toEqual({ kind: "selfComposed", count: 1, event: gaussian(0.6) });
    expect(Math.abs(classic - epsilons[0].rdp)).toBeGreaterThan(1e-2);
  });

  it("is infinite once something without a guarantee was released, and nothing for nothing", () => {
    const leak: DpEvent = { kind: "composed", events: [gaussian(2), { kind: "nonPrivate" }] };
    expect(rdpEpsilon(leak, 1e-5).epsilon).toBe(Number.POSITIVE_INFINITY);
    expect(rdpEpsilon({ kind: "composed", events: [] }, 1e-5).epsilon).toBe(0);
  });
});

describe("renyiDivergence", () => {
  it("takes the default orders of dp-accounting", () => {
    expect(DEFAULT_ORDERS).toHaveLength(156);
    expect([DEFAULT_ORDERS[0], DEFAULT_ORDERS[98], DEFAULT_ORDERS[99], DEFAULT_ORDERS.at(-1)]).toEqual([
      1.1, 10.9, 11, 1024,
    ]);
  });

  it("agrees between the two series where fractional orders come close to integers", () => {
    const leaf = { kind: "poissonSampled", samplingRate: 0.05, event: gaussian(3) } as const;
    for (const order of [2, 3, 8, 20]) {
      const near = renyiDivergence(leaf, order + 1e-7);
      expect(near).toBeCloseTo(renyiDivergence(leaf, order), 6);
    }
  });

  it("never counts sampling as worse than none, nor a discrete Gaussian otherwise than a continuous one", () => {
    for (const order of [2, 2.5, 7.7, 32]) {
      const whole = renyiDivergence(gaussian(1.3), order);
      const sampled = renyiDivergence({ kind: "poissonSampled", samplingRate: 0.3, event: gaussian(1.3) }, order);
      expect(sampled).toBeLessThan(whole);
      expect(renyiDivergence({ kind: "discreteGaussian", noiseMultiplier: 1.3 }, order)).toBe(whole);
    }
  });

  it("charges a sum of discrete Gaussians a little more than one Gaussian of the same variance", () => {
    const sum = (stepsStandardDeviation: number): number =>
      renyiDivergence(
        {
          kind: "distributedDiscreteGaussian",
          sites: 20,
          stepsStandardDeviation,
          stepsSensitivity: 8,
          dimension: 1_000_000,
        },
        4,
      );
    const one = (stepsStandardDeviation: number): number => (4 * 8 ** 2) / (2 * 20 * stepsStandardDeviation ** 2);
    expect(sum(3)).toBeGreaterThanOrEqual(one(3));
    expect(sum(3) / one(3) - 1).toBeLessThan(1e-9);
    // The control: with less noise than a step or so, the difference is no longer small.
    expect(sum(0.6) / one(0.6) - 1).toBeGreaterThan(1e-2);
  });
});
