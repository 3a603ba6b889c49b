import { expect, test } from "vitest";
import { describeComparison } from "./model-compare.ts";

const COMPARED = {
  before: { study: "First", studyHash: "a".repeat(64), round: 3 },
  after: { study: "Second", studyHash: "b".repeat(64), round: 5 },
  region: null,
  sites: [
    { id: "tum", before: 0.7, after: 0.75 },
    { id: "ucsf", before: 0.8, after: 0.79 },
    { id: "upenn", before: null, after: 0.6 },
  ],
  paired: 2,
  change: null,
};

test("two models by site, and why there is no interval", () => {
  expect(describeComparison(COMPARED)).toBe(`Before: First (aaaaaaaaaaaa), best model, of round 3
After: Second (bbbbbbbbbbbb), best model, of round 5

Site   Dice before  after  Change
──────────────────────────────────────
tum          0.700  0.750  +0.050
ucsf         0.800  0.790  −0.010
upenn            –  0.600       –

Both models have figures at 2 sites: an interval takes three.`);
});

test.each([
  [[0.01, 0.05], "95 % interval +0.010 to +0.050 over 3 sites (Student's t, paired): the second is better."],
  [[-0.05, -0.01], "95 % interval −0.050 to −0.010 over 3 sites (Student's t, paired): the first is better."],
  [[-0.01, 0.07], "neither is shown to be better."],
] as const)("an interval of %j in words", (interval, words) => {
  const mean = (interval[0] + interval[1]) / 2;
  const text = describeComparison({ ...COMPARED, region: "ET", paired: 3, change: { mean, interval } });
  expect(text).toContain("Dice ET before");
  expect(text).toContain(words);
});
