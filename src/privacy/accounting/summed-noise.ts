/**
 * Discrete Gaussians drawn at several sites and summed, as accountants see them: how far their sum is from one discrete
 * Gaussian, and which continuous one is at least as bad.
 *
 * Sums: Kairouz, Liu and Steinke 2021, theorem 1. Chances of a sum and of one discrete Gaussian of the same variance
 * differ in each coordinate by at most a factor e^(tau / 2).
 *
 * From discrete to continuous: Peikert 2010, "An Efficient and Parallel Gaussian Sampler for Lattices", theorem 3.1.
 * Round each coordinate of a continuous Gaussian of variance v - s^2 at random, by a discrete Gaussian of deviation s on
 * the whole numbers around it: what comes out is a discrete Gaussian of variance v up to a factor (1 + e) / (1 - e), where
 * 1 + e = (sum over whole k of exp(-2 pi^2 s^2 k^2))^d. Rounding commutes with shifts by whole numbers, so the discrete
 * mechanism is the continuous one with something done to its output, and no easier to tell apart, but for that factor.
 */
import type { DpLeaf } from "./dp-event.ts";

export type SummedNoise = Extract<DpLeaf, { kind: "distributedDiscreteGaussian" }>;

/** What tells a sum of discrete Gaussians from one of them, as tau in Kairouz et al.: for one coordinate. */
export function tauOf({ sites, stepsStandardDeviation }: SummedNoise): number {
  const variance = stepsStandardDeviation ** 2;
  // Terms shrink from k = 1 on to exp(-2 pi^2 variance): many sites are bounded by the largest term each.
  let tau = 0;
  const exact = Math.min(sites - 1, 10_000);
  for (let k = 1; k <= exact; k++) tau += Math.exp(-2 * Math.PI ** 2 * variance * (k / (k + 1)));
  return 10 * (tau + (sites - 1 - exact) * Math.exp(-(Math.PI ** 2) * variance));
}

/** Deviation of the rounding, in steps: at 2, the factor is 1 + 1e-34 for each coordinate. */
const ROUNDING_DEVIATION = 2;

export interface ContinuousBound {
  /** Of a Gaussian mechanism that is at least as easy to tell apart, but for `slack`. */
  readonly noiseMultiplier: number;
  /** Chances of every outcome differ from that mechanism's by at most a factor e^slack, on each of two neighbours. */
  readonly slack: number;
}

/** None where the sum has less noise than the rounding takes away. */
export function continuousBound(leaf: SummedNoise): ContinuousBound | undefined {
  const { sites, stepsStandardDeviation, stepsSensitivity, dimension } = leaf;
  const variance = sites * stepsStandardDeviation ** 2 - ROUNDING_DEVIATION ** 2;
  if (variance <= 0) return undefined;
  const first = Math.exp(-2 * Math.PI ** 2 * ROUNDING_DEVIATION ** 2);
  // log((1 + e) / (1 - e)) is at most 3 e while e is below 1/2; terms from k = 2 on are below the first.
  const excess = Math.expm1(dimension * Math.log1p(4 * first));
  // Twice the tau / 2 of theorem 1: on the safe side, and nothing where steps are fine.
  const slack = 3 * excess + tauOf(leaf) * dimension;
  return excess < 0.5 ? { noiseMultiplier: Math.sqrt(variance) / stepsSensitivity, slack } : undefined;
}
