/** What a site did in a federation, for baselines that are to do as much. */
import type { RoundRecord } from "../coordinator/index.ts";
import { type Study, stepsOfRound } from "../study/index.ts";

/**
 * Gradient steps of a site in each round up to the last, the first one first; none in a round without its update:
 * undrawn, left out, or failed. Where only sums of figures are told, a site that took part did the steps it was asked for.
 */
export function stepsOfSite(
  study: Study,
  rounds: readonly Pick<RoundRecord, "round" | "updates">[],
  { siteId, trainingCases }: { readonly siteId: string; readonly trainingCases: number },
): readonly number[] {
  const steps = new Array<number>(rounds.at(-1)?.round ?? 0).fill(0);
  for (const { round, updates } of rounds) {
    if (!Object.hasOwn(updates, siteId)) continue;
    steps[round - 1] = study.metrics === "summed" ? stepsOfRound(study, trainingCases) : updates[siteId].gradientSteps;
  }
  return steps;
}
