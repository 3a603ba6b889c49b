/** After which rounds the global model is evaluated: every n-th and the last. */
import type { Study } from "./schema.ts";

/** @param round counted from 1. */
export function isEvaluated({ rounds }: Study, round: number): boolean {
  return round % rounds.evaluateEvery === 0 || round === rounds.count;
}
