/** Sealed shares handed on to some sites only, and what could be read: never the sum of fewer sites than promised. */
import { describe, expect, it } from "vitest";
import { readableSums, revealedBlindly, ringFrom, routed, signersOf } from "../testing/dishonest-routing.ts";
import { contextOf, portsOf } from "../testing/masked-federation.ts";
import { type ListSignature, listBytes, type SurvivorList } from "./masking-messages.ts";
import { areNeighbours } from "./neighbour-graph.ts";
import type { MaskingGraph, RoundContext } from "./round-context.ts";
import { revealShares, type SiteSigned } from "./site-rounds.ts";

const NONE: ReadonlySet<string> = new Set();

interface Ring {
  readonly context: RoundContext;
  readonly ring: readonly string[];
}

function namesOf(count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => `s${String(i).padStart(3, "0")}`);
}

function ringOf(count: number, graph: MaskingGraph, threshold = Math.floor(count / 2) + 1): Ring {
  const context: RoundContext = { ...contextOf(namesOf(count), threshold), graph };
  return { context, ring: ringFrom(context, (a, b) => areNeighbours(context, a, b)) };
}

describe("a coordinator that hands sealed shares on to some sites only", () => {
  const { context, ring } = ringOf(20, { neighbours: 4, threshold: 3, colluders: 0 });
  const seven = ring.slice(0, 7);
  const list: SurvivorList = { survivors: context.sites, dropped: [] };

  /** Two sites at either end of seven hear from the seven alone. */
  async function sevenAside(): Promise<{
    readonly signed: readonly SiteSigned[];
    readonly signatures: readonly ListSignature[];
  }> {
    const deaf = new Set([0, 1, 5, 6].map((place) => ring[place]));
    const shown = (from: string, to: string): boolean => !deaf.has(to) || seven.includes(from);
    const round = await routed(context, { introduced: () => true, shown });
    const signing = await signersOf(round, [list], { colluders: NONE, shownTo: () => list });
    expect(signing.signed).toHaveLength(16);
    // The control: with what those sixteen hold, the seven's sum would be open, of eleven that the study promises.
    const blindly = signing.signed.map(revealedBlindly);
    const sums = await readableSums(round, blindly, NONE);
    expect(sums.map((sites) => [...sites].sort())).toContainEqual([...seven].sort());
    return { signed: signing.signed, signatures: signing.signatures[0] };
  }

  it("does not get the sum of seven of twenty: those who signed do not hold together", async () => {
    const { signed, signatures } = await sevenAside();
    for (const state of signed) {
      expect(() => revealShares(state, list, signatures, portsOf(state.siteId))).toThrow(/fall apart/);
    }
  });

  it("does not get it by showing the signatures of those alone who hold together", async () => {
    const { signed, signatures } = await sevenAside();
    const others = signatures.filter(({ siteId }) => !seven.includes(siteId));
    const reveal = (state: SiteSigned): unknown => revealShares(state, list, others, portsOf(state.siteId));
    for (const state of signed) {
      if (seven.includes(state.siteId)) expect(() => reveal(state)).toThrow(/its? own among them|this site's own/);
      else expect(reveal(state)).toBeDefined();
    }
  });

  it("does not get it by signatures of sites that were shown another roster, and so reckon another ring", async () => {
    const round = await routed(context, { introduced: () => true, shown: () => true });
    const { signed, signatures } = await signersOf(round, [list], { colluders: NONE, shownTo: () => list });
    const larger = { ...context, sites: [...context.sites, "t000"] };
    const foreign = signatures[0].map((each, i) =>
      i === 1 ? { ...each, signature: portsOf(each.siteId).sign(listBytes(larger, list)) } : each,
    );
    const reveal = (shown: readonly ListSignature[]): unknown =>
      revealShares(signed[0], list, shown, portsOf(signed[0].siteId));
    expect(() => reveal(foreign)).toThrow(/signature-invalid/);
    expect(reveal(signatures[0])).toBeDefined();
  });
});
