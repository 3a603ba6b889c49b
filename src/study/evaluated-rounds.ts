/** After which rounds models are evaluated: the global one, and with a cross-site matrix each site's own. */
import type { Study } from "./schema.ts";

/**
 * After every n-th round, the last, and those with a matrix, of which the global model is a row.
 * @param round counted from 1. @param last the last round, where fewer than declared are run
 */
export function isEvaluated({ rounds }: Study, round: number, last = rounds.count): boolean {
  return round % rounds.evaluateEvery === 0 || round === last || hasMatrix({ rounds }, round, round === last);
}

/** @param isLast whether the study ends with this round, as declared or earlier */
export function hasMatrix({ rounds: { crossSite } }: Pick<Study, "rounds">, round: number, isLast: boolean): boolean {
  if (crossSite === undefined) return false;
  return crossSite === "last" ? isLast : crossSite.includes(round);
}
