/** Which sites of a study train: all but those that it names to evaluate only. */
import type { Study } from "./schema.ts";

export function siteTrains({ evaluateOnly }: Pick<Study, "evaluateOnly">, siteId: string): boolean {
  return evaluateOnly?.includes(siteId) !== true;
}
