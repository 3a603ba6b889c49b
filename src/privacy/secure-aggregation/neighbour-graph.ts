/**
 * Who masks with whom where a roster is large: a ring in which each site has the k/2 next on either side as neighbours
 * (Bell et al. 2020, "Secure Single-Server Aggregation with (Poly)Logarithmic Overhead", a Harary graph under a random
 * order). Pair masks and shares go to neighbours alone; the list of survivors stays one, signed by the study's threshold.
 *
 * The order follows from study, round and attempt, so that every site derives the same, and another each round.
 *
 * Promised, against a coordinator that shows what it likes to whom it likes, with at most c = `colluders` of the n sites
 * on its side: of one round it reads at most one sum, and at least t - c honest sites are in it. Assumed: keys of the
 * roster are the sites' own, and a site takes part in a round in one attempt (src/site/masked-update.ts). That all honest
 * sites in a round were shown one roster is not assumed: every message is bound to it (round-context.ts). With k
 * neighbours each, s shares that open a secret and t signatures under a list, the argument is:
 * 1. 2 t > n + c, so that honest sites reveal under one list alone. With s > c, no mask key of a survivor opens, and no
 *    self seed of another site, whose upload therefore tells nothing.
 * 2. A site reveals only if it is itself among those whose signatures it is shown, and if these, without any c of them,
 *    hang together by neighbours, on the ring of the roster that they signed. Any two such sets have an honest site in
 *    common, by 1. So all honest sites in them, R, hang together; they are at least t - c, and all honest ones that reveal.
 * 3. Who signs holds the shares of all its neighbours in the list, and masks with them: masks between neighbours in R
 *    are on both, and closed. All of R are in a sum that is read, or none.
 * 4. Let v be another honest survivor in a sum that is read. Of the k + 1 sites around it, it masks with so many that
 *    with itself they are s at least; and s at least, of R or colluding, gave the shares of its self seed. As
 *    2 s > k + 1 + c, one of R is among both: it masks with v, v with it, and the mask is closed. So R is in v's sum.
 * Where all mask with all, n stands for k + 1 and t for s, and 2. needs nothing to hang together.
 *
 * Divergence: the paper draws a graph in which sites hang together but for a small chance. Here it is computed for each
 * list and each set of signatures, and where it does not hold nothing is signed or revealed.
 */
import { invariant, sha256 } from "../../base/index.ts";
import { boundBytes, type MaskingGraph, type RoundContext } from "./round-context.ts";

/** The roster in the order of the round's ring. */
function ringOf(context: RoundContext): readonly string[] {
  const placed = context.sites.map((site) => ({ site, at: sha256(boundBytes(context, "neighbours", { site })) }));
  return placed.sort((a, b) => (a.at < b.at ? -1 : 1)).map(({ site }) => site);
}

/** Every message of a round asks for the same ring. */
const RINGS = new WeakMap<RoundContext, ReadonlyMap<string, number>>();

function placesOf(context: RoundContext): ReadonlyMap<string, number> {
  const known = RINGS.get(context);
  if (known !== undefined) return known;
  const places = new Map(ringOf(context).map((site, i) => [site, i]));
  RINGS.set(context, places);
  return places;
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
  for (const site of survivors) {
    const place = places.get(site);
    invariant(place !== undefined, "survivors of the roster");
    alive[place] = 1;
  }
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

/** Whether these sites hang together, whoever of them the declared colluders are; without a graph all do. */
export function staysTogether(context: RoundContext, sites: readonly string[]): boolean {
  const { graph } = context;
  return graph === undefined || separators(context, graph, sites) > graph.colluders;
}
