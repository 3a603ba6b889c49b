/** After which rounds the global model is evaluated: every n-th and the last. */
import type { Study } from "./schema.ts";

/** @param round counted from 1. @param last the last round, where fewer than declared are run */
export function isEvaluated({ rounds }: Study, round: number, last = rounds.count): boolean {
  return round % rounds.evaluateEvery === 0 || round === last;
}
