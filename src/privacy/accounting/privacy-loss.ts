/**
 * The privacy loss distribution of a (Poisson-sampled) Gaussian on a grid, never better than the real one.
 *
 * Source: Doroshenko et al. 2022, "Connect the Dots", algorithm 1. Between two neighbouring grid points the real
 * mechanism has probability P under the data with the unit in question and Q without it. That mass is split on the
 * two points so that both P and Q are kept, which makes the hockey-stick divergence exact at every grid point and a
 * chord above the real, convex, curve between them. So every divergence of the discrete pair, and of its
 * compositions, is at least the real one.
 *
 * The two neighbouring relations, with the unit's contribution 1, noise sigma and sampling rate q:
 *   remove: P = (1 - q) N(0, sigma^2) + q N(1, sigma^2) against Q = N(0, sigma^2)
 *   add:    P = N(0, sigma^2) against Q = (1 - q) N(0, sigma^2) + q N(1, sigma^2)
 */
import { massBetween } from "./normal-distribution.ts";

export type Direction = "add" | "remove";

/** Masses on losses (lower + i) * interval, and the mass of an infinite loss. */
export interface LossDistribution {
  readonly interval: number;
  readonly lower: number;
  readonly masses: Float64Array;
  readonly infinite: number;
}

export interface SampledGaussian {
  readonly noiseMultiplier: number;
  /** 1 without sampling. */
  readonly samplingRate: number;
}

/** Standard deviations beyond which outcomes are not resolved (mass 2e-23 a side): they count as an infinite loss. */
const REACH = 9.9;
/** Losses above this are rounded up whole: exp(loss) nears the largest double, and q the smallest. */
const LARGEST_SPLIT = 600;

/** Smallest and largest loss that are resolved. */
export function lossRange(mechanism: SampledGaussian, direction: Direction): readonly [number, number] {
  const { noiseMultiplier: sigma } = mechanism;
  const ends = [-REACH * sigma, 1 + REACH * sigma].map((outcome) => lossAt(mechanism, direction, outcome));
  return [Math.min(...ends), Math.max(...ends)];
}

/** log(P/Q) at an outcome. */
function lossAt({ noiseMultiplier, samplingRate }: SampledGaussian, direction: Direction, outcome: number): number {
  const exponent = (outcome - 0.5) / noiseMultiplier ** 2;
  const remove = logOfMixture(samplingRate, exponent);
  return direction === "remove" ? remove : -remove;
}

/** log(1 - q + q e^x), without overflow. */
function logOfMixture(rate: number, x: number): number {
  if (rate === 1) return x;
  if (x > 30) return x + Math.log(rate) + Math.log1p(((1 - rate) / rate) * Math.exp(-x));
  return Math.log1p(rate * Math.expm1(x));
}

/** The outcome at which the loss is as given: -Infinity or Infinity where every outcome is on one side of it. */
function outcomeAt({ noiseMultiplier, samplingRate }: SampledGaussian, direction: Direction, loss: number): number {
  const removeLoss = direction === "remove" ? loss : -loss;
  const variance = noiseMultiplier ** 2;
  if (samplingRate === 1) return variance * removeLoss + 0.5;
  const excess = removeLoss > 30 ? Number.POSITIVE_INFINITY : Math.expm1(removeLoss);
  if (excess <= -samplingRate) return Number.NEGATIVE_INFINITY;
  const log = Number.isFinite(excess)
    ? Math.log1p(excess / samplingRate)
    : removeLoss - Math.log(samplingRate) + Math.log1p((samplingRate - 1) * Math.exp(-removeLoss));
  return variance * log + 0.5;
}

/** @param interval width of the grid, in nats. */
export function discretisedLoss(mechanism: SampledGaussian, direction: Direction, interval: number): LossDistribution {
  const [lowest, highest] = lossRange(mechanism, direction);
  const lower = Math.floor(lowest / interval);
  const masses = new Float64Array(Math.ceil(highest / interval) - lower + 1);
  const toRight = 1 / -Math.expm1(-interval);
  let outcome = outcomeAt(mechanism, direction, lower * interval);
  // Outcomes with less loss than the lowest point: their loss is rounded up to it.
  masses[0] = pairMass(mechanism, direction, beforeLoss(direction), outcome).p;
  for (let i = 0; i + 1 < masses.length; i++) {
    const loss = (lower + i) * interval;
    const next = outcomeAt(mechanism, direction, loss + interval);
    const { p, q } = pairMass(mechanism, direction, outcome, next);
    // p = left + right and q = left exp(-loss) + right exp(-loss - interval), solved for the right point.
    const right = loss > LARGEST_SPLIT ? p : Math.min(p, Math.max(0, (p - Math.exp(loss) * q) * toRight));
    masses[i] += p - right;
    masses[i + 1] += right;
    outcome = next;
  }
  const infinite = pairMass(mechanism, direction, outcome, -beforeLoss(direction)).p;
  return { interval, lower, masses, infinite };
}

/** Where outcomes of the smallest losses lie. */
function beforeLoss(direction: Direction): number {
  return direction === "remove" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

function pairMass(
  { noiseMultiplier: sigma, samplingRate: rate }: SampledGaussian,
  direction: Direction,
  from: number,
  to: number,
): { readonly p: number; readonly q: number } {
  const [low, high] = from < to ? [from, to] : [to, from];
  const without = massBetween(low / sigma, high / sigma);
  const mixed = (1 - rate) * without + rate * massBetween((low - 1) / sigma, (high - 1) / sigma);
  return direction === "remove" ? { p: mixed, q: without } : { p: without, q: mixed };
}
