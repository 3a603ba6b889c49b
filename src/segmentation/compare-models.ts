/**
 * Several models judged on the same cases: means with intervals and the worst parts beside them, paired tests between
 * every two models, and a ranking as the FeTS challenge makes it.
 *
 * Sources: Pati et al., "The Federated Tumor Segmentation (FeTS) challenge" (arXiv:2105.05874), section on ranking:
 * rank the models for every case, region and figure, then sum; Bakas et al. 2018 (arXiv:1811.02629) for the same in
 * BraTS. Tests as in `signed-rank.ts`.
 *
 * Invariants
 * - Every model has the same cases, and every case counts in every figure: where a region is in neither map, Dice is
 *   1 and HD95 0 mm; where it is in one of them only, 0 and 374 mm, as BraTS completes them. Were undefined figures left
 *   out, a model that misses small tumours would be compared on other cases than one that finds them.
 * - Tests and intervals take subjects as their units; in the tests a subject's difference is the mean over its cases.
 * - Equal figures share the mean of their ranks, so the ranks of a case and figure always have the same sum.
 */
import { ConsiliumError, groupedBy } from "../base/index.ts";
import { type BootstrapOptions, bootstrapInterval, type Sample, worstDecile } from "./bootstrap.ts";
import { MISSED_HD95_MM } from "./lesion-wise.ts";
import type { RegionMeasures } from "./measure-case.ts";
import { holm, meanRanks, type SignedRankTest, signedRankTest } from "./signed-rank.ts";

export type ScoreKind = "whole" | "lesion-wise";
export type ComparedFigure = "dice" | "hd95";

const FIGURES: readonly ComparedFigure[] = ["dice", "hd95"];

export interface ComparedCase {
  readonly id: string;
  readonly subject: string;
  /** Where known. */
  readonly site?: string;
  /** For each model, in the order of models, its measures by region. */
  readonly measures: readonly Readonly<Record<string, RegionMeasures>>[];
}

export interface FigureSummary {
  readonly mean: number;
  /** Null with fewer than two subjects. */
  readonly interval: readonly [number, number] | null;
  /** Mean of the worst tenth of the cases. */
  readonly worstDecile: number;
  /** The site whose mean is worst; null where sites are not known. */
  readonly worstSite: { readonly site: string; readonly mean: number } | null;
}

export type RegionSummary = Readonly<Record<ComparedFigure, FigureSummary>>;

export interface ModelSummary {
  readonly model: string;
  readonly regions: Readonly<Record<string, RegionSummary>>;
  /** Mean rank over cases, regions and figures: 1 where a model is best in everything. */
  readonly meanRank: number;
  /** Sum of the ranks behind it. */
  readonly rankSum: number;
  /** 1 for the smallest sum of ranks; equal sums share a place. */
  readonly place: number;
}

export interface PairedTest extends SignedRankTest {
  readonly first: string;
  readonly second: string;
  readonly region: string;
  readonly figure: ComparedFigure;
  /** First minus second, the mean over subjects. */
  readonly meanDifference: number;
  /** Corrected by Holm over all tests of the comparison. */
  readonly pHolm: number;
}

export interface Comparison {
  readonly cases: number;
  readonly subjects: number;
  readonly models: readonly ModelSummary[];
  readonly tests: readonly PairedTest[];
}

/**
 * @param models their names, each once.
 * @throws ConsiliumError `dataset-empty` without a case.
 */
export function compareModels(
  models: readonly string[],
  cases: readonly ComparedCase[],
  kind: ScoreKind,
  bootstrap: BootstrapOptions,
): Comparison {
  if (cases.length === 0) {
    throw new ConsiliumError("dataset-empty", {
      subject: "comparison",
      expected: "at least one case that every model has segmented",
      actual: "none",
      hint: "Name a dataset with label maps, and folders with a prediction for each case.",
    });
  }
  const regions = Object.keys(cases[0].measures[0] ?? {});
  const value = (each: ComparedCase, model: number, region: string, figure: ComparedFigure): number =>
    completed(each.measures[model][region], kind)[figure];
  const rankSums = sumsOfRanks(models, cases, regions, value);
  const ranks = cases.length * regions.length * FIGURES.length;
  const summaries = models.map(
    (model, m): ModelSummary => ({
      model,
      regions: Object.fromEntries(
        regions.map((region) => [
          region,
          summaryOf(cases, (each, figure) => value(each, m, region, figure), bootstrap),
        ]),
      ),
      meanRank: rankSums[m] / ranks,
      rankSum: rankSums[m],
      place: 1 + rankSums.filter((sum) => sum < rankSums[m]).length,
    }),
  );
  const subjects = new Set(cases.map(({ subject }) => subject)).size;
  return { cases: cases.length, subjects, models: summaries, tests: pairedTests(models, cases, regions, value) };
}

/** A figure for every case, whatever is empty. */
export function completed(measures: RegionMeasures, kind: ScoreKind): Record<ComparedFigure, number> {
  if (kind === "lesion-wise") return { dice: measures.lesionWise.dice, hd95: measures.lesionWise.hd95 };
  if (measures.dice === null) return { dice: 1, hd95: 0 };
  return { dice: measures.dice, hd95: measures.hd95 ?? MISSED_HD95_MM };
}

type Value = (each: ComparedCase, model: number, region: string, figure: ComparedFigure) => number;

function sumsOfRanks(
  models: readonly string[],
  cases: readonly ComparedCase[],
  regions: readonly string[],
  value: Value,
): number[] {
  const sums = models.map(() => 0);
  for (const each of cases) {
    for (const region of regions) {
      for (const figure of FIGURES) {
        const direction = figure === "dice" ? -1 : 1;
        const ranks = meanRanks(models.map((_, m) => direction * value(each, m, region, figure)));
        for (const [m, rank] of ranks.entries()) sums[m] += rank;
      }
    }
  }
  return sums;
}

function summaryOf(
  cases: readonly ComparedCase[],
  value: (each: ComparedCase, figure: ComparedFigure) => number,
  bootstrap: BootstrapOptions,
): RegionSummary {
  const summary = (figure: ComparedFigure): FigureSummary => {
    const samples = cases.map((each): Sample => ({ subject: each.subject, value: value(each, figure) }));
    const values = samples.map((sample) => sample.value);
    return {
      mean: mean(values),
      interval: bootstrapInterval(samples, bootstrap) ?? null,
      worstDecile: worstDecile(values, figure === "dice" ? "lowest" : "highest") as number,
      worstSite: worstSite(cases, (each) => value(each, figure), figure),
    };
  };
  return { dice: summary("dice"), hd95: summary("hd95") };
}

function worstSite(
  cases: readonly ComparedCase[],
  value: (each: ComparedCase) => number,
  figure: ComparedFigure,
): FigureSummary["worstSite"] {
  const known = cases.filter((each) => each.site !== undefined);
  const means = [...groupedBy(known, ({ site }) => site as string)]
    .map(([site, own]) => ({ site, mean: mean(own.map(value)) }))
    .sort((a, b) => (figure === "dice" ? a.mean - b.mean : b.mean - a.mean) || (a.site < b.site ? -1 : 1));
  return means[0] ?? null;
}

function pairedTests(
  models: readonly string[],
  cases: readonly ComparedCase[],
  regions: readonly string[],
  value: Value,
): PairedTest[] {
  const bySubject = [...groupedBy(cases, ({ subject }) => subject).values()];
  const tests: Omit<PairedTest, "pHolm">[] = [];
  for (const [a, first] of models.entries()) {
    for (const [offset, second] of models.slice(a + 1).entries()) {
      const b = a + 1 + offset;
      for (const region of regions) {
        for (const figure of FIGURES) {
          const differences = bySubject.map((own) =>
            mean(own.map((each) => value(each, a, region, figure) - value(each, b, region, figure))),
          );
          const test = signedRankTest(differences);
          tests.push({ first, second, region, figure, meanDifference: mean(differences), ...test });
        }
      }
    }
  }
  const corrected = holm(tests.map(({ p }) => p));
  return tests.map((test, i) => ({ ...test, pHolm: corrected[i] }));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
