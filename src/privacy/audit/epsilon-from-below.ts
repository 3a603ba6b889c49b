/**
 * An audit of privacy: what epsilon a mechanism has at least, from how well an attacker tells runs with a patient (a
 * canary, made to be seen) from runs without.
 *
 * Where a mechanism is (epsilon, delta) private, every test of membership has false positives FP and false negatives
 * FN with FP + e^epsilon FN >= 1 - delta, and the same exchanged (Kairouz, Oh and Viswanath 2015, theorem 2.1). So a
 * test that does better shows that epsilon is larger. Rates are bounded from above by Clopper and Pearson 1934; the
 * threshold is chosen on one half of the runs and judged on the other (Jagielski, Ullman and Oprea 2020).
 *
 * A figure above what was promised is proof of a flaw; one below proves nothing.
 */
import { ConsiliumError } from "../../base/index.ts";

export interface MembershipScores {
  /** One of each run with the canary: higher where the attacker believes that it took part. */
  readonly withCanary: readonly number[];
  readonly without: readonly number[];
}

export interface AuditOptions {
  readonly delta: number;
  /** Chance that a right mechanism is found to have more than it promised; 0.001 unless given. */
  readonly errorRate?: number;
}

const FEWEST_RUNS = 100;

/** @returns 0 or more. @throws ConsiliumError `privacy-parameters` for fewer than 100 runs of a kind */
export function epsilonFromBelow(scores: MembershipScores, { delta, errorRate = 0.001 }: AuditOptions): number {
  const { withCanary, without } = scores;
  if (Math.min(withCanary.length, without.length) < FEWEST_RUNS) {
    throw new ConsiliumError("privacy-parameters", {
      subject: "privacy audit",
      expected: `at least ${FEWEST_RUNS} runs with the canary, and as many without`,
      actual: `${withCanary.length} and ${without.length}`,
      hint: "Make more runs: few of them show little.",
    });
  }
  const [chosenOn, judgedOn] = [0, 1].map((half) => ({
    withCanary: withCanary.filter((_, i) => i % 2 === half),
    without: without.filter((_, i) => i % 2 === half),
  }));
  const candidates = [...chosenOn.withCanary, ...chosenOn.without].sort((a, b) => a - b);
  const grid = candidates.filter((_, i) => i % Math.ceil(candidates.length / GRID) === 0);
  let best = { threshold: grid[0], epsilon: -1 };
  for (const threshold of grid) {
    const epsilon = shownBy(chosenOn, threshold, delta, roughRate);
    if (epsilon > best.epsilon) best = { threshold, epsilon };
  }
  return shownBy(judgedOn, best.threshold, delta, (hits, runs) => rateAtMost(hits, runs, errorRate / 2));
}

/** Good enough to choose by, and quick: a rate that is never zero. */
function roughRate(hits: number, runs: number): number {
  return Math.min(1, (hits + 3) / runs);
}

/** Thresholds that are tried. */
const GRID = 200;

function shownBy(
  { withCanary, without }: MembershipScores,
  threshold: number,
  delta: number,
  rateOf: (hits: number, runs: number) => number,
): number {
  const positives = without.filter((score) => score >= threshold).length;
  const negatives = withCanary.filter((score) => score < threshold).length;
  const falsePositive = rateOf(positives, without.length);
  const falseNegative = rateOf(negatives, withCanary.length);
  const ratio = (miss: number, other: number): number => Math.log(Math.max(1, (1 - delta - miss) / other));
  return Math.max(ratio(falseNegative, falsePositive), ratio(falsePositive, falseNegative));
}

/** The upper end of Clopper and Pearson's interval: at most so often is a rate larger, `errorRate` of the time. */
export function rateAtMost(hits: number, runs: number, errorRate: number): number {
  if (hits >= runs) return 1;
  let [low, high] = [hits / runs, 1];
  for (let i = 0; i < 50; i++) {
    const rate = (low + high) / 2;
    if (chanceOfAtMost(hits, runs, rate) > errorRate) low = rate;
    else high = rate;
  }
  return high;
}

/** P(Binomial(runs, rate) <= hits), summed from the largest term on. */
function chanceOfAtMost(hits: number, runs: number, rate: number): number {
  let logTerm = runs * Math.log1p(-rate);
  const odds = Math.log(rate) - Math.log1p(-rate);
  let sum = Math.exp(logTerm);
  for (let k = 1; k <= hits; k++) {
    logTerm += Math.log((runs - k + 1) / k) + odds;
    sum += Math.exp(logTerm);
  }
  return sum;
}
