/**
 * One step of private training at a site: which patients take part, what each may add, and the noise on their sum.
 *
 * Source: Abadi et al. 2016, "Deep Learning with Differential Privacy", algorithm 1, with the patient as the unit
 * (McMahan et al. 2018 do the same for users): all of a patient's gradients are summed before they are clipped.
 *
 * Invariants
 * - A patient changes the sum by at most `clipNorm` in L2 norm, whoever else takes part: nothing here depends on two
 *   patients at once.
 * - Every step is noised, also one in which nobody takes part; the noise does not depend on how many did.
 * - The divisor is the expected number of patients, never the number that took part.
 */
import { clipToNorm } from "./clip-norm.ts";
import { addGaussianNoise, type CryptoRandom } from "./gaussian-noise.ts";

/** Poisson sampling: each of `count` patients takes part with probability `rate`, independently of all others. */
export function samplePatients(count: number, rate: number, random: CryptoRandom): number[] {
  return Array.from({ length: count }, (_, patient) => patient).filter(() => random.uniform() < rate);
}

export interface PatientSum {
  /** Clips one patient's gradient [P] in place and adds it. @throws ConsiliumError `update-not-finite` */
  add(gradient: Float32Array): void;
  /** The noised mean [P]: (sum + noise) / expected number of patients. The sum is empty afterwards. */
  noisedMean(): Float32Array;
}

export interface PatientSumOptions {
  readonly length: number;
  readonly clipNorm: number;
  /** Standard deviation of the noise over `clipNorm`. */
  readonly noiseMultiplier: number;
  /** Sampling rate times the number of patients. */
  readonly expectedPatients: number;
  readonly random: CryptoRandom;
}

export function createPatientSum(options: PatientSumOptions): PatientSum {
  const { length, clipNorm, noiseMultiplier, expectedPatients, random } = options;
  const sums = new Float64Array(length);
  return {
    add(gradient) {
      clipToNorm(gradient, clipNorm);
      for (let i = 0; i < length; i++) sums[i] += gradient[i];
    },
    noisedMean() {
      addGaussianNoise(sums, noiseMultiplier * clipNorm, random);
      const mean = Float32Array.from(sums, (sum) => sum / expectedPatients);
      sums.fill(0);
      return mean;
    },
  };
}
