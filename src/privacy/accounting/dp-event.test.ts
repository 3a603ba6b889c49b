import { describe, expect, it } from "vitest";
import { leavesOf, parseDpEvent } from "./dp-event.ts";
import { privacySpent } from "./epsilon.ts";

const gaussian = { kind: "gaussian", noiseMultiplier: 1.5 } as const;

describe("parseDpEvent", () => {
  it("reads every kind that it knows, nested", () => {
    const event = {
      kind: "composed",
      events: [
        { kind: "selfComposed", count: 3, event: { kind: "poissonSampled", samplingRate: 0.1, event: gaussian } },
        { kind: "discreteGaussian", noiseMultiplier: 2 },
        {
          kind: "distributedDiscreteGaussian",
          sites: 5,
          stepsStandardDeviation: 4,
          stepsSensitivity: 10,
          dimension: 12,
        },
        { kind: "nonPrivate" },
      ],
    };
    expect(parseDpEvent(event)).toEqual(event);
  });

  it("refuses unknown kinds, unknown members, values out of range, and endless nesting", () => {
    let deep: unknown = gaussian;
    for (let i = 0; i < 1000; i++) deep = { kind: "selfComposed", count: 1, event: deep };
    for (const bad of [
      undefined,
      null,
      "gaussian",
      { kind: "laplace", noiseMultiplier: 1 },
      { ...gaussian, sensitivity: 2 },
      { kind: "gaussian", noiseMultiplier: 0 },
      { kind: "gaussian", noiseMultiplier: Number.NaN },
      { kind: "poissonSampled", samplingRate: 1.1, event: gaussian },
      { kind: "poissonSampled", samplingRate: 0.1, event: { kind: "discreteGaussian", noiseMultiplier: 1 } },
      { kind: "selfComposed", count: 1.5, event: gaussian },
      { kind: "composed", events: [gaussian, { kind: "no" }] },
      deep,
    ]) {
      expect(() => parseDpEvent(bad)).toThrow(/privacy-event-unknown/);
    }
  });
});

describe("leavesOf", () => {
  it("multiplies counts and counts equal mechanisms together", () => {
    const twice = { kind: "selfComposed", count: 2, event: gaussian } as const;
    const event = { kind: "selfComposed", count: 5, event: { kind: "composed", events: [twice, gaussian] } } as const;
    expect(leavesOf(event)).toEqual([{ leaf: gaussian, count: 15 }]);
  });
});

describe("privacySpent", () => {
  it("answers with the accountant's name, and an order where there is one", () => {
    expect(privacySpent(gaussian, 1e-5, "rdp")).toMatchObject({ delta: 1e-5, accountant: "rdp", order: 7.5 });
    expect(privacySpent(gaussian, 1e-5, "pld")).toMatchObject({ delta: 1e-5, accountant: "pld", order: null });
  });

  it("refuses a delta that is no probability", () => {
    for (const delta of [0, 1, -1, Number.NaN]) {
      expect(() => privacySpent(gaussian, delta, "rdp")).toThrow(/privacy-delta-invalid/);
    }
  });
});
