/** One patient's update under each protection, and what the attack of `invert-update.ts` gets out of what leaves. */
import { randomBytes } from "node:crypto";
import { quantiseUpdate, updateScales } from "../../aggregation/index.ts";
import { createRandom } from "../../base/index.ts";
import { parameterLayout } from "../../graph/index.ts";
import { createCryptoRandom } from "../mechanisms/gaussian-noise.ts";
import { createPatientSum } from "../mechanisms/patient-sum.ts";
import type { MaskTerm } from "../secure-aggregation/mask-stream.ts";
import { createMaskedInput } from "../secure-aggregation/masked-input.ts";
import { decodeWords } from "../secure-aggregation/masked-words.ts";
import {
  asText,
  correlation,
  drawPatient,
  gradientOf,
  invertUpdate,
  PARAMETER_COUNT,
  startingWeights,
} from "./invert-update.ts";

const PRECISION_BITS = 28;
const LEARNING_RATE = 0.1;
export const PROTECTIONS = ["none", "masked", "sum of 29 sites", "patient-level noise"] as const;
export type Protection = (typeof PROTECTIONS)[number];

export interface InversionTrial {
  /** Correlation of the attacker's picture with the patient's, by protection. */
  readonly correlations: Readonly<Record<Protection, number>>;
  readonly pictures: Readonly<Record<Protection | "patient", string>>;
}

/** @param noiseMultiplier of the patient-level noise, at a clip norm of the gradient's own */
export function inversionTrial(seed: number, noiseMultiplier: number): InversionTrial {
  const random = createRandom(seed, "inversion");
  const weights = startingWeights(random);
  const patient = drawPatient(random);
  const gradient = gradientOf(weights, patient);
  const own = leaving(weights, gradient);
  const others = Array.from({ length: 28 }, () => leaving(weights, gradientOf(weights, drawPatient(random))));
  const seen: Record<Protection, ArrayLike<number>> = {
    none: own,
    masked: maskedWords(own),
    "sum of 29 sites": own.map((value, i) => others.reduce((sum, other) => sum + other[i], value)),
    "patient-level noise": leaving(weights, noised(gradient, noiseMultiplier)),
  };
  const found = Object.entries(seen).map(([name, update]) => [name, invertUpdate(update)] as const);
  return {
    correlations: Object.fromEntries(
      found.map(([name, picture]) => [name, correlation(picture, patient.picture)]),
    ) as InversionTrial["correlations"],
    pictures: Object.fromEntries([
      ["patient", asText(patient.picture)],
      ...found.map(([name, picture]) => [name, asText(picture)]),
    ]) as InversionTrial["pictures"],
  };
}

/** One step of gradient descent as the integers that a site sends. */
function leaving(weights: Float32Array, gradient: Float32Array): Int32Array {
  const layout = parameterLayout(new Map([["network", [PARAMETER_COUNT]]]));
  const global = { layout, data: weights };
  const local = { layout, data: weights.map((weight, i) => weight - LEARNING_RATE * gradient[i]) };
  return quantiseUpdate(global, local, updateScales(global, PRECISION_BITS), PRECISION_BITS).coordinates;
}

/** What the coordinator gets of a site with two others, as numbers. */
function maskedWords(coordinates: Int32Array): Float64Array {
  const masks = Array.from(
    { length: 3 },
    (_, i): MaskTerm => ({
      seed: { kind: "maskSeed", bytes: new Uint8Array(randomBytes(32)) },
      sign: i === 0 ? -1 : 1,
    }),
  );
  const input = createMaskedInput(masks, { weight: 1, maxWeight: 1, bits: 32 });
  const numbers = new Float64Array(coordinates.length);
  decodeWords(input.stretch(coordinates), 32, numbers);
  return numbers;
}

function noised(gradient: Float32Array, noiseMultiplier: number): Float32Array {
  const sum = createPatientSum({
    length: gradient.length,
    clipNorm: Math.hypot(...gradient),
    noiseMultiplier,
    expectedPatients: 1,
    random: createCryptoRandom({ randomBytes: (length) => new Uint8Array(randomBytes(length)) }),
  });
  sum.add(gradient.slice());
  return sum.noisedMean();
}
