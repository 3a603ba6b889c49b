import { describe, expect, it } from "vitest";
import { USUAL_BOOTSTRAP } from "./bootstrap.ts";
import { type ComparedCase, compareModels, completed } from "./compare-models.ts";
import type { RegionMeasures } from "./measure-case.ts";

const LESIONS = { dice: 0.5, hd95: 187, found: 1, missed: 1, falseFindings: 0, leftOut: 0 };

function measures(dice: number | null, hd95: number | null, lesionDice = 0.5): Record<string, RegionMeasures> {
  const other = { sensitivity: null, specificity: null, nsd: null, volumeMl: { prediction: 0, reference: 0 } };
  return { WT: { dice, hd95, ...other, lesionWise: { ...LESIONS, dice: lesionDice } } };
}

/** Twelve cases of twelve subjects; the second model is a little worse on each. */
const CASES = Array.from({ length: 12 }, (_, i): ComparedCase => {
  const dice = 0.7 + 0.02 * i;
  return {
    id: `case-${i}`,
    subject: `subject-${i}`,
    site: i < 3 ? "small" : "large",
    measures: [measures(dice, 5), measures(dice - 0.01 - 0.001 * i, 5), measures(dice - 0.2, i % 2 === 0 ? 4 : 6)],
  };
});
const MODELS = ["good", "fair", "odd"];

describe("compareModels", () => {
  const { models, tests, cases, subjects } = compareModels(MODELS, CASES, "whole", USUAL_BOOTSTRAP);

  it("summarises each model with interval, worst tenth and worst site", () => {
    expect([cases, subjects]).toEqual([12, 12]);
    const { mean, interval, worstDecile, worstSite } = models[0].regions.WT.dice;
    expect(mean).toBeCloseTo(0.81, 12);
    expect(interval?.[0]).toBeGreaterThan(0.75);
    expect(interval?.[1]).toBeLessThan(0.87);
    expect(worstDecile).toBeCloseTo((0.7 + 0.72) / 2, 12);
    expect(worstSite).toEqual({ site: "small", mean: expect.closeTo(0.72, 12) });
    expect(models[2].regions.WT.hd95.worstDecile).toBe(6);
  });

  it("ranks by the sum of ranks over cases, regions and figures, ties sharing theirs", () => {
    // Dice ranks 1, 2, 3 in each case; HD95 ties the first two, ahead of the third in six cases and behind in six.
    expect(models.map(({ rankSum }) => rankSum)).toEqual([
      12 + 6 * 1.5 + 6 * 2.5,
      24 + 6 * 1.5 + 6 * 2.5,
      36 + 6 * 3 + 6,
    ]);
    expect(models.map(({ place }) => place)).toEqual([1, 2, 3]);
    expect(models.reduce((sum, { rankSum }) => sum + rankSum, 0)).toBe(12 * 2 * 6);
    expect(models[0].meanRank).toBe(36 / 24);
  });

  it("tests every two models in every figure, corrected over all", () => {
    expect(tests.map(({ first, second, figure }) => `${first}-${second} ${figure}`)).toEqual([
      "good-fair dice",
      "good-fair hd95",
      "good-odd dice",
      "good-odd hd95",
      "fair-odd dice",
      "fair-odd hd95",
    ]);
    const [dice, hd95] = tests;
    expect(dice.p).toBe(2 / 2 ** 12);
    expect(dice.pHolm).toBe((6 * 2) / 2 ** 12);
    expect(dice.meanDifference).toBeCloseTo(0.0155, 12);
    expect(hd95).toMatchObject({ pairs: 0, p: 1, pHolm: 1 });
  });

  it("takes a patient's scans as one witness in tests", () => {
    const twice = CASES.flatMap((each) => [each, { ...each, id: `${each.id}-later` }]);
    const again = compareModels(MODELS, twice, "whole", USUAL_BOOTSTRAP);
    expect(again.cases).toBe(24);
    expect(again.tests.map(({ p }) => p)).toEqual(tests.map(({ p }) => p));
  });

  it("compares lesion-wise scores where these are asked for", () => {
    const [each] = CASES;
    const apart = { ...each, measures: [measures(0.9, 1, 0.2), measures(0.1, 9, 0.8)] };
    const { models: ranked } = compareModels(["a", "b"], [apart], "lesion-wise", USUAL_BOOTSTRAP);
    expect(ranked.map(({ regions }) => regions.WT.dice.mean)).toEqual([0.2, 0.8]);
    expect(ranked.map(({ place }) => place)).toEqual([2, 1]);
    expect(ranked[0].regions.WT.dice.interval).toBeNull();
  });

  it("refuses a comparison of nothing", () => {
    expect(() => compareModels(MODELS, [], "whole", USUAL_BOOTSTRAP)).toThrow(/dataset-empty/);
  });
});

describe("completed", () => {
  it("counts an empty region as BraTS does", () => {
    expect(completed(measures(null, null).WT, "whole")).toEqual({ dice: 1, hd95: 0 });
    expect(completed(measures(0, null).WT, "whole")).toEqual({ dice: 0, hd95: 374 });
    expect(completed(measures(0.8, 3).WT, "whole")).toEqual({ dice: 0.8, hd95: 3 });
  });
});
