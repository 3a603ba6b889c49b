/**
 * Bounding what one unit can add to a sum: vectors clipped to an L2 norm, fixed or following the data.
 *
 * Sources: Abadi et al. 2016, algorithm 1 (clipping); Andrew et al. 2021, "Differentially Private Learning with
 * Adaptive Clipping": algorithm 1 and theorem 1 for the norm that follows a quantile.
 *
 * Invariant: after clipping the norm, reckoned in float64 over the float32 values that are sent, is at most the bound.
 * The factor is lowered by 2^-22, which outweighs the rounding of every element (2^-24 of it) and of the norm.
 */
import { ConsiliumError } from "../../base/index.ts";

const ROUNDING_ROOM = 1 - 2 ** -22;

export interface ClippedVector {
  /** L2 norm before clipping. */
  readonly norm: number;
  readonly clipped: boolean;
}

/** Scales the vector in place so that its L2 norm is at most `clipNorm`. @throws ConsiliumError `update-not-finite` */
export function clipToNorm(vector: Float32Array, clipNorm: number): ClippedVector {
  checkPositive("clip norm", clipNorm);
  let squares = 0;
  for (let i = 0; i < vector.length; i++) squares += vector[i] * vector[i];
  const norm = Math.sqrt(squares);
  if (!Number.isFinite(norm)) {
    throw new ConsiliumError("update-not-finite", {
      subject: "vector to clip",
      expected: "finite numbers",
      actual: "NaN or an infinity",
      hint: "Training diverged at this site: nothing was sent. Lower the learning rate of the study.",
    });
  }
  if (norm <= clipNorm) return { norm, clipped: false };
  const factor = (clipNorm / norm) * ROUNDING_ROOM;
  for (let i = 0; i < vector.length; i++) vector[i] *= factor;
  return { norm, clipped: true };
}

export interface AdaptiveClipping {
  /** Quantile of the norms that the clip norm shall follow: 0.5 for the median. */
  readonly targetQuantile: number;
  readonly learningRate: number;
}

/**
 * The next round's norm: C exp(-eta (b - gamma)).
 * @param unclippedShare b, the noised share of sites whose norm was at most C; noise may take it out of [0, 1].
 */
export function nextClipNorm(clipNorm: number, unclippedShare: number, adaptive: AdaptiveClipping): number {
  checkPositive("clip norm", clipNorm);
  if (!Number.isFinite(unclippedShare)) throw parameter("share of unclipped sites", "a number", unclippedShare);
  return clipNorm * Math.exp(-adaptive.learningRate * (unclippedShare - adaptive.targetQuantile));
}

/**
 * The noise multiplier for the update itself when the count of unclipped sites is noised as well, so that both
 * together cost what `noiseMultiplier` alone would: (z^-2 - (2 sigma_b)^-2)^(-1/2).
 *
 * @param countDeviation sigma_b, standard deviation of the noise on the count; each site adds 1/2 or -1/2 to it.
 * @throws ConsiliumError `privacy-parameters` where the count alone would spend all of it.
 */
export function updateNoiseMultiplier(noiseMultiplier: number, countDeviation: number): number {
  checkPositive("noise multiplier", noiseMultiplier);
  checkPositive("deviation of the count", countDeviation);
  const left = noiseMultiplier ** -2 - (2 * countDeviation) ** -2;
  if (left <= 0) {
    throw parameter(
      "deviation of the count",
      `more than ${noiseMultiplier / 2}, half the noise multiplier`,
      countDeviation,
    );
  }
  return left ** -0.5;
}

function checkPositive(subject: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value))) throw parameter(subject, "a positive number", value);
}

function parameter(subject: string, expected: string, actual: number): ConsiliumError {
  return new ConsiliumError("privacy-parameters", {
    subject,
    expected,
    actual: String(actual),
    hint: "Correct the study's privacy section.",
  });
}
