import { expect, test } from "vitest";
import { figuresOfCases, worstSites } from "./case-figures.ts";

const scores = (dice: number | null, hd95: number | null) => ({
  WT: { dice, hd95, sensitivity: null, specificity: null },
});

test("the worst tenth is of low Dice and of high HD95, and leaves out what is undefined", () => {
  const cases = Array.from({ length: 21 }, (_, i) => ({
    subject: `s${i}`,
    regions: i === 20 ? scores(null, null) : scores(i / 20, i < 10 ? null : i),
  }));
  const { dice, hd95 } = figuresOfCases(cases, ["WT"]);
  expect(dice.WT).toMatchObject({ cases: 20, worstTenth: (0 + 0.05) / 2 });
  expect(dice.WT.mean).toBeCloseTo(0.475, 12);
  expect(hd95.WT).toMatchObject({ cases: 10, mean: 14.5, worstTenth: 19 });
  const [low, high] = dice.WT.interval ?? [Number.NaN, Number.NaN];
  expect(low).toBeLessThan(0.475);
  expect(high).toBeGreaterThan(0.475);
  expect(figuresOfCases(cases.slice(0, 1), ["WT"]).dice.WT.interval).toBeNull();
  expect(figuresOfCases([], ["WT"]).dice.WT).toEqual({ mean: null, interval: null, worstTenth: null, cases: 0 });
});

test("the worst site is told for each region and figure, between two sites or more", () => {
  const sites = [
    { id: "b", dice: { WT: 0.8, ET: 0.1 }, hd95: { WT: 9, ET: null } },
    { id: "a", dice: { WT: 0.7, ET: 0.1 }, hd95: { WT: 3, ET: 4 } },
    { id: "silent", dice: null, hd95: null },
  ];
  expect(worstSites(sites, ["WT", "ET"])).toEqual({
    dice: { WT: { id: "a", mean: 0.7 }, ET: { id: "a", mean: 0.1 } },
    hd95: { WT: { id: "b", mean: 9 }, ET: null },
  });
});
