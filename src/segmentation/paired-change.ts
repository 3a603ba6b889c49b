/**
 * What further training changed, case by case: the same cases measured before and after, so that hard cases and easy
 * ones weigh alike on both sides. Tests and intervals are of the differences (`signed-rank.ts`, `bootstrap.ts`);
 * probabilities are corrected for the number of regions after Holm.
 */
import { bootstrapInterval } from "./bootstrap.ts";
import type { ScoredCase } from "./case-figures.ts";
import { holm, signedRankTest } from "./signed-rank.ts";

export interface RegionChange {
  /** Cases with a Dice both before and after. */
  readonly cases: number;
  /** Mean Dice over these cases; null without any. */
  readonly before: number | null;
  readonly after: number | null;
  readonly difference: number | null;
  /** 95 % interval of the mean difference; null with fewer than two patients. */
  readonly interval: readonly [number, number] | null;
  readonly better: number;
  readonly worse: number;
  /** Two-sided Wilcoxon signed-rank probability after Holm's correction; null without a case. */
  readonly p: number | null;
}

/** @param before, after the same cases in the same order. */
export function pairedChange(
  before: readonly ScoredCase[],
  after: readonly ScoredCase[],
  regions: readonly string[],
): Record<string, RegionChange> {
  const pairs = regions.map((region) =>
    before.flatMap((first, i) => {
      const [from, to] = [first.regions[region].dice, after[i].regions[region].dice];
      return from === null || to === null ? [] : [{ subject: first.subject, from, to }];
    }),
  );
  const probabilities = holm(pairs.map((list) => signedRankTest(list.map(({ from, to }) => to - from)).p));
  return Object.fromEntries(
    regions.map((region, r) => {
      const list = pairs[r];
      const mean = (of: (pair: (typeof list)[number]) => number): number | null =>
        list.length === 0 ? null : list.reduce((sum, pair) => sum + of(pair), 0) / list.length;
      const change: RegionChange = {
        cases: list.length,
        before: mean(({ from }) => from),
        after: mean(({ to }) => to),
        difference: mean(({ from, to }) => to - from),
        interval: bootstrapInterval(list.map(({ subject, from, to }) => ({ subject, value: to - from }))) ?? null,
        better: list.filter(({ from, to }) => to > from).length,
        worse: list.filter(({ from, to }) => to < from).length,
        p: list.length === 0 ? null : probabilities[r],
      };
      return [region, change];
    }),
  );
}
