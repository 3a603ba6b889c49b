import { expect, test } from "vitest";
import type { ScoredCase } from "./case-figures.ts";
import { pairedChange } from "./paired-change.ts";

const cases = (dices: readonly (number | null)[]): ScoredCase[] =>
  dices.map((dice, i) => ({
    subject: `s${i}`,
    regions: { WT: { dice, hd95: null, sensitivity: null, specificity: null } },
  }));

test("means, differences and counts are of the cases that both define", () => {
  const { WT } = pairedChange(cases([0.5, 0.6, null, 0.7]), cases([0.6, 0.8, 0.9, 0.6]), ["WT"]);
  expect(WT).toMatchObject({ cases: 3, better: 2, worse: 1 });
  expect(WT.before).toBeCloseTo(0.6, 12);
  expect(WT.after).toBeCloseTo(2 / 3, 12);
  expect(WT.difference).toBeCloseTo(0.2 / 3, 12);
  // Ranks 1.5 (0.1), 3 (0.2), 1.5 (-0.1) up to rounding: six of eight signs are at least as extreme.
  expect(WT.p).toBeGreaterThan(0.5);
  expect(WT.interval?.[0]).toBeLessThan(0);
  expect(WT.interval?.[1]).toBeGreaterThan(0.1);
});

test("six cases that all gain are told as such: the exact probability is 2 / 2^6", () => {
  const before = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
  const after = before.map((dice, i) => dice + 0.01 * (i + 1));
  const { WT } = pairedChange(cases(before), cases(after), ["WT"]);
  expect(WT.p).toBeCloseTo(2 / 64, 12);
  expect(WT.interval?.[0]).toBeGreaterThan(0);
});

test("nothing measured is nothing claimed", () => {
  const { WT } = pairedChange(cases([null]), cases([0.5]), ["WT"]);
  expect(WT).toEqual({
    cases: 0,
    before: null,
    after: null,
    difference: null,
    interval: null,
    better: 0,
    worse: 0,
    p: null,
  });
});
