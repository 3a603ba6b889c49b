/**
 * Epsilon by privacy loss distributions: tighter than Rényi's, and still never below the truth.
 *
 * delta(epsilon) of a loss distribution is the mass of infinite losses plus the sum over losses above epsilon of
 * mass * (1 - exp(epsilon - loss)) (Koskela et al. 2020, lemma 5). Both neighbouring relations, adding and removing
 * one unit, are composed by themselves; the larger epsilon counts.
 *
 * Unsampled Gaussians compose in closed form: those at noise multipliers s_i are one at 1 / sqrt(sum of 1 / s_i^2). Sums
 * of discrete Gaussians count as the continuous one that bounds them (summed-noise.ts), with its slack g: where chances
 * differ by a factor e^g at most, delta(epsilon) is at most e^g delta'(epsilon - 2 g).
 *
 * The grid starts at 1e-4, as dp-accounting's does, and is doubled until the work fits MAX_POINTS. A coarser grid is
 * a subset of the finer one, which makes the chords longer and the result larger, never smaller.
 */
import { ConsiliumError } from "../../base/index.ts";
import { type CountedLoss, composeLosses } from "./compose-losses.ts";
import { type CountedLeaf, type DpEvent, leavesOf } from "./dp-event.ts";
import {
  type Direction,
  discretisedLoss,
  type LossDistribution,
  lossRange,
  type SampledGaussian,
} from "./privacy-loss.ts";
import { type ContinuousBound, continuousBound, type SummedNoise } from "./summed-noise.ts";

const FINEST_INTERVAL = 1e-4;
const MAX_POINTS = 2 ** 21;
/**
 * Epsilon is raised by a millionth of itself. Masses here are conserved to 1e-14 and dp-accounting's to 1e-9, which at
 * ten thousand compositions moves its result up by as much as 1e-7: so ours never lies below the reference either.
 */
const MARGIN = 1 + 1e-6;
/** What truncation and rounding cost must stay far below the delta asked for. */
const SMALLEST_DELTA = 1e-10;

interface CountedMechanism {
  readonly mechanism: SampledGaussian;
  readonly count: number;
}

/**
 * @param delta from 1e-10 to 1.
 * @throws ConsiliumError `privacy-event-unknown` for mechanisms whose loss distribution is not known here,
 *   `privacy-delta-too-small` where the allowance for rounding would dominate, also by what the slack leaves of delta.
 */
export function pldEpsilon(event: DpEvent, delta: number): number {
  checkDelta(delta, String(delta));
  const losses = lossDistributions(event);
  if (losses === "unbounded") return Number.POSITIVE_INFINITY;
  const slack = slackOf(event);
  const left = delta * Math.exp(-slack);
  checkDelta(left, `${left} of ${delta}, after what sums of noise at single sites take from it`);
  return Math.max(0, ...losses.map((loss) => epsilonOf(loss, left))) + 2 * slack;
}

function checkDelta(delta: number, actual: string): void {
  if (delta >= SMALLEST_DELTA) return;
  throw new ConsiliumError("privacy-delta-too-small", {
    subject: "accountant pld",
    expected: `a delta of at least ${SMALLEST_DELTA}`,
    actual,
    hint: "Use the accountant rdp for smaller ones.",
  });
}

/** Of all sums of discrete Gaussians together. */
function slackOf(event: DpEvent): number {
  return leavesOf(event).reduce((sum, { leaf, count }) => {
    return leaf.kind === "distributedDiscreteGaussian" ? sum + count * boundOf(leaf).slack : sum;
  }, 0);
}

/**
 * The loss of everything together, for each neighbouring relation, without the slack of sums; none where nothing was done.
 * @throws ConsiliumError `privacy-event-unknown`
 */
export function lossDistributions(event: DpEvent): readonly LossDistribution[] | "unbounded" {
  const leaves = leavesOf(event);
  if (leaves.some(({ leaf }) => leaf.kind === "nonPrivate")) return "unbounded";
  const mechanisms = joined(leaves.map(mechanismOf));
  if (mechanisms.length === 0) return [];
  const directions: readonly Direction[] = mechanisms.every(({ mechanism }) => mechanism.samplingRate === 1)
    ? ["remove"] // Without sampling both directions have the same distribution.
    : ["remove", "add"];
  return directions.map((direction) => composed(mechanisms, direction));
}

function mechanismOf({ leaf, count }: CountedLeaf): CountedMechanism {
  switch (leaf.kind) {
    case "gaussian":
      return { mechanism: { noiseMultiplier: leaf.noiseMultiplier, samplingRate: 1 }, count };
    case "distributedDiscreteGaussian":
      return { mechanism: { noiseMultiplier: boundOf(leaf).noiseMultiplier, samplingRate: 1 }, count };
    case "poissonSampled":
      return { mechanism: { noiseMultiplier: leaf.event.noiseMultiplier, samplingRate: leaf.samplingRate }, count };
    default:
      throw unknownTo(`an event of kind ${leaf.kind}`);
  }
}

/** Mechanisms without sampling as one. */
function joined(mechanisms: readonly CountedMechanism[]): readonly CountedMechanism[] {
  const [sampled, whole] = [true, false].map((is) =>
    mechanisms.filter(({ mechanism }) => mechanism.samplingRate < 1 === is),
  );
  if (whole.length === 0) return sampled;
  const precision = whole.reduce((sum, { mechanism, count }) => sum + count / mechanism.noiseMultiplier ** 2, 0);
  return [...sampled, { mechanism: { noiseMultiplier: 1 / Math.sqrt(precision), samplingRate: 1 }, count: 1 }];
}

function boundOf(leaf: SummedNoise): ContinuousBound {
  const bound = continuousBound(leaf);
  if (bound === undefined) throw unknownTo(`a sum of discrete Gaussians of deviation ${leaf.stepsStandardDeviation}`);
  return bound;
}

function unknownTo(actual: string): ConsiliumError {
  return new ConsiliumError("privacy-event-unknown", {
    subject: "accountant pld",
    expected: "Gaussian noise, with or without Poisson sampling, or summed over sites in fine steps",
    actual,
    hint: "Use the accountant rdp, which interprets this event.",
  });
}

function composed(mechanisms: readonly CountedMechanism[], direction: Direction): LossDistribution {
  let interval = FINEST_INTERVAL;
  for (;;) {
    if (mechanisms.every(({ mechanism }) => pointsOf(mechanism, direction, interval) <= MAX_POINTS)) {
      const parts = mechanisms.map(
        ({ mechanism, count }): CountedLoss => ({ loss: discretisedLoss(mechanism, direction, interval), count }),
      );
      const whole = composeLosses(parts, MAX_POINTS);
      if (whole !== undefined) return whole;
    }
    interval *= 2;
  }
}

function pointsOf(mechanism: SampledGaussian, direction: Direction, interval: number): number {
  const [lowest, highest] = lossRange(mechanism, direction);
  return (highest - lowest) / interval;
}

/** The smallest epsilon >= 0 with delta(epsilon) <= delta. */
export function epsilonOf({ interval, lower, masses, infinite }: LossDistribution, delta: number): number {
  if (infinite > delta) return Number.POSITIVE_INFINITY;
  // From the largest loss down: delta(epsilon) = above - exp(epsilon) * scaled for epsilon below the current loss.
  // `scaled` is kept relative to exp(-anchor), so that losses of any size can be weighed.
  let above = infinite;
  let scaled = 0;
  let anchor = (lower + masses.length - 1) * interval;
  for (let i = masses.length - 1; i >= 0; i--) {
    const loss = (lower + i) * interval;
    scaled *= Math.exp(loss - anchor);
    anchor = loss;
    // delta at epsilon = loss: if it is more than allowed, the answer lies above this point.
    if (above - scaled > delta) break;
    if (loss <= 0) break;
    above += masses[i];
    scaled += masses[i];
  }
  if (above <= delta) return 0;
  return Math.max(0, anchor + Math.log((above - delta) / scaled)) * MARGIN;
}
