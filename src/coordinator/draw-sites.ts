/**
 * Which sites train in a round, where the study asks for some of them only (McMahan et al. 2017, client fraction C).
 *
 * Sites come one cycle after the other in random order, as in shuffled rather than independent draws (Mishchenko et al.
 * 2020, random reshuffling): each takes part equally often, so that no site's cases are left out by chance. Who comes
 * late is drawn from the cycle underway on, like the others.
 */
import { createRandom } from "../base/index.ts";
import type { StudyRecord } from "./records.ts";
import { rosterTrainers } from "./state.ts";

export interface Draw {
  /** Of the study. */
  readonly seed: number;
  readonly round: number;
  readonly sitesPerRound: number;
  /** Who may be drawn, sorted. */
  readonly sites: readonly string[];
  /** Who was drawn in the rounds before, the latest last. */
  readonly before: readonly (readonly string[])[];
}

/**
 * Sites of this round, sorted: in random order those whose turn in the cycle is still to come, then of the next cycle.
 * The same draw gives the same sites.
 */
export function drawSites({ seed, round, sitesPerRound, sites, before }: Draw): string[] {
  const had = hadTheirTurn(before);
  const order = createRandom(seed, "sites", round).shuffled(sites);
  const waiting = order.filter((siteId) => !had.has(siteId));
  const others = order.filter((siteId) => had.has(siteId));
  return [...waiting, ...others].slice(0, sitesPerRound).sort();
}

/** Sites that were drawn in the cycle underway: it began with the first that were drawn again. */
export function hadTheirTurn(before: readonly (readonly string[])[]): ReadonlySet<string> {
  let cycle = new Set<string>();
  for (const drawn of before) {
    const again = drawn.filter((siteId) => cycle.has(siteId));
    cycle = new Set(again.length > 0 ? again : [...cycle, ...drawn]);
  }
  return cycle;
}

/**
 * The draw of a study's round, all of these where they have become fewer than a round has; nothing where the study
 * draws none, or all of its roster.
 */
export function drawnFor(study: StudyRecord, round: number, trainers: readonly string[]): string[] | undefined {
  const { sitesPerRound } = study.study.rounds;
  if (sitesPerRound === undefined || sitesPerRound >= rosterTrainers(study).length) return undefined;
  const before = [study.turns ?? []];
  return drawSites({ seed: study.study.training.seed, round, sitesPerRound, sites: trainers, before });
}
