/** Sealed shares handed on to some sites only, and what could be read: never the sum of fewer sites than promised. */
import { describe, expect, it } from "vitest";
import { readableSums, revealedBlindly, ringFrom, routed, signersOf } from "../testing/dishonest-routing.ts";
import { contextOf, portsOf } from "../testing/masked-federation.ts";
import type { ListSignature, SealedShares, SurvivorList } from "./masking-messages.ts";
import { areNeighbours } from "./neighbour-graph.ts";
import { contextOfRound, type MaskingGraph, type RoundContext } from "./round-context.ts";
import {
  advertiseKeys,
  maskInput,
  revealShares,
  type SiteShared,
  type SiteSigned,
  shareSecrets,
  signSurvivors,
} from "./site-rounds.ts";

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
      if (seven.includes(state.siteId)) expect(() => reveal(state)).toThrow(/this site's own among them/);
      else expect(reveal(state)).toBeDefined();
    }
  });
});

/** Two halves of a ring, every other site each, that were shown rosters without one far site of the other half. */
function twoRosters(bound: boolean) {
  const graph = { neighbours: 6, threshold: 4, colluders: 0 };
  const names = namesOf(24);
  const { ring } = ringOf(24, graph, 12);
  const isEven = (site: string): boolean => ring.indexOf(site) % 2 === 0;
  const contextWithout = (hidden: string): RoundContext => {
    const without = contextOf(
      names.filter((site) => site !== hidden),
      12,
    );
    return { ...without, graph, ...(!bound && { rosterSha256: contextOf(names, 12).rosterSha256 }) };
  };
  const [even, odd] = [contextWithout(ring[17]), contextWithout(ring[18])];
  return { names, ring, contextFor: (site: string): RoundContext => (isEven(site) ? even : odd), isEven };
}

describe("a coordinator that shows two rosters", () => {
  it("would read one site's update, were messages not bound to the roster", async () => {
    const { names, ring, contextFor, isEven } = twoRosters(false);
    const far = new Set(ring.filter((_, i) => i < 14 || i > 21));
    const meets = (a: string, b: string): boolean => isEven(a) === isEven(b) || far.has(a);
    const advertised = names.map((name) => advertiseKeys(contextFor(name), name, [], portsOf(name)).state);
    const advertisements = advertised.map(({ advertisement }) => advertisement);
    const shared: SiteShared[] = [];
    const sealed: SealedShares[] = [];
    for (const state of advertised) {
      const known = advertisements.filter(({ siteId }) => state.context.sites.includes(siteId));
      const next = await shareSecrets(state, known, portsOf(state.siteId));
      shared.push(next.state);
      sealed.push(...next.message);
    }
    const masked = shared.map((state) => {
      const { context, siteId } = state;
      const heard = sealed.filter(
        ({ from, to }) => to === siteId && areNeighbours(context, from, to) && meets(from, to),
      );
      return maskInput(state, heard);
    });
    const victim = 6;
    const around = (offsets: readonly number[]): string[] => offsets.map((offset) => ring[victim + offset]).sort();
    const listFor = (even: boolean): SurvivorList => {
      const dropped = around(even ? [-3, -1, 1, 3] : [-2, 2]);
      const { sites } = contextFor(ring[even ? 0 : 1]);
      const survivors = sites.filter((site) => !dropped.includes(site) && (isEven(site) === even || far.has(site)));
      return { survivors, dropped };
    };
    const revealed = [true, false].flatMap((even) => {
      const own = masked.filter(({ state }) => isEven(state.siteId) === even);
      const signed = own.map(({ state }) => signSurvivors(state, listFor(even), portsOf(state.siteId)));
      const signatures = signed.map(({ message }) => message);
      return signed.map(({ state }) => revealShares(state, listFor(even), signatures, portsOf(state.siteId)).message);
    });
    const sites = new Map(masked.map((step) => [step.state.siteId, step]));
    const sums = await readableSums({ context: contextFor(ring[0]), advertisements, sites }, revealed, NONE);
    expect(sums.map((each) => [...each])).toEqual([[ring[victim]]]);
  });

  it("gets no keys agreed between sites that were shown different ones", async () => {
    const { names, contextFor } = twoRosters(true);
    const advertised = names.map((name) => advertiseKeys(contextFor(name), name, [], portsOf(name)).state);
    for (const state of advertised) {
      const known = advertised
        .map(({ advertisement }) => advertisement)
        .filter(({ siteId }) => state.context.sites.includes(siteId));
      await expect(shareSecrets(state, known, portsOf(state.siteId))).rejects.toMatchObject({
        code: "signature-invalid",
      });
    }
  });

  it("is found out by a key alone that differs", async () => {
    const names = namesOf(3);
    const roster = names.map((siteId) => ({ siteId, keySha256: "1".repeat(64) }));
    const about = { studyHash: "5".repeat(64), round: 1, sites: names };
    const [shown, other] = [roster, [{ ...roster[0], keySha256: "2".repeat(64) }, ...roster.slice(1)]].map((each) =>
      contextOfRound({ threshold: 2 }, { ...about, roster: each }),
    );
    const advertisements = names.map(
      (name, i) => advertiseKeys(i === 2 ? other : shown, name, [], portsOf(name)).state,
    );
    const all = advertisements.map(({ advertisement }) => advertisement);
    await expect(shareSecrets(advertisements[0], all, portsOf(names[0]))).rejects.toMatchObject({
      code: "signature-invalid",
    });
    await expect(shareSecrets(advertisements[0], all.slice(0, 2), portsOf(names[0]))).resolves.toBeDefined();
  });
});
