/**
 * From the scores of single cases to the figures that reports show: means over cases, with the undefined counted.
 *
 * Every mean is kept as a sum and a number of cases until the end, so that sites may send sums instead of cases and
 * the mean over a federation is the mean over its cases, however these are spread over sites.
 *
 * Invariant: an undefined figure (a region that is in neither map has no Dice, one that is in only one of them has
 * no HD95) never becomes a number. It is left out of the mean and counted beside it, because a model that misses
 * every small tumour would otherwise show a fine HD95.
 */
import { ConsiliumError } from "../base/index.ts";
import type { RegionScores } from "./metrics.ts";

/** One case's scores by region. */
export type CaseRegionScores = Readonly<Record<string, RegionScores>>;

/** Sums over the cases in which the figure is defined. */
export interface RegionSums {
  readonly region: string;
  readonly diceSum: number;
  readonly diceCases: number;
  readonly hd95Sum: number;
  readonly hd95Cases: number;
  /** Cases looked at, whether defined or not. */
  readonly cases: number;
}

/** A mean for each region by name, and `mean`: the mean of those regions' means; null where no case defines it. */
export type RegionMeans = Readonly<Record<string, number | null>>;

export interface ScoreSummary {
  readonly cases: number;
  readonly dice: RegionMeans;
  /** Millimetres. */
  readonly hd95: RegionMeans;
  /** Cases without a Dice, by region: the region is in neither map. */
  readonly undefined: Readonly<Record<string, number>>;
  /** Cases without an HD95, by region: the region is missing from at least one map. */
  readonly undefinedHd95: Readonly<Record<string, number>>;
}

/** The scores of cases as means; an empty list gives null everywhere. */
export function summariseScores(cases: readonly CaseRegionScores[], regions: readonly string[]): ScoreSummary {
  return summariseSums([sumScores(cases, regions)], regions);
}

/** What a site sends about its cases when it sends no single case: one record for each region, in the order given. */
export function sumScores(cases: readonly CaseRegionScores[], regions: readonly string[]): RegionSums[] {
  return regions.map((region) => {
    const sums = { region, diceSum: 0, diceCases: 0, hd95Sum: 0, hd95Cases: 0, cases: cases.length };
    for (const scores of cases) {
      const score = scores[region];
      if (score === undefined) throw regionMissing(region, Object.keys(scores));
      if (score.dice !== null) {
        sums.diceSum += score.dice;
        sums.diceCases++;
      }
      if (score.hd95 !== null) {
        sums.hd95Sum += score.hd95;
        sums.hd95Cases++;
      }
    }
    return sums;
  });
}

/**
 * Means over all cases behind several sites' sums. Sums are added in the order given: pass sites in a fixed order
 * where bits matter.
 */
export function summariseSums(sites: readonly (readonly RegionSums[])[], regions: readonly string[]): ScoreSummary {
  if (regions.includes("mean")) {
    throw new ConsiliumError("study-invalid", {
      subject: "task.regions",
      expected: 'regions under any name but "mean"',
      actual: regions.join(", "),
      hint: 'Rename the region: reports use "mean" for the mean of all regions.',
    });
  }
  const totals = regions.map((region) => totalOf(sites, region));
  const byRegion = <T>(figure: (total: RegionSums) => T): Record<string, T> =>
    Object.fromEntries(totals.map((total) => [total.region, figure(total)]));
  return {
    cases: Math.max(0, ...totals.map((total) => total.cases)),
    dice: withMean(byRegion((total) => quotient(total.diceSum, total.diceCases))),
    hd95: withMean(byRegion((total) => quotient(total.hd95Sum, total.hd95Cases))),
    undefined: byRegion((total) => total.cases - total.diceCases),
    undefinedHd95: byRegion((total) => total.cases - total.hd95Cases),
  };
}

function totalOf(sites: readonly (readonly RegionSums[])[], region: string): RegionSums {
  const total = { region, diceSum: 0, diceCases: 0, hd95Sum: 0, hd95Cases: 0, cases: 0 };
  for (const site of sites) {
    const sums = site.find((candidate) => candidate.region === region);
    if (sums === undefined)
      throw regionMissing(
        region,
        site.map((candidate) => candidate.region),
      );
    total.diceSum += sums.diceSum;
    total.diceCases += sums.diceCases;
    total.hd95Sum += sums.hd95Sum;
    total.hd95Cases += sums.hd95Cases;
    total.cases += sums.cases;
  }
  return total;
}

function withMean(means: Record<string, number | null>): RegionMeans {
  const defined = Object.values(means).filter((mean) => mean !== null);
  return {
    ...means,
    mean: quotient(
      defined.reduce((sum, mean) => sum + mean, 0),
      defined.length,
    ),
  };
}

function quotient(sum: number, count: number): number | null {
  return count === 0 ? null : sum / count;
}

function regionMissing(region: string, present: readonly string[]): ConsiliumError {
  return new ConsiliumError("message-invalid", {
    subject: "scores",
    expected: `figures for region ${region}`,
    actual: present.length === 0 ? "none" : `figures for ${present.join(", ")}`,
    hint: "Evaluate every case with the regions of the study.",
  });
}
