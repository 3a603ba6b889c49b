/** How much work a round is for a site, by what the study declares. */
import type { Study } from "./schema.ts";

/** Patches of one gradient step. */
export function itemsPerStep({ training }: Study): number {
  return training.batch * training.accumulate;
}

/** Gradient steps of a site with so many training cases in a round. */
export function stepsOfRound(study: Study, trainingCases: number): number {
  const { stepsPerRound } = study.training;
  if (typeof stepsPerRound === "number") return stepsPerRound;
  return Math.max(1, Math.ceil((stepsPerRound.patchesPerCase * trainingCases) / itemsPerStep(study)));
}

/** Of so many steps the fewest that a site may return: with `rounds.partialWork` its least share, else all. */
export function leastSteps({ rounds }: Study, steps: number): number {
  return Math.min(steps, Math.max(1, Math.ceil((rounds.partialWork?.leastShare ?? 1) * steps)));
}
