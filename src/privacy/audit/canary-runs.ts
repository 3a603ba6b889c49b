/**
 * Runs of private training with and without a canary, for audits: the product's own sampling, clipping and noise on
 * gradients that are made up, the canary's as telling as clipping lets it be. The attacker sees every step.
 */
import type { CryptoRandom } from "../mechanisms/gaussian-noise.ts";
import { createPatientSum, samplePatients } from "../mechanisms/patient-sum.ts";
import type { MembershipScores } from "./epsilon-from-below.ts";

export interface CanaryRuns {
  /** Of each kind. */
  readonly runs: number;
  readonly steps: number;
  readonly clipNorm: number;
  readonly noiseMultiplier: number;
  readonly samplingRate: number;
  readonly random: CryptoRandom;
  /** Gradients that the canary gives in one step, each clipped by itself; one unless a flaw is to be played. */
  readonly canaryGradients?: number;
}

/** Elements of a gradient: the canary is alone in the first. */
const LENGTH = 4;
const OTHERS = 8;

export function canaryScores(options: CanaryRuns): MembershipScores {
  const run = (withCanary: boolean): number[] =>
    Array.from({ length: options.runs }, () => scoreOf(options, withCanary));
  return { withCanary: run(true), without: run(false) };
}

/** What the attacker saw move along the canary's own direction. */
function scoreOf(options: CanaryRuns, withCanary: boolean): number {
  const { steps, clipNorm, noiseMultiplier, samplingRate, random, canaryGradients = 1 } = options;
  const sum = createPatientSum({ length: LENGTH, clipNorm, noiseMultiplier, expectedPatients: 1, random });
  let score = 0;
  for (let step = 0; step < steps; step++) {
    for (const patient of samplePatients(OTHERS + (withCanary ? 1 : 0), samplingRate, random)) {
      const times = patient === OTHERS ? canaryGradients : 1;
      for (let i = 0; i < times; i++) sum.add(gradientOf(patient));
    }
    score += sum.noisedMean()[0];
  }
  return score;
}

/** Far longer than any clip norm; nobody but the canary points along the first axis. */
function gradientOf(patient: number): Float32Array {
  const gradient = new Float32Array(LENGTH);
  gradient[patient === OTHERS ? 0 : 1 + (patient % (LENGTH - 1))] = 1e6;
  return gradient;
}
