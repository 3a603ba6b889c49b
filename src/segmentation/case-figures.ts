/**
 * What stands beside a mean, as a mean hides it: how far it can be trusted, the worst tenth of its cases, and the site
 * that fares worst.
 *
 * Invariant: a figure that a case does not define is left out of all of them alike, and `cases` counts the rest.
 */
import { bootstrapInterval, type Sample, worstDecile } from "./bootstrap.ts";
import type { CaseRegionScores } from "./metrics-summary.ts";

export interface ScoredCase {
  readonly subject: string;
  readonly regions: CaseRegionScores;
}

export interface CaseFigure {
  /** Over the cases that define it; null without any. */
  readonly mean: number | null;
  /** 95 %; null with fewer than two patients, or where sites do not tell what it follows from. */
  readonly interval: readonly [number, number] | null;
  /** Mean of the worst tenth of the cases, rounded up to whole cases; null where single cases are not known. */
  readonly worstTenth: number | null;
  /** Cases that define it. */
  readonly cases: number;
}

/** By region. HD95 in mm. */
export type CaseFigures = Readonly<Record<"dice" | "hd95", Readonly<Record<string, CaseFigure>>>>;

/** What "worst tenth" means where figures of one kind stand, or why it is not known. */
export function worstTenthInWords(figures: CaseFigures["dice"]): string {
  return Object.values(figures).some(({ mean, worstTenth }) => mean !== null && worstTenth === null)
    ? "Sites send sums over their cases and no single case, so the worst tenth of the cases is not known."
    : "Worst tenth: mean of the worst tenth of the cases, rounded up to whole cases.";
}

/** The site with the worst mean of each region, and that mean; null where fewer than two sites have one. */
export type WorstSites = Readonly<
  Record<"dice" | "hd95", Readonly<Record<string, { readonly id: string; readonly mean: number } | null>>>
>;

export function figuresOfCases(cases: readonly ScoredCase[], regions: readonly string[]): CaseFigures {
  const of = (figure: "dice" | "hd95"): CaseFigures["dice"] =>
    Object.fromEntries(
      regions.map((region) => [region, figureOf(samplesOf(cases, region, figure), figure === "dice")]),
    );
  return { dice: of("dice"), hd95: of("hd95") };
}

/** The values of the cases that define the figure. */
export function samplesOf(cases: readonly ScoredCase[], region: string, figure: "dice" | "hd95"): Sample[] {
  return cases.flatMap(({ subject, regions }) => {
    const value = regions[region]?.[figure] ?? null;
    return value === null ? [] : [{ subject, value }];
  });
}

function figureOf(samples: readonly Sample[], moreIsBetter: boolean): CaseFigure {
  if (samples.length === 0) return { mean: null, interval: null, worstTenth: null, cases: 0 };
  const values = samples.map(({ value }) => value);
  return {
    mean: values.reduce((sum, value) => sum + value, 0) / values.length,
    interval: bootstrapInterval(samples) ?? null,
    worstTenth: worstDecile(values, moreIsBetter ? "lowest" : "highest") ?? null,
    cases: samples.length,
  };
}

/** Means of one site by region; null where it tells none. */
export interface SiteMeans {
  readonly id: string;
  readonly dice: Readonly<Record<string, number | null>> | null;
  readonly hd95: Readonly<Record<string, number | null>> | null;
}

export function worstSites(sites: readonly SiteMeans[], regions: readonly string[]): WorstSites {
  const of = (figure: "dice" | "hd95"): WorstSites["dice"] =>
    Object.fromEntries(
      regions.map((region) => {
        const judged = sites
          .flatMap((site) => {
            const mean = site[figure]?.[region] ?? null;
            return mean === null ? [] : [{ id: site.id, mean }];
          })
          .sort((a, b) => (figure === "dice" ? a.mean - b.mean : b.mean - a.mean) || (a.id < b.id ? -1 : 1));
        return [region, judged.length < 2 ? null : judged[0]];
      }),
    );
  return { dice: of("dice"), hd95: of("hd95") };
}
