import { describe, expect, it } from "vitest";
import { intervalOfMoments } from "../aggregation/index.ts";
import { type Study, studySchema } from "../study/index.ts";
import { toldFigures } from "./figures.ts";
import { tinyStudy } from "./testing/test-site.ts";

const regionsOf = (study: Study) => Object.keys(study.task.regions);
const scoresOf = (study: Study, dice: readonly (number | null)[]) =>
  dice.map((value, i) => ({
    caseId: `case-${i}`,
    regions: Object.fromEntries(
      regionsOf(study).map((region) => [region, { dice: value, hd95: null, sensitivity: null, specificity: null }]),
    ),
  }));
const casesOf = (count: number, patientOf = (i: number) => i) =>
  Array.from({ length: count }, (_, i) => ({ id: `case-${i}`, subject: `patient-${patientOf(i)}` }));

describe("what a site tells of its cases", () => {
  it("has moments from three patients on, from which the coordinator gets the interval", () => {
    const study = tinyStudy();
    const [told] = toldFigures(study, scoresOf(study, [0.4, 0.6, 0.8]), casesOf(3));
    expect(told.diceMoments).toMatchObject({ patients: 3, casesSquared: 3 });
    const interval = told.diceMoments && intervalOfMoments(told.diceSum, told.diceCases, told.diceMoments, [0, 1]);
    expect(interval?.[0]).toBeCloseTo(0.6 - 4.30265 * (0.2 / Math.sqrt(3)), 4);
    expect(told.hd95Moments).toBeUndefined();
  });

  it("has none of two patients, however many scans they have", () => {
    const study = tinyStudy();
    const told = toldFigures(
      study,
      scoresOf(study, [0.4, 0.6, 0.8, 0.9]),
      casesOf(4, (i) => i % 2),
    );
    expect(told[0].diceCases).toBe(4);
    expect(told[0].diceMoments).toBeUndefined();
  });

  it("has none of a figure that fewer cases define than the study allows", () => {
    const study = tinyStudy({ minCasesPerMetric: 4 });
    const told = toldFigures(study, scoresOf(study, [0.4, 0.6, 0.8, null]), casesOf(4));
    expect(told[0]).toEqual({ region: told[0].region, diceSum: 0, diceCases: 0, hd95Sum: 0, hd95Cases: 0 });
  });

  it("has none where figures travel in the masked sum alone", () => {
    const plain = tinyStudy();
    const study = studySchema.parse({ ...plain, metrics: "summed", privacy: { secureAggregation: { threshold: 2 } } });
    const told = toldFigures(study, scoresOf(study, [0.4, 0.6, 0.8]), casesOf(3));
    expect(told[0].diceCases).toBe(3);
    expect(told[0].diceMoments).toBeUndefined();
  });
});
