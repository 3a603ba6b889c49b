/**
 * Updates as words modulo 2^32 or 2^64, so that masks can be added to them, and sums of words as integers again.
 *
 * Proof that sums come out right. A coordinate has a magnitude of at most L = 2^(precisionBits - 1) - 1, a site weighs
 * at most w, and there are n sites, so every sum of weighted coordinates, and the sum of the weights, has a magnitude of
 * at most B = L * w * n. With B < M/2 two sums that are equal modulo M are equal, and the sum is the residue in
 * [-M/2, M/2). B must stay below 2^53 as well, so that float64 holds the result exactly, as in the plain round. Both are
 * checked here before anything is masked, or the study is refused.
 *
 * Words are little-endian, as updates are; a word of 64 bits is its low half, then its high half.
 */
import { coordinateLimit } from "../../aggregation/index.ts";
import { ConsiliumError, invariant } from "../../base/index.ts";

export type WordBits = 32 | 64;

const TWO_32 = 2 ** 32;

export interface SumBounds {
  readonly precisionBits: number;
  readonly sites: number;
  /** The most that one site may weigh. */
  readonly maxWeight: number;
}

/** @throws ConsiliumError `aggregation-overflow` where a sum might not be told apart from another. */
export function wordBitsFor({ precisionBits, sites, maxWeight }: SumBounds): WordBits {
  const bound = coordinateLimit(precisionBits) * sites * maxWeight;
  const whole = [sites, maxWeight].every((value) => Number.isSafeInteger(value) && value >= 1);
  if (whole && bound < 2 ** 31) return 32;
  if (whole && Number.isSafeInteger(bound)) return 64;
  throw new ConsiliumError("aggregation-overflow", {
    subject: `masked sum of updates of ${precisionBits} bits`,
    expected: `whole weights whose sum stays within ${Math.floor(Number.MAX_SAFE_INTEGER / coordinateLimit(precisionBits))}`,
    actual: `${sites} sites of weights up to ${maxWeight}`,
    hint: "Lower aggregation.precisionBits, or weigh sites equally (aggregation.weightBy: equal).",
  });
}

/** weight * values as words, written over `into`. Products are exact: see the bound above. */
export function encodeWords(values: ArrayLike<number>, weight: number, bits: WordBits, into: Uint8Array): void {
  const words = wordsOf(into);
  invariant(words.length === (values.length * bits) / 32, "room for every word");
  if (bits === 32) {
    for (let i = 0; i < values.length; i++) words[i] = weight * values[i];
    return;
  }
  for (let i = 0; i < values.length; i++) {
    const product = weight * values[i];
    words[2 * i] = product;
    words[2 * i + 1] = Math.floor(product / TWO_32);
  }
}

/** The integers that sums of words stand for. */
export function decodeWords(bytes: Uint8Array, bits: WordBits, into: Float64Array): void {
  const words = wordsOf(bytes);
  invariant(words.length === (into.length * bits) / 32, "a word for every sum");
  if (bits === 32) {
    for (let i = 0; i < into.length; i++) into[i] = words[i] | 0;
    return;
  }
  for (let i = 0; i < into.length; i++) into[i] = (words[2 * i + 1] | 0) * TWO_32 + words[2 * i];
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  invariant(bytes.byteOffset % 4 === 0 && bytes.length % 4 === 0, "whole, aligned words");
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}
