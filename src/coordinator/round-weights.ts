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
import { largestTotalWeight } from "../aggregation/index.ts";
import { siteWeight } from "../privacy/index.ts";
import type { Study } from "../study/index.ts";
import type { UpdateRecord } from "./records.ts";

/** Parts of a case in which weights of a round with partial work are counted, where the sum has room for them. */
const PARTS_OF_A_CASE = 256;

export type Work = Pick<UpdateRecord, "trainingCases" | "gradientSteps" | "stepsAsked">;

/**
 * What one case weighs in a round. 1 where all work is whole; else, so that quotients lose little as whole numbers, the
 * largest power of two up to 256 with which the sum of these updates stays exact, and 1 where not even 2 does.
 */
export function weightUnit(study: Study, updates: readonly Work[]): number {
  if (updates.every(({ stepsAsked }) => stepsAsked === undefined)) return 1;
  const most = largestTotalWeight(study.aggregation.precisionBits);
  const totalAt = (unit: number): number => updates.reduce((sum, update) => sum + updateWeight(study, update, unit), 0);
  let unit = PARTS_OF_A_CASE;
  while (unit > 1 && totalAt(unit) > most) unit /= 2;
  return unit;
}

/** @param unit from `weightUnit` over the round's updates */
export function updateWeight(study: Study, { trainingCases, gradientSteps, stepsAsked }: Work, unit: number): number {
  const weight = siteWeight(study, trainingCases) * unit;
  return stepsAsked === undefined ? weight : Math.round((weight * stepsAsked) / gradientSteps);
}
