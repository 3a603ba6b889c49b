/**
 * The Wilcoxon signed-rank test for paired differences, and Holm's correction for several tests at once.
 *
 * Sources: Wilcoxon 1945, "Individual comparisons by ranking methods"; ties and the normal approximation as in Conover,
 * "Practical Nonparametric Statistics", section 5.7; Holm 1979, "A simple sequentially rejective multiple test
 * procedure". Two-sided throughout.
 *
 * Invariants
 * - Differences of zero are left out (Wilcoxon's own rule), tied magnitudes share the mean of their ranks.
 * - Up to EXACT_PAIRS differences the probability is counted over all signs, ties included: sums of doubled ranks are
 *   whole, and 2^50 signs are exact in float64. Above it is the normal approximation with the variance corrected for
 *   ties and without a continuity correction.
 * - Without a difference that is not zero the probability is 1: nothing speaks against equality.
 */

export interface SignedRankTest {
  /** Differences that are not zero. */
  readonly pairs: number;
  /** The smaller of the rank sums of positive and negative differences. */
  readonly statistic: number;
  /** Two-sided probability, where both directions are alike, of a sum at least as extreme. */
  readonly p: number;
  readonly method: "exact" | "normal";
}

const EXACT_PAIRS = 50;

/** @param differences one for each pair, first minus second; finite. */
export function signedRankTest(differences: readonly number[]): SignedRankTest {
  const left = differences.filter((difference) => difference !== 0);
  const ranks = meanRanks(left.map(Math.abs));
  let positive = 0;
  for (const [i, difference] of left.entries()) if (difference > 0) positive += ranks[i];
  const total = (left.length * (left.length + 1)) / 2;
  const statistic = Math.min(positive, total - positive);
  const exact = left.length <= EXACT_PAIRS;
  const p = left.length === 0 ? 1 : exact ? exactProbability(ranks, statistic) : normalProbability(ranks, statistic);
  return { pairs: left.length, statistic, p, method: exact ? "exact" : "normal" };
}

/** Ranks from 1, the smallest first; equal values share the mean of the ranks that they take up. */
export function meanRanks(values: readonly number[]): number[] {
  const order = [...values.keys()].sort((a, b) => values[a] - values[b]);
  const ranks = new Array<number>(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end < order.length && values[order[end]] === values[order[start]]) end++;
    for (const i of order.slice(start, end)) ranks[i] = (start + 1 + end) / 2;
    start = end;
  }
  return ranks;
}

/** Twice the share of all choices of signs whose sum of positive ranks is at most the statistic. */
function exactProbability(ranks: readonly number[], statistic: number): number {
  const doubled = ranks.map((rank) => 2 * rank);
  const most = doubled.reduce((sum, rank) => sum + rank, 0);
  const ways = new Float64Array(most + 1);
  ways[0] = 1;
  let reached = 0;
  for (const rank of doubled) {
    reached += rank;
    for (let sum = reached; sum >= rank; sum--) ways[sum] += ways[sum - rank];
  }
  let atMost = 0;
  for (let sum = 0; sum <= 2 * statistic; sum++) atMost += ways[sum];
  return Math.min(1, (2 * atMost) / 2 ** ranks.length);
}

function normalProbability(ranks: readonly number[], statistic: number): number {
  const mean = (ranks.length * (ranks.length + 1)) / 4;
  const variance = ranks.reduce((sum, rank) => sum + rank * rank, 0) / 4;
  return Math.min(1, complementaryError((mean - statistic) / Math.sqrt(2 * variance)));
}

/**
 * erfc(x) for x >= 0, to about 1e-15: the series of erf below 2, above it the continued fraction (Abramowitz and
 * Stegun 7.1.5 and 7.1.14), whose terms are taken from the far end.
 */
export function complementaryError(x: number): number {
  if (x < 2) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * sum; n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = x;
  for (let n = 120; n > 0; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}

/** Probabilities corrected for the number of tests, in the order given: none smaller than it was, none above 1. */
export function holm(probabilities: readonly number[]): number[] {
  const order = [...probabilities.keys()].sort((a, b) => probabilities[a] - probabilities[b]);
  const corrected = new Array<number>(probabilities.length);
  let most = 0;
  for (const [place, i] of order.entries()) {
    most = Math.max(most, Math.min(1, probabilities[i] * (probabilities.length - place)));
    corrected[i] = most;
  }
  return corrected;
}
