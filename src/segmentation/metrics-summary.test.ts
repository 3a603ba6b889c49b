import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RegionScores } from "./metrics.ts";
import { summariseScores, summariseSums, sumScores } from "./metrics-summary.ts";

const score = (dice: number | null, hd95: number | null): RegionScores => ({
  dice,
  hd95,
  sensitivity: null,
  specificity: null,
});

describe("summariseScores", () => {
  it("means over cases, leaves the undefined out and counts them", () => {
    const summary = summariseScores(
      [
        { WT: score(0.8, 4), ET: score(null, null) },
        { WT: score(0.6, 2), ET: score(0, null) },
        { WT: score(1, 0), ET: score(0.5, 6) },
      ],
      ["WT", "ET"],
    );
    expect(summary.cases).toBe(3);
    expect(summary.dice.WT).toBeCloseTo(0.8, 12);
    expect(summary.dice.ET).toBeCloseTo(0.25, 12);
    expect(summary.dice.mean).toBeCloseTo(0.525, 12);
    expect(summary.hd95).toEqual({ WT: 2, ET: 6, mean: 4 });
    expect(summary.undefined).toEqual({ WT: 0, ET: 1 });
    expect(summary.undefinedHd95).toEqual({ WT: 0, ET: 2 });
  });

  it("has no mean where no case defines one", () => {
    const summary = summariseScores([{ WT: score(0.5, 1), ET: score(null, null) }], ["WT", "ET"]);
    expect(summary.dice).toEqual({ WT: 0.5, ET: null, mean: 0.5 });
    expect(summariseScores([], ["WT"]).dice).toEqual({ WT: null, mean: null });
  });

  it("refuses a case without a region, and a region called mean", () => {
    expect(() => summariseScores([{ WT: score(1, 0) }], ["WT", "TC"])).toThrow(/message-invalid.*region TC.*WT/);
    expect(() => summariseScores([], ["mean"])).toThrow(/study-invalid/);
  });

  it("gives the same from the sums of any grouping into sites", () => {
    const figure = fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: null });
    const cases = fc.array(fc.record({ WT: fc.tuple(figure, figure).map(([d, h]) => score(d, h)) }), { minLength: 1 });
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 5 }), (all, sites) => {
        const grouped = Array.from({ length: sites }, (_, site) => all.filter((_case, i) => i % sites === site));
        const together = summariseScores(all, ["WT"]);
        const summed = summariseSums(
          grouped.map((group) => sumScores(group, ["WT"])),
          ["WT"],
        );
        expect(summed.undefined).toEqual(together.undefined);
        expect(summed.cases).toBe(all.length);
        if (together.dice.mean === null) expect(summed.dice.mean).toBeNull();
        else expect(summed.dice.mean).toBeCloseTo(together.dice.mean, 12);
      }),
    );
  });
});
