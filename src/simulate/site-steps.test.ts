import { expect, test } from "vitest";
import type { RoundRecord } from "../coordinator/index.ts";
import { parseStudy, type Study } from "../study/index.ts";
import { stepsOfSite } from "./site-steps.ts";

const study: Study = parseStudy({
  schema: "consilium.study/1",
  name: "steps",
  network: { kind: "unet3d", levels: 2, baseFeatures: 4 },
  training: {
    optimiser: { kind: "sgd", learningRate: 0.01 },
    patch: [16, 16, 16],
    stepsPerRound: { patchesPerCase: 2 },
  },
  rounds: { count: 5 },
});
/** Round 2 failed: its number is used up. */
const rounds = [
  { round: 1, updates: { tum: { gradientSteps: 6 }, ucsf: { gradientSteps: 4 } } },
  { round: 3, updates: { ucsf: { gradientSteps: 3 } } },
  { round: 4, updates: { tum: { gradientSteps: 5 } } },
] as unknown as RoundRecord[];

test("a site did what its updates say, and nothing in rounds without one", () => {
  expect(stepsOfSite(study, rounds, { siteId: "tum", trainingCases: 3 })).toEqual([6, 0, 0, 5]);
  expect(stepsOfSite(study, rounds, { siteId: "ucsf", trainingCases: 2 })).toEqual([4, 0, 3, 0]);
  expect(stepsOfSite(study, rounds, { siteId: "upenn", trainingCases: 2 })).toEqual([0, 0, 0, 0]);
  expect(stepsOfSite(study, [], { siteId: "tum", trainingCases: 3 })).toEqual([]);
});

test("where only sums are told, it did what it was asked for", () => {
  const summed: Study = { ...study, metrics: "summed" };
  expect(stepsOfSite(summed, rounds, { siteId: "tum", trainingCases: 3 })).toEqual([6, 0, 0, 6]);
});
