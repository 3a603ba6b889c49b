/**
 * Who masks with whom where a roster is large: a ring in which each site has the k/2 next on either side as neighbours
 * (Bell et al. 2020, "Secure Single-Server Aggregation with (Poly)Logarithmic Overhead", a Harary graph under a random
 * order). Pair masks and shares go to neighbours alone; the list of survivors stays one, signed by the study's threshold.
 *
 * The order follows from study, round and attempt, so that every site derives the same, and another each round.
 *
 * What must hold, and is checked by every site before it signs a list:
 * - Without any `colluders` of the survivors, the others still hang together by masks between neighbours. Then only the
 *   sum of all of them is seen, never that of a part.
 * - A secret opens with more shares than `colluders` have, so that they cannot open the other share of a site.
 *
 * Divergence: the paper draws a graph in which this holds but for a small chance. Here it is computed for each list, and a
 * list for which it does not hold is not signed.
 */
import { sha256 } from "../../base/index.ts";
import { boundBytes, type MaskingGraph, type RoundContext } from "./round-context.ts";

/** The roster in the order of the round's ring. */
function ringOf(context: RoundContext): readonly string[] {
  const place = new Map(context.sites.map((site) => [site, sha256(boundBytes(context, "neighbours", { site }))]));
  const at = (site: string): string => place.get(site) ?? "";
  return [...context.sites].sort((a, b) => (at(a) < at(b) ? -1 : 1));
}

/** The ring that was asked for last: every message of a round asks for the same. */
let lastRing: { readonly context: RoundContext; readonly places: ReadonlyMap<string, number> } | undefined;

function placesOf(context: RoundContext): ReadonlyMap<string, number> {
  if (lastRing?.context !== context) {
    lastRing = { context, places: new Map(ringOf(context).map((site, i) => [site, i])) };
  }
  return lastRing.places;
}

/** Whether two sites of the roster mask with each other; without a graph all do. */
export function areNeighbours(context: RoundContext, a: string, b: string): boolean {
  if (a === b) return false;
  if (context.graph === undefined) return true;
  const places = placesOf(context);
  const [first, second] = [places.get(a), places.get(b)];
  if (first === undefined || second === undefined) return false;
  const apart = Math.abs(first - second);
  return Math.min(apart, context.sites.length - apart) <= context.graph.neighbours / 2;
}

/** Of these sites, those that hold shares of this one's secrets: its neighbours, and itself where it is among them. */
export function holdersOf(context: RoundContext, siteId: string, among: readonly string[]): readonly string[] {
  return among.filter((other) => other === siteId || areNeighbours(context, siteId, other));
}

/** Shares that open a secret. */
export function shareThreshold({ graph, threshold }: RoundContext): number {
  return graph?.threshold ?? threshold;
}

/**
 * The fewest of the survivors without whom the others fall apart into two parts that no mask between neighbours joins;
 * Infinity where none do. A ring falls apart where two gaps of k/2 places or more have nobody left, and somebody is left
 * on both sides.
 */
export function separators(context: RoundContext, { neighbours }: MaskingGraph, survivors: readonly string[]): number {
  const places = placesOf(context);
  const length = context.sites.length;
  const reach = neighbours / 2;
  const alive = new Uint8Array(length);
  for (const site of survivors) alive[places.get(site) ?? 0] = 1;
  // Sums over the ring, twice around.
  const before = new Uint32Array(2 * length + 1);
  for (let i = 0; i < 2 * length; i++) before[i + 1] = before[i] + alive[i % length];
  const within = (start: number, end: number): number => before[end] - before[start];
  let fewest = Number.POSITIVE_INFINITY;
  for (let first = 0; first < length; first++) {
    for (let second = first + reach; second + reach <= first + length; second++) {
      const leftBetween = within(first + reach, second) > 0 && within(second + reach, first + length) > 0;
      if (leftBetween) fewest = Math.min(fewest, within(first, first + reach) + within(second, second + reach));
    }
  }
  return fewest;
}

/** Whether only the sum over all survivors can be seen, whoever of them the declared colluders are. */
export function staysTogether(context: RoundContext, survivors: readonly string[]): boolean {
  const { graph } = context;
  return graph === undefined || separators(context, graph, survivors) > graph.colluders;
}
