/**
 * What a site tells of an evaluation: sums over its validation cases by region, never a case by itself. A figure that
 * is defined for fewer cases than the study's `minCasesPerMetric` stays here. Moments of one or two patients stay as
 * well: beside the sum they would give each one's score away.
 */
import { momentsOf, type PatientMoments } from "../aggregation/index.ts";
import type { CaseFiles } from "../imaging/index.ts";
import { type CaseScores, sumScores } from "../segmentation/index.ts";
import { LEAST_PATIENTS, type Study } from "../study/index.ts";
import type { MadeEvaluation } from "./study-progress.ts";

type ToldRegion = MadeEvaluation["regions"][number];

/** Sums in order of case id, so that the same scores give the same bits. */
export function toldFigures(
  study: Study,
  scores: readonly CaseScores[],
  cases: readonly Pick<CaseFiles, "id" | "subject">[],
): ToldRegion[] {
  const summed = study.metrics === "summed";
  // What is added under masks is nobody's own figure.
  const enough = summed ? 1 : study.minCasesPerMetric;
  if (scores.length === 0 || scores.length < enough) return [];
  const ordered = [...scores].sort((a, b) => (a.caseId < b.caseId ? -1 : 1));
  const subjects = new Map(cases.map(({ id, subject }) => [id, subject]));
  const momentsFor = (region: string, figure: "dice" | "hd95"): PatientMoments | undefined => {
    if (summed) return undefined;
    const samples = ordered.flatMap(({ caseId, regions }) => {
      const value = regions[region][figure];
      return value === null ? [] : [{ subject: subjects.get(caseId) ?? caseId, value }];
    });
    const moments = momentsOf(samples);
    return samples.length >= enough && moments.patients >= LEAST_PATIENTS ? moments : undefined;
  };
  return sumScores(
    ordered.map(({ regions }) => regions),
    Object.keys(study.task.regions),
  ).map(({ region, diceSum, diceCases, hd95Sum, hd95Cases }) => {
    const [diceMoments, hd95Moments] = [momentsFor(region, "dice"), momentsFor(region, "hd95")];
    return {
      region,
      ...(diceCases >= enough ? { diceSum, diceCases } : { diceSum: 0, diceCases: 0 }),
      ...(hd95Cases >= enough ? { hd95Sum, hd95Cases } : { hd95Sum: 0, hd95Cases: 0 }),
      ...(diceMoments && { diceMoments }),
      ...(hd95Moments && { hd95Moments }),
    };
  });
}

/** How far work is, as signs of life tell it: in hundredths where numbers of cases and steps are nobody's business. */
export function toldProgress(study: Study, done: number, total: number): readonly [done: number, total: number] {
  return study.metrics === "summed" ? inHundredths(done, total) : [done, total];
}

/** Progress that tells no number of cases or steps. */
export function inHundredths(done: number, total: number): readonly [done: number, total: number] {
  return [Math.floor((100 * done) / Math.max(1, total)), 100];
}
