/**
 * How far a mean over cases can be trusted: a percentile interval by resampling patients (Efron and Tibshirani, "An
 * Introduction to the Bootstrap", 1993, chapter 13), and the worst part of the cases beside it.
 *
 * Invariants
 * - What is drawn is subjects with all their cases: two scans of one patient are not two witnesses (Davison and
 *   Hinkley 1997, section 3.8, the cluster bootstrap).
 * - The interval depends on values, subjects and seed alone, not on the order of cases. Figures of equal subjects and
 *   seed are resampled alike, so that intervals of two models differ by the models only.
 */
import { createRandom, groupedBy } from "../base/index.ts";

export interface Sample {
  readonly subject: string;
  readonly value: number;
}

export interface BootstrapOptions {
  readonly seed: number;
  readonly resamples: number;
  /** Share of the resampled means that lies within the interval, such as 0.95. */
  readonly level: number;
}

export const USUAL_BOOTSTRAP: BootstrapOptions = { seed: 0, resamples: 2000, level: 0.95 };

/** Lower and upper end for the mean; undefined with fewer than two subjects, where nothing can be resampled. */
export function bootstrapInterval(
  samples: readonly Sample[],
  { seed, resamples, level }: BootstrapOptions = USUAL_BOOTSTRAP,
): readonly [number, number] | undefined {
  const bySubject = [...groupedBy(samples, ({ subject }) => subject)].sort(([a], [b]) => (a < b ? -1 : 1));
  if (bySubject.length < 2) return undefined;
  const sums = bySubject.map(([, own]) =>
    own
      .map(({ value }) => value)
      .sort((a, b) => a - b)
      .reduce((a, b) => a + b, 0),
  );
  const counts = bySubject.map(([, own]) => own.length);
  const random = createRandom("bootstrap", seed);
  const means = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    let sum = 0;
    let count = 0;
    for (let draw = 0; draw < sums.length; draw++) {
      const subject = random.integer(sums.length);
      sum += sums[subject];
      count += counts[subject];
    }
    means[r] = sum / count;
  }
  means.sort();
  return [quantile(means, (1 - level) / 2), quantile(means, (1 + level) / 2)];
}

/** Linear between order statistics. @param sorted rising, one value at least. */
function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

/** The mean of the worst tenth of the cases, rounded up to whole cases; undefined without a case. */
export function worstDecile(values: readonly number[], worst: "lowest" | "highest"): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => (worst === "lowest" ? a - b : b - a));
  const tenth = sorted.slice(0, Math.ceil(values.length / 10));
  return tenth.reduce((sum, value) => sum + value, 0) / tenth.length;
}
