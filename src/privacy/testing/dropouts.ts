/** Every way in which sites may drop out, and what must hold of the round in each: shared by the fast and slow test. */
import { expect } from "vitest";
import { ConsiliumError, createRandom } from "../../base/index.ts";
import { areNeighbours } from "../secure-aggregation/neighbour-graph.ts";
import type { RoundContext } from "../secure-aggregation/round-context.ts";
import { readableSums } from "./dishonest-routing.ts";
import {
  contextOf,
  type DropPoint,
  MAX_WEIGHT,
  type MaskedRoundOutcome,
  newTrace,
  PRECISION_BITS,
  runMaskedRound,
  type SiteInput,
  STEPS,
} from "./masked-federation.ts";

export const SITES = ["a", "b", "c", "d", "e"] as const;
export const THRESHOLD = 3;
export const POINTS: readonly DropPoint[] = [...STEPS, "never"];

/** Inputs with extremes among them, so that a sum that is off by a multiple of anything shows. */
export function inputsOf(seed: number, sites: readonly string[] = SITES): ReadonlyMap<string, SiteInput> {
  const random = createRandom(seed, "masked inputs");
  const limit = 2 ** (PRECISION_BITS - 1) - 1;
  return new Map(
    sites.map((siteId) => [
      siteId,
      {
        coordinates: Int32Array.from({ length: 7 }, (_, i) => {
          return i === 0 ? limit : i === 1 ? -limit : random.integer(2 * limit + 1) - limit;
        }),
        weight: 1 + random.integer(MAX_WEIGHT),
      },
    ]),
  );
}

/** The sum as plain integers: what the masked round must give, bit by bit. */
export function plainSum(inputs: ReadonlyMap<string, SiteInput>, survivors: readonly string[]): number[] {
  const parts = survivors.map((siteId) => inputs.get(siteId) as SiteInput);
  const sums = Array.from(parts[0].coordinates, (_, i) => {
    return parts.reduce((sum, { coordinates, weight }) => sum + weight * coordinates[i], 0);
  });
  return [...sums, parts.reduce((sum, { weight }) => sum + weight, 0)];
}

/** How many sites a pattern leaves for each step. */
function reaching(pattern: readonly DropPoint[], step: (typeof STEPS)[number]): number {
  return pattern.filter((point) => POINTS.indexOf(point) > POINTS.indexOf(step)).length;
}

export type Verdict = "summed" | "failed";

/** Runs one pattern of dropouts and checks all that must hold; says how it ended. */
export async function checkPattern(pattern: readonly DropPoint[], seed: number): Promise<Verdict> {
  const inputs = inputsOf(seed);
  const dropsAt = (siteId: string): DropPoint => pattern[SITES.indexOf(siteId as (typeof SITES)[number])];
  const enough = STEPS.every((step) => reaching(pattern, step) >= THRESHOLD);
  let outcome: MaskedRoundOutcome | undefined;
  const context = contextOf(SITES, THRESHOLD);
  const trace = newTrace();
  try {
    outcome = await runMaskedRound(context, inputs, dropsAt, trace);
  } catch (error) {
    expect(error).toBeInstanceOf(ConsiliumError);
    expect((error as ConsiliumError).code).toBe("masking-below-threshold");
  }
  expect(outcome !== undefined).toBe(enough);
  // What the shares in the coordinator's hands open, not what it says that it opened.
  const readable = await readableSums({ context, ...trace }, trace.reveals, new Set());
  expect(readable).toEqual(outcome === undefined ? [] : [outcome.list.survivors]);
  if (outcome === undefined) return "failed";
  const { list, sums } = outcome;
  const sent = (point: DropPoint): boolean => POINTS.indexOf(point) > STEPS.indexOf("input");
  expect(list.survivors).toEqual(SITES.filter((siteId) => sent(dropsAt(siteId))));
  expect([...sums]).toEqual(plainSum(inputs, list.survivors));
  expectHidden(outcome);
  return "summed";
}

/**
 * Every drop of a roster whose sites mask with their neighbours alone: it ends in the exact sum of the survivors, hidden,
 * where by the paper's conditions it may, and in nothing where one of them fails.
 */
export async function checkAmongNeighbours(
  context: RoundContext,
  pattern: ReadonlyMap<string, DropPoint>,
  seed: number,
): Promise<Verdict> {
  const inputs = inputsOf(seed, context.sites);
  const reached = (step: (typeof STEPS)[number]): string[] =>
    context.sites.filter((site) => POINTS.indexOf(pattern.get(site) ?? "never") > POINTS.indexOf(step));
  let outcome: MaskedRoundOutcome | undefined;
  try {
    outcome = await runMaskedRound(context, inputs, (site) => pattern.get(site) ?? "never");
  } catch (error) {
    expect(error).toBeInstanceOf(ConsiliumError);
    expect((error as ConsiliumError).code).toBe("masking-below-threshold");
  }
  expect([pattern, outcome !== undefined]).toEqual([pattern, mayEnd(context, reached)]);
  if (outcome === undefined) return "failed";
  expect(outcome.list.survivors).toEqual(reached("input"));
  expect([...outcome.sums]).toEqual(plainSum(inputs, outcome.list.survivors));
  expectHiddenAmongNeighbours(context, outcome);
  return "summed";
}

/** The conditions, each by looking at every site: enough at each step, enough holders of each secret, one part of survivors and of signers. */
function mayEnd(context: RoundContext, reached: (step: (typeof STEPS)[number]) => string[]): boolean {
  const { graph, threshold } = context;
  if (graph === undefined) throw new Error("a context with neighbours");
  const near = (site: string, among: readonly string[]): string[] =>
    among.filter((other) => other === site || areNeighbours(context, site, other));
  const [advertised, shared, survivors, signed, revealed] = STEPS.map((step) => reached(step));
  if (STEPS.some((step) => reached(step).length < threshold)) return false;
  const enough = (sites: readonly string[], among: readonly string[]): boolean =>
    sites.every((site) => near(site, among).length >= graph.threshold);
  const standing = shared.filter((site) => survivors.includes(site) || near(site, survivors).length > 0);
  if (!enough(advertised, advertised) || !enough(shared, shared) || !enough(standing, revealed)) return false;
  return [survivors, signed].every((sites) => fewestCut(context, sites) > graph.colluders);
}

/** The fewest sites without whom the others are no longer joined, by trying all sets. */
export function fewestCut(context: RoundContext, sites: readonly string[]): number {
  let fewest = Number.POSITIVE_INFINITY;
  for (let set = 0; set < 2 ** sites.length; set++) {
    const left = sites.filter((_, i) => (set & (1 << i)) === 0);
    if (left.length > 1 && partsOf(context, left) > 1) fewest = Math.min(fewest, sites.length - left.length);
  }
  return fewest;
}

function partsOf(context: RoundContext, sites: readonly string[]): number {
  const unseen = new Set(sites);
  let parts = 0;
  for (const start of sites) {
    if (!unseen.delete(start)) continue;
    parts++;
    const open = [start];
    for (let site = open.pop(); site !== undefined; site = open.pop()) {
      for (const other of unseen) {
        if (!areNeighbours(context, site, other)) continue;
        unseen.delete(other);
        open.push(other);
      }
    }
  }
  return parts;
}

/** Survivors are joined by pair masks that nobody opened, whoever the colluders are; dropped sites keep their own. */
export function expectHiddenAmongNeighbours(
  context: RoundContext,
  { list, opened }: Pick<MaskedRoundOutcome, "list" | "opened">,
): void {
  const { survivors, dropped } = list;
  expect(opened.selfSeeds).toEqual(survivors);
  for (const [survivor, gone] of opened.pairSeeds) {
    expect(survivors).toContain(survivor);
    expect(dropped).toContain(gone);
    expect(areNeighbours(context, survivor, gone)).toBe(true);
  }
  const names = opened.pairSeeds.map((pair) => pair.join(" "));
  expect(new Set(names).size).toBe(names.length);
  expect(opened.masks).toHaveLength(survivors.length + names.length);
  // No pair of survivors is opened: what joins them is the graph itself.
  expect(fewestCut(context, survivors)).toBeGreaterThan(context.graph?.colluders ?? 0);
}

/**
 * What the coordinator opened, against what hides each site: a survivor's self mask may go, but some pair mask with
 * another survivor must stay; a site that dropped keeps its self mask.
 */
export function expectHidden({ list, opened }: Pick<MaskedRoundOutcome, "list" | "opened">): void {
  const { survivors, dropped } = list;
  const openedPairs = new Set(opened.pairSeeds.flatMap(([a, b]) => [`${a} ${b}`, `${b} ${a}`]));
  for (const siteId of survivors) {
    const covered = survivors.filter((other) => other !== siteId && !openedPairs.has(`${siteId} ${other}`));
    expect(covered.length).toBeGreaterThanOrEqual(1);
  }
  for (const siteId of dropped) expect(opened.selfSeeds).not.toContain(siteId);
  // Each pair that was opened has a dropped end, and each seed was opened once.
  for (const [survivor, gone] of opened.pairSeeds) {
    expect(survivors).toContain(survivor);
    expect(dropped).toContain(gone);
  }
  expect(opened.masks).toHaveLength(survivors.length + survivors.length * dropped.length);
}
