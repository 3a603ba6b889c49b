/** Neighbours beside brute force: who they are, what holds them together, and every seed that a round opens. */
import { describe, expect, it } from "vitest";
import { createRandom } from "../../base/index.ts";
import { checkAmongNeighbours, fewestCut, inputsOf, POINTS } from "../testing/dropouts.ts";
import { contextOf, type DropPoint, portsOf, runMaskedRound } from "../testing/masked-federation.ts";
import type { SealedShares, SurvivorList } from "./masking-messages.ts";
import { areNeighbours, holdersOf, separators } from "./neighbour-graph.ts";
import { checkContext, contextOfRound, type MaskingGraph, type RoundContext } from "./round-context.ts";
import * as site from "./site-rounds.ts";

const named = (count: number): string[] => Array.from({ length: count }, (_, i) => `s${String(i).padStart(3, "0")}`);

function withNeighbours(count: number, graph: MaskingGraph, threshold = Math.floor(count / 2) + 1): RoundContext {
  return { ...contextOf(named(count), threshold), graph };
}

describe("neighbours", () => {
  it("are as many as declared for each site, mutual, and others each round", () => {
    const context = withNeighbours(101, { neighbours: 20, threshold: 11, colluders: 0 });
    for (const a of context.sites) {
      expect(holdersOf(context, a, context.sites)).toHaveLength(21);
      for (const b of context.sites) expect(areNeighbours(context, a, b)).toBe(areNeighbours(context, b, a));
    }
    const next = { ...context, round: 4 };
    const [first, second] = [context, next].map((each) => holdersOf(each, "s000", each.sites));
    expect(first).not.toEqual(second);
  });

  it("fall apart with as few sites as trying every set says", () => {
    const random = createRandom("cuts");
    let apart = 0;
    for (const neighbours of [2, 4, 6]) {
      for (let trial = 0; trial < 12; trial++) {
        const graph = { neighbours, threshold: 2, colluders: 0 };
        const context = { ...withNeighbours(11, graph), round: trial + 1 };
        const survivors = context.sites.filter(() => random.between(0, 1) < 0.75);
        const cut = fewestCut(context, survivors);
        expect([neighbours, trial, separators(context, graph, survivors)]).toEqual([neighbours, trial, cut]);
        if (cut === 0) apart++;
      }
    }
    expect(apart).toBeGreaterThan(2);
    // Nobody dropped: a ring falls apart at exactly its number of neighbours.
    const whole = withNeighbours(200, { neighbours: 12, threshold: 7, colluders: 0 });
    expect(separators(whole, { neighbours: 12, threshold: 7, colluders: 0 }, whole.sites)).toBe(12);
  });

  it("are refused where they cannot hold, and go beyond the 255 sites that share with all", () => {
    const good = { neighbours: 6, threshold: 5, colluders: 1 };
    checkContext(withNeighbours(20, good, 12));
    checkContext(withNeighbours(1000, good, 600));
    const bad: readonly (readonly [MaskingGraph, RegExp])[] = [
      [{ ...good, neighbours: 5 }, /even number of neighbours/],
      [{ ...good, neighbours: 20 }, /from 2 to 18/],
      [{ ...good, threshold: 4 }, /from 5 to 7 shares/],
      [{ ...good, threshold: 8 }, /from 5 to 7 shares/],
      [{ neighbours: 6, threshold: 5, colluders: 3 }, /from 6 to 7 shares/],
      [{ ...good, colluders: 6 }, /from 0 to 3 colluders/],
    ];
    for (const [graph, reason] of bad) expect(() => checkContext(withNeighbours(20, graph, 12))).toThrow(reason);
    expect(() => checkContext(contextOf(named(1000), 600))).toThrow(/neighbours for more/);
  });

  it("are taken above the declared number of sites, and bind keys to them", () => {
    const declared = { threshold: 12, neighbours: { aboveSites: 19, count: 6, colluders: 0 } };
    const round = { studyHash: "5".repeat(64), round: 1, roster: [] };
    expect(contextOfRound(declared, { ...round, sites: named(19) }).graph).toBeUndefined();
    const { graph } = contextOfRound(declared, { ...round, sites: named(20) });
    expect(graph).toEqual({ neighbours: 6, threshold: 4, colluders: 0 });
  });
});

describe("a masked round among neighbours", () => {
  const context = withNeighbours(9, { neighbours: 4, threshold: 4, colluders: 1 }, 6);

  it("ends in the exact sum, hidden, or in nothing, wherever sites drop (more in the slow test)", async () => {
    const random = createRandom("neighbours drop");
    const verdicts = { summed: 0, failed: 0 };
    for (let trial = 0; trial < 24; trial++) {
      const pattern = new Map<string, DropPoint>();
      for (let drops = trial % 5; drops > 0; drops--) {
        pattern.set(context.sites[random.integer(9)], POINTS[random.integer(POINTS.length)]);
      }
      verdicts[await checkAmongNeighbours({ ...context, round: trial + 1 }, pattern, trial)]++;
    }
    expect(verdicts.summed).toBeGreaterThan(8);
    expect(verdicts.failed).toBeGreaterThan(2);
  });

  it("is not signed for by a site where survivors would fall apart, or where its own neighbours are left out", async () => {
    const ring = withNeighbours(9, { neighbours: 2, threshold: 2, colluders: 0 }, 6);
    const masked = await maskedAmong(ring, "s000");
    const others = ring.sites.filter((each) => each !== "s000");
    const far = others.filter((each) => !areNeighbours(ring, "s000", each));
    const list = (dropped: readonly string[], named = ring.sites): SurvivorList => ({
      survivors: named.filter((each) => !dropped.includes(each)),
      dropped: [...dropped].sort(),
    });
    const pairs = far.flatMap((a, i) => far.slice(i + 1).map((b) => [a, b]));
    const apart = pairs.find(([a, b]) => !areNeighbours(ring, a, b) && fewestCut(ring, list([a, b]).survivors) === 0);
    expect(apart).toBeDefined();
    expect(() => site.signSurvivors(masked, list(apart ?? []), portsOf("s000"))).toThrow(/fall apart/);
    const [near] = others.filter((each) => areNeighbours(ring, "s000", each));
    const without = list(
      [],
      ring.sites.filter((each) => each !== near),
    );
    expect(() => site.signSurvivors(masked, without, portsOf("s000"))).toThrow(/masking-message-invalid/);
    const stranger = list([], [...ring.sites, "zzz"]);
    expect(() => site.signSurvivors(masked, stranger, portsOf("s000"))).toThrow(/sites of the approved roster/);
    // The control: with one of them dropped it signs.
    const [gone] = apart ?? [];
    expect(site.signSurvivors(masked, list([gone]), portsOf("s000")).state.kind).toBe("signed");
  });

  it("is signed for where the survivors have a cut of one only if no site is reckoned to collude", async () => {
    const cutByOne = async (colluders: number) => {
      const graph = { neighbours: 4, threshold: 4, colluders };
      const ring = withNeighbours(9, graph, 6);
      const lists = ring.sites.flatMap((a, i) =>
        ring.sites.slice(i + 1).flatMap((b, j) => ring.sites.slice(i + j + 2).map((c) => [a, b, c])),
      );
      const dropped = lists.find(
        (gone) =>
          fewestCut(
            ring,
            ring.sites.filter((each) => !gone.includes(each)),
          ) === 1 && !gone.includes("s000"),
      );
      if (dropped === undefined) throw new Error("three whose absence leaves a cut of one");
      const list = { survivors: ring.sites.filter((each) => !dropped.includes(each)), dropped };
      return { masked: await maskedAmong(ring, "s000"), list };
    };
    const [none, one] = [await cutByOne(0), await cutByOne(1)];
    expect(() => site.signSurvivors(one.masked, one.list, portsOf("s000"))).toThrow(/fall apart/);
    expect(site.signSurvivors(none.masked, none.list, portsOf("s000")).state.kind).toBe("signed");
  });

  it("fails in words where a site lacks neighbours that advertised, or that shared", async () => {
    const { sites } = context;
    const near = holdersOf(context, "s000", sites).filter((each) => each !== "s000");
    for (const step of ["keys", "shares"] as const) {
      const pattern = new Map<string, DropPoint>(near.slice(0, 2).map((each) => [each, step]));
      await expect(runMaskedRound(context, inputsOf(1, sites), (each) => pattern.get(each) ?? "never")).rejects.toThrow(
        step === "keys" ? /advertisements of keys around site s00/ : /shared their secrets around site s00/,
      );
    }
  });

  async function maskedAmong(of: RoundContext, siteId: string): Promise<site.SiteMasked> {
    const states = of.sites.map((each) => site.advertiseKeys(of, each, [], portsOf(each)).state);
    const advertisements = states.map((each) => each.advertisement);
    const sealed: SealedShares[] = [];
    let own: site.SiteShared | undefined;
    for (const state of states) {
      const { state: next, message } = await site.shareSecrets(state, advertisements, portsOf(state.siteId));
      sealed.push(...message.filter(({ to }) => to === siteId));
      if (state.siteId === siteId) own = next;
    }
    if (own === undefined) throw new Error("a site of the roster");
    return site.maskInput(own, sealed).state;
  }
});
