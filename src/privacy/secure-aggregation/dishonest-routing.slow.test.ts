/**
 * Attacks drawn at random on the product's own sites: who hears of whom, which shares arrive, lists and signatures that
 * differ from site to site, colluders. Whatever is drawn, one sum at most is read, and never of too few sites.
 */
import { expect, it } from "vitest";
import { createRandom, type Random } from "../../base/index.ts";
import {
  readableSums,
  revealedBlindly,
  ringFrom,
  routed,
  routingPorts,
  signersOf,
  unlessRefused,
} from "../testing/dishonest-routing.ts";
import { contextOf } from "../testing/masked-federation.ts";
import { maskedBy, type RoutingPlan, readableBlindly } from "../testing/routing-model.ts";
import type { ListSignature, RevealedShares, SurvivorList } from "./masking-messages.ts";
import { areNeighbours } from "./neighbour-graph.ts";
import type { RoundContext } from "./round-context.ts";
import { revealShares, type SiteSigned } from "./site-rounds.ts";

const PLANS = 20_000;
const PLAYED = 40;

const NEIGHBOURS = 4;

interface Attack extends RoutingPlan {
  /** Next to each other on the ring; their sum is wanted. */
  readonly arc: readonly string[];
  readonly lists: readonly SurvivorList[];
  readonly shownTo: (siteId: string) => SurvivorList;
}

interface Roster {
  readonly context: RoundContext;
  /** Each next to its neighbours. */
  readonly ring: readonly string[];
  readonly colluding: number;
}

/** A ring, or in every fifth trial a roster in which all mask with all, at the fewest shares and signatures. */
function rosterFor(random: Random): Roster {
  const named = (count: number): string[] => Array.from({ length: count }, (_, i) => `s${String(i).padStart(3, "0")}`);
  if (random.chance(0.2)) {
    const count = 4 + random.integer(5);
    const threshold = Math.floor(count / 2) + 1 + random.integer(2);
    const context = contextOf(named(count), threshold);
    return { context, ring: random.shuffled(context.sites), colluding: 2 * threshold - count - 1 };
  }
  const colluders = random.integer(3);
  const count = 12 + random.integer(5);
  const shares = Math.floor((NEIGHBOURS + 1 + colluders) / 2) + 1;
  const graph = { neighbours: NEIGHBOURS, threshold: shares, colluders };
  const context: RoundContext = { ...contextOf(named(count), Math.floor((count + colluders) / 2) + 1), graph };
  return { context, ring: ringFrom(context, (a, b) => areNeighbours(context, a, b)), colluding: colluders };
}

/**
 * An arc of the ring is to be read by itself. All of it, or those at its ends, hear of the arc and the colluders alone;
 * the colluders stand around it, or anywhere.
 */
function attackBy(random: Random): Attack {
  const { context, ring, colluding } = rosterFor(random);
  const count = ring.length;
  const arc = ring.slice(0, 2 + random.integer(context.threshold - 1));
  const around = random.chance(0.7) ? arc.length + 2 : count;
  const places = random.shuffled(Array.from({ length: around }, (_, i) => i));
  const colluders = new Set(places.slice(0, colluding).map((place) => ring[(place + count - 1) % count]));
  const ends = random.chance(0.3) ? arc.length : NEIGHBOURS / 2;
  const deaf = new Set([...arc.slice(0, ends), ...arc.slice(Math.max(0, arc.length - ends))]);
  const shy = new Set(random.chance(0.2) ? ring.slice(arc.length, arc.length + 2) : []);
  const lost = new Set<string>();
  const loss = random.chance(0.2) ? 0.1 : 0;
  for (const from of ring) for (const to of ring) if (random.chance(loss)) lost.add(`${from} ${to}`);
  const unknown = new Set(random.chance(0.2) ? random.shuffled(ring).slice(0, 2) : []);
  const plan: RoutingPlan = {
    context,
    ring,
    colluders,
    introduced: (from, to) => colluders.has(to) || !unknown.has(from) || !arc.includes(to),
    shown: (from, to) => {
      if (colluders.has(to)) return true;
      if (deaf.has(to)) return arc.includes(from) || colluders.has(from);
      return !lost.has(`${from} ${to}`) && !(shy.has(to) && arc.includes(from));
    },
  };
  const lists = [0, 1].map(() => listBy(random, plan, random.chance(0.6) ? 0 : 1 + random.integer(3)));
  const half = random.chance(0.5) ? arc : random.shuffled(ring).slice(count / 2);
  const second = new Set(random.chance(0.2) ? half : []);
  return { ...plan, arc, lists, shownTo: (siteId) => lists[second.has(siteId) ? 1 : 0] };
}

/** A list that leaves some of those out who masked. */
function listBy(random: Random, plan: RoutingPlan, spare: number): SurvivorList {
  const { sites } = plan.context;
  const survivors = new Set(maskedBy(plan).keys());
  const dropped = new Set(sites.filter((siteId) => !survivors.has(siteId)));
  for (const siteId of random.shuffled(sites).slice(0, spare)) {
    if (survivors.delete(siteId) && random.chance(0.7)) dropped.add(siteId);
  }
  return { survivors: [...survivors].sort(), dropped: [...dropped].sort() };
}

/** What a site reveals, whichever of several sets of signatures it is shown. */
async function revealedTo(
  { context, arc, lists }: Attack,
  state: SiteSigned,
  signatures: readonly (readonly ListSignature[])[],
  random: Random,
): Promise<RevealedShares | undefined> {
  const all = signatures[lists.indexOf(state.list)];
  const mine = (each: ListSignature): boolean => each.siteId === state.siteId;
  const sets = [
    all,
    all.filter((each) => !arc.includes(each.siteId)),
    all.filter((each) => mine(each) || !arc.includes(each.siteId)),
    [...all.filter(mine), ...random.shuffled(all.filter((each) => !mine(each)))].slice(0, context.threshold),
  ];
  for (const set of sets) {
    const step = await unlessRefused(() => revealShares(state, state.list, set, routingPorts(state.siteId)));
    if (step !== undefined) return step.message;
  }
  return undefined;
}

type Sums = readonly (readonly string[])[];

function broken({ context, colluders }: Attack, sums: Sums): boolean {
  return sums.length > 1 || sums.some((sites) => sites.length < context.threshold - colluders.size);
}

async function play(attack: Attack, random: Random): Promise<{ readonly read: Sums; readonly readBlindly: Sums }> {
  const { context, colluders, lists, shownTo } = attack;
  const round = await routed(context, attack);
  const { signed, signatures } = await signersOf(round, lists, { colluders, shownTo });
  const reveals: RevealedShares[] = [];
  for (const state of signed) {
    const one = await revealedTo(attack, state, signatures, random);
    if (one !== undefined) reveals.push(one);
  }
  return {
    read: await readableSums(round, reveals, colluders),
    readBlindly: await readableSums(round, signed.map(revealedBlindly), colluders),
  };
}

const byName = (sums: Sums): readonly string[] => sums.map((sites) => [...sites].sort().join(" ")).sort();

it("any routing, lists and signatures open one sum at most, over the threshold less the colluders at least", async () => {
  const played = { promising: 0, others: 0, readable: 0 };
  for (let trial = 0; trial < PLANS && (played.promising < PLAYED || played.others < PLAYED); trial++) {
    const attack = attackBy(createRandom(trial, "dishonest routing"));
    const foretold = readableBlindly(attack, attack.shownTo);
    const which = broken(attack, foretold) ? "promising" : "others";
    if (played[which] === PLAYED) continue;
    played[which]++;
    const { read, readBlindly } = await play(attack, createRandom(trial, "signatures shown"));
    expect([trial, broken(attack, read), read]).toEqual([trial, false, read]);
    // The control: of real shares is read what the model foretells of sites that look at nothing.
    expect([trial, ...byName(readBlindly)]).toEqual([trial, ...byName(foretold)]);
    if (read.length === 1) played.readable++;
  }
  expect(played.promising).toBe(PLAYED);
  expect(played.readable).toBeGreaterThan(0);
});
