/**
 * A masked round as sets, without keys, shares or the product's own checks: who masks with whom under a plan of routing,
 * and what a coordinator reads where every honest site reveals all it is asked for. It finds plans worth playing on real
 * sites, at thousands a second, and foretells what must come out there.
 */
import type { SurvivorList } from "../secure-aggregation/masking-messages.ts";
import type { RoundContext } from "../secure-aggregation/round-context.ts";
import type { Routing } from "./dishonest-routing.ts";

export interface RoutingPlan extends Routing {
  readonly context: RoundContext;
  /** Each next to its neighbours. */
  readonly ring: readonly string[];
  readonly colluders: ReadonlySet<string>;
}

/** Sites that come to mask, each with those that it masks with. */
export function maskedBy({ context, ring, introduced, shown }: RoutingPlan): ReadonlyMap<string, ReadonlySet<string>> {
  const { graph, threshold } = context;
  const enough = graph?.threshold ?? threshold;
  const near = (a: string): string[] => {
    if (graph === undefined) return ring.filter((b) => b !== a);
    const at = ring.indexOf(a);
    return ring.filter((b, i) => {
      const apart = Math.min((i - at + ring.length) % ring.length, (at - i + ring.length) % ring.length);
      return b !== a && apart <= graph.neighbours / 2;
    });
  };
  const dealt = new Map<string, ReadonlySet<string>>();
  for (const site of ring) {
    const known = ring.filter((other) => other === site || introduced(other, site));
    const holders = near(site).filter((other) => introduced(other, site));
    if (known.length >= threshold && holders.length + 1 >= enough) dealt.set(site, new Set(holders));
  }
  const masked = new Map<string, ReadonlySet<string>>();
  for (const site of dealt.keys()) {
    const from = near(site).filter((o) => dealt.get(o)?.has(site) === true && introduced(o, site) && shown(o, site));
    if (from.length + 1 >= enough) masked.set(site, new Set(from));
  }
  return masked;
}

/** Sums that can be read where whoever may sign signs, and reveals without looking at anything. */
export function readableBlindly(
  plan: RoutingPlan,
  shownTo: (siteId: string) => SurvivorList,
): readonly (readonly string[])[] {
  const { context, ring, colluders } = plan;
  const masked = maskedBy(plan);
  const enough = context.graph?.threshold ?? context.threshold;
  const near = maskedBy({ ...plan, introduced: () => true, shown: () => true });
  const whole = new Map([...masked.keys()].map((site) => [shownTo(site), true]));
  for (const list of whole.keys()) whole.set(list, hangTogether(near, list.survivors, context.graph?.colluders ?? 0));
  const signed = [...masked.keys()].filter((site) => {
    const { survivors, dropped } = shownTo(site);
    if (whole.get(shownTo(site)) !== true) return false;
    const around = [...survivors, ...dropped].filter((other) => near.get(site)?.has(other));
    const all = around.length === masked.get(site)?.size && around.every((other) => masked.get(site)?.has(other));
    return !colluders.has(site) && survivors.includes(site) && survivors.length >= context.threshold && all;
  });
  const opens = (site: string, which: keyof SurvivorList): boolean => {
    const held = (holder: string): boolean => holder === site || masked.get(holder)?.has(site) === true;
    const given = signed.filter((holder) => held(holder) && shownTo(holder)[which].includes(site));
    const helping = [...colluders].filter((holder) => held(holder));
    return given.length + helping.length >= enough;
  };
  const open = new Set([...colluders, ...ring.filter((site) => opens(site, "dropped"))]);
  const honest = [...masked.keys()].filter((site) => !colluders.has(site));
  const unseen = new Set(honest);
  const sums: string[][] = [];
  for (const start of honest) {
    if (!unseen.delete(start)) continue;
    const part = [start];
    let hidden = false;
    for (const site of part) {
      hidden ||= !opens(site, "survivors");
      for (const other of honest) {
        if (other === site || open.has(site) || open.has(other)) continue;
        const [here, there] = [masked.get(site)?.has(other) === true, masked.get(other)?.has(site) === true];
        hidden ||= here && !there;
        if (here && there && unseen.delete(other)) part.push(other);
      }
      // Masks with sites that masked nothing themselves.
      hidden ||= [...(masked.get(site) ?? [])].some((other) => !masked.has(other) && !open.has(other));
    }
    if (!hidden) sums.push(part);
  }
  return sums;
}

/** Whether sites are joined by those near them whichever `missing` of them are taken away. */
function hangTogether(
  near: ReadonlyMap<string, ReadonlySet<string>>,
  sites: readonly string[],
  missing: number,
): boolean {
  const [start, ...rest] = sites;
  const reached = new Set(start === undefined ? [] : [start]);
  for (const site of reached) for (const other of rest) if (near.get(site)?.has(other)) reached.add(other);
  if (reached.size < sites.length) return false;
  return (
    missing === 0 ||
    sites.every((gone) =>
      hangTogether(
        near,
        sites.filter((each) => each !== gone),
        missing - 1,
      ),
    )
  );
}
