/**
 * What a site tells of an evaluation: sums over its validation cases by region, never a case by itself. A figure that
 * is defined for fewer cases than the study's `minCasesPerMetric` stays here.
 */
import { type CaseScores, sumScores } from "../segmentation/index.ts";
import type { Study } from "../study/index.ts";
import type { MadeEvaluation } from "./study-progress.ts";

type ToldRegion = MadeEvaluation["regions"][number];

/** Sums in order of case id, so that the same scores give the same bits. */
export function toldFigures(study: Study, scores: readonly CaseScores[]): ToldRegion[] {
  // What is added under masks is nobody's own figure.
  const enough = study.metrics === "summed" ? 1 : study.minCasesPerMetric;
  if (scores.length === 0 || scores.length < enough) return [];
  const ordered = [...scores].sort((a, b) => (a.caseId < b.caseId ? -1 : 1)).map(({ regions }) => regions);
  return sumScores(ordered, Object.keys(study.task.regions)).map(
    ({ region, diceSum, diceCases, hd95Sum, hd95Cases }) => ({
      region,
      ...(diceCases >= enough ? { diceSum, diceCases } : { diceSum: 0, diceCases: 0 }),
      ...(hd95Cases >= enough ? { hd95Sum, hd95Cases } : { hd95Sum: 0, hd95Cases: 0 }),
    }),
  );
}

/** How far work is, as signs of life tell it: in hundredths where numbers of cases and steps are nobody's business. */
export function toldProgress(study: Study, done: number, total: number): readonly [done: number, total: number] {
  return study.metrics === "summed" ? [Math.floor((100 * done) / Math.max(1, total)), 100] : [done, total];
}
