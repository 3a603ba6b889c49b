/**
 * Rényi divergences of single mechanisms between data with and without one unit, the larger of both directions.
 *
 * Source: Mironov, Talwar and Zhang 2019, "Rényi Differential Privacy of the Sampled Gaussian Mechanism": section 3.3
 * for integer orders (equation 3 as a binomial sum) and for fractional orders (two series, split at z0). Discrete
 * Gaussians: Canonne, Kamath and Steinke 2020, theorem 4; their sums: Kairouz, Liu and Steinke 2021, theorem 1.
 *
 * Divergence: in the fractional series, binomials of alternating sign are added by magnitude. That can only raise the
 * bound, and it is what Google's dp-accounting 0.6 does.
 */
import type { DpLeaf } from "./dp-event.ts";
import { logErfc } from "./normal-distribution.ts";
import { type SummedNoise, tauOf } from "./summed-noise.ts";

/** The orders at which dp-accounting evaluates by default: 1.1 to 10.9 in tenths, 11 to 63, and four large ones. */
export const DEFAULT_ORDERS: readonly number[] = [
  ...Array.from({ length: 99 }, (_, i) => 1 + (i + 1) / 10),
  ...Array.from({ length: 53 }, (_, i) => 11 + i),
  128,
  256,
  512,
  1024,
];

/** Terms of the fractional series after which an order is given up: its divergence then counts as infinite. */
const MAX_TERMS = 1000;
/** A series ends when its terms fall and are below exp(-30) of the sum. */
const LOG_NEGLIGIBLE = 30;

/** In nats; Infinity where nothing is promised at this order. */
export function renyiDivergence(leaf: DpLeaf, order: number): number {
  switch (leaf.kind) {
    case "gaussian":
    case "discreteGaussian":
      return order / (2 * leaf.noiseMultiplier ** 2);
    case "distributedDiscreteGaussian":
      return (order * concentration(leaf) ** 2) / 2;
    case "poissonSampled":
      return sampledGaussian(leaf.samplingRate, leaf.event.noiseMultiplier, order);
    case "nonPrivate":
      return Number.POSITIVE_INFINITY;
    default:
      return leaf satisfies never;
  }
}

/**
 * Epsilon such that the sum is epsilon^2/2-concentrated (Kairouz et al. 2021, theorem 1): the sum of discrete
 * Gaussians is nearly, not exactly, a discrete Gaussian, and tau pays for the difference.
 */
function concentration(leaf: SummedNoise): number {
  const { sites, stepsStandardDeviation, stepsSensitivity, dimension } = leaf;
  const tau = tauOf(leaf);
  const shift = stepsSensitivity / (Math.sqrt(sites) * stepsStandardDeviation);
  return Math.min(Math.sqrt(shift ** 2 + (tau * dimension) / 2), shift + tau * Math.sqrt(dimension));
}

function sampledGaussian(rate: number, noise: number, order: number): number {
  if (rate === 1) return order / (2 * noise ** 2);
  const logMoment = Number.isInteger(order) ? integerMoment(rate, noise, order) : fractionalMoment(rate, noise, order);
  // Rounding may leave a sum that is 1 in exact arithmetic a hair below it.
  return Math.max(0, logMoment) / (order - 1);
}

function logAdd(a: number, b: number): number {
  const high = Math.max(a, b);
  if (high === Number.NEGATIVE_INFINITY) return high;
  return high + Math.log1p(Math.exp(Math.min(a, b) - high));
}

/** log sum_i C(order, i) (1 - q)^(order - i) q^i exp((i^2 - i) / (2 sigma^2)) */
function integerMoment(rate: number, noise: number, order: number): number {
  const [logRate, logRest] = [Math.log(rate), Math.log1p(-rate)];
  let sum = Number.NEGATIVE_INFINITY;
  let logBinomial = 0;
  for (let i = 0; i <= order; i++) {
    sum = logAdd(sum, logBinomial + i * logRate + (order - i) * logRest + (i * i - i) / (2 * noise ** 2));
    logBinomial += Math.log((order - i) / (i + 1));
  }
  return sum;
}

function fractionalMoment(rate: number, noise: number, order: number): number {
  const [logRate, logRest] = [Math.log(rate), Math.log1p(-rate)];
  const split = noise ** 2 * Math.log(1 / rate - 1) + 0.5;
  const scale = Math.SQRT2 * noise;
  let logBinomial = 0;
  let [below, above] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let [lastBelow, lastAbove] = [below, above];
  for (let i = 0; i < MAX_TERMS; i++) {
    const rest = order - i;
    const termBelow = seriesTerm(logBinomial + i * logRate + rest * logRest, i, noise, (i - split) / scale);
    const termAbove = seriesTerm(logBinomial + rest * logRate + i * logRest, rest, noise, (split - rest) / scale);
    below = logAdd(below, termBelow);
    above = logAdd(above, termAbove);
    const total = logAdd(below, above);
    if (termBelow < lastBelow && termAbove < lastAbove && Math.max(termBelow, termAbove) < total - LOG_NEGLIGIBLE) {
      return total;
    }
    [lastBelow, lastAbove] = [termBelow, termAbove];
    logBinomial += Math.log(Math.abs(rest)) - Math.log(i + 1);
  }
  return Number.POSITIVE_INFINITY;
}

function seriesTerm(logWeight: number, power: number, noise: number, tailFrom: number): number {
  return logWeight + (power * power - power) / (2 * noise ** 2) - Math.LN2 + logErfc(tailFrom);
}
