/**
 * Composition of privacy losses: losses of independent mechanisms add, so their distributions convolve. All of it is
 * one product in the Fourier domain and one transform back (Koskela, Jälkö and Honkela 2020).
 *
 * The sum is kept on a window outside of which Chernoff's bound leaves at most TAIL_MASS on each side. Mass beyond the
 * window's upper end counts as an infinite loss; mass below its lower end comes out elsewhere in the window by the
 * transform's periodicity, where it can only raise the result.
 *
 * Rounding of the transform is not proved but measured (compose-losses.test.ts) and paid for with ROUNDING_MASS of
 * infinite loss, well above what was seen.
 */
import { type ComplexVector, fourierTransform } from "./fourier.ts";
import type { LossDistribution } from "./privacy-loss.ts";

const TAIL_MASS = 1e-15;
const ROUNDING_MASS = 1e-12;
/** Exponents of Chernoff's bound, in units of one over the sum's standard deviation. */
const CHERNOFF_STEPS = [0.5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 24, 32, 48, 64];

export interface CountedLoss {
  readonly loss: LossDistribution;
  readonly count: number;
}

interface Window {
  /** Index of the first point, in intervals. */
  readonly first: number;
  readonly last: number;
}

/**
 * @param parts on one grid; at least one.
 * @returns undefined where the sum needs more points than allowed: take a coarser grid.
 */
export function composeLosses(parts: readonly CountedLoss[], maxPoints: number): LossDistribution | undefined {
  const { interval } = parts[0].loss;
  const window = windowOf(parts);
  const points = window.last - window.first + 1;
  if (points > maxPoints) return undefined;
  const length = 2 ** Math.ceil(Math.log2(Math.max(2, points)));
  const product: ComplexVector = { re: new Float64Array(length).fill(1), im: new Float64Array(length) };
  let offset = 0;
  let finiteLog = 0;
  for (const { loss, count } of parts) {
    multiplySpectrum(product, loss.masses, count);
    offset += loss.lower * count;
    finiteLog += count * Math.log1p(-loss.infinite);
  }
  fourierTransform(product, "inverse");
  const shift = window.first - offset;
  const masses = Float64Array.from({ length: points }, (_, i) => {
    const at = (((shift + i) % length) + length) % length;
    return Math.max(0, product.re[at]);
  });
  return { interval, lower: window.first, masses, infinite: -Math.expm1(finiteLog) + TAIL_MASS + ROUNDING_MASS };
}

function multiplySpectrum(product: ComplexVector, masses: Float64Array, count: number): void {
  const { re, im } = product;
  const length = re.length;
  const spectrum: ComplexVector = { re: new Float64Array(length), im: new Float64Array(length) };
  for (let i = 0; i < masses.length; i++) spectrum.re[i % length] += masses[i];
  fourierTransform(spectrum, "forward");
  for (let k = 0; k < length; k++) {
    const size = Math.hypot(spectrum.re[k], spectrum.im[k]) ** count;
    const angle = Math.atan2(spectrum.im[k], spectrum.re[k]) * count;
    const [factorRe, factorIm] = [size * Math.cos(angle), size * Math.sin(angle)];
    const kept = re[k];
    re[k] = kept * factorRe - im[k] * factorIm;
    im[k] = kept * factorIm + im[k] * factorRe;
  }
}

function windowOf(parts: readonly CountedLoss[]): Window {
  let [first, last, variance] = [0, 0, 0];
  for (const { loss, count } of parts) {
    first += count * loss.lower;
    last += count * (loss.lower + loss.masses.length - 1);
    variance += count * varianceOf(loss.masses);
  }
  const deviation = Math.sqrt(Math.max(variance, 1));
  const margin = -Math.log(TAIL_MASS);
  for (const step of CHERNOFF_STEPS) {
    const tilt = step / deviation;
    const above = (logMoment(parts, tilt) + margin) / tilt;
    const below = -(logMoment(parts, -tilt) + margin) / tilt;
    if (Number.isFinite(above)) last = Math.min(last, Math.ceil(above));
    if (Number.isFinite(below)) first = Math.max(first, Math.floor(below));
  }
  return { first, last: Math.max(first, last) };
}

/** log E[exp(tilt * sum of losses)], losses in intervals. */
function logMoment(parts: readonly CountedLoss[], tilt: number): number {
  return parts.reduce((sum, { loss, count }) => {
    const { masses, lower } = loss;
    // Powers fall from 1 at the end where they are largest, so that nothing overflows.
    const anchor = tilt > 0 ? masses.length - 1 : 0;
    const ratio = Math.exp(-Math.abs(tilt));
    const towards = tilt > 0 ? -1 : 1;
    let moment = 0;
    let power = 1;
    for (let i = anchor; i >= 0 && i < masses.length; i += towards) {
      moment += masses[i] * power;
      power *= ratio;
    }
    return sum + count * (Math.log(moment) + tilt * (lower + anchor));
  }, 0);
}

function varianceOf(masses: Float64Array): number {
  let [total, mean, square] = [0, 0, 0];
  const middle = masses.length / 2;
  for (let i = 0; i < masses.length; i++) {
    const distance = i - middle;
    total += masses[i];
    mean += masses[i] * distance;
    square += masses[i] * distance * distance;
  }
  return total > 0 ? square / total - (mean / total) ** 2 : 0;
}
