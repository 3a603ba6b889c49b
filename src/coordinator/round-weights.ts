/**
 * What each update of a round weighs: whole numbers, fixed before the sum.
 *
 * A site that returned a share f of its steps moved about f times as far as it would have. Its weight n is therefore taken
 * as n / f: the mean then points where whole work of all sites would point, however unequally they finished (Wang et al.
 * 2020, FedNova: updates divided by the steps that made them), and stays a mean of the sites' models, since weights are
 * divided by their sum. What partial work costs is length: the round goes as far as the harmonic mean of the shares.
 * MedPerf weighs so too, with a dampener, which is 1 here: any other is biased.
 *
 * Invariant: a round of whole work weighs as in a study without partial work, bit for bit.
 */
import { siteWeight } from "../privacy/index.ts";
import type { Study } from "../study/index.ts";
import type { UpdateRecord } from "./records.ts";

/** Parts of a case in which weights of a round with partial work are counted. */
const PARTS_OF_A_CASE = 256;

export type Work = Pick<UpdateRecord, "trainingCases" | "gradientSteps" | "stepsAsked">;

/** What one case weighs in a round: more where somebody's work is partial, so that quotients stay whole numbers. */
export function weightUnit(updates: Iterable<Work>): number {
  return [...updates].some(({ stepsAsked }) => stepsAsked !== undefined) ? PARTS_OF_A_CASE : 1;
}

/** @param unit from `weightUnit` over the round's updates */
export function updateWeight(study: Study, { trainingCases, gradientSteps, stepsAsked }: Work, unit: number): number {
  const weight = siteWeight(study, trainingCases) * unit;
  return stepsAsked === undefined ? weight : Math.round((weight * stepsAsked) / gradientSteps);
}
