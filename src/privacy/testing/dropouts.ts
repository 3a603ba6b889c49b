/** Every way in which sites may drop out, and what must hold of the round in each: shared by the fast and slow test. */
import { expect } from "vitest";
import { ConsiliumError, createRandom } from "../../base/index.ts";
import {
  contextOf,
  type DropPoint,
  MAX_WEIGHT,
  type MaskedRoundOutcome,
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
  try {
    outcome = await runMaskedRound(contextOf(SITES, THRESHOLD), inputs, dropsAt);
  } catch (error) {
    expect(error).toBeInstanceOf(ConsiliumError);
    expect((error as ConsiliumError).code).toBe("masking-below-threshold");
  }
  expect(outcome !== undefined).toBe(enough);
  if (outcome === undefined) return "failed";
  const { list, sums } = outcome;
  const sent = (point: DropPoint): boolean => POINTS.indexOf(point) > STEPS.indexOf("input");
  expect(list.survivors).toEqual(SITES.filter((siteId) => sent(dropsAt(siteId))));
  expect([...sums]).toEqual(plainSum(inputs, list.survivors));
  expectHidden(outcome);
  return "summed";
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
