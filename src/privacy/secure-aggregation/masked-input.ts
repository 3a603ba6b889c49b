/**
 * A site's masked input, and the sum of all of them, stretch by stretch: memory is a stretch, whatever the model's size
 * and the number of sites.
 *
 * The vector is the site's weighted coordinates and, as one more word, its weight: how many cases a site has is hidden
 * like everything else, and the sum of the weights comes out with the sum of the updates. After it, from the next
 * multiple of 16 bytes on, words of 64 bits may follow: figures that are to be seen as sums alone.
 */
import { ConsiliumError, invariant } from "../../base/index.ts";
import { CIPHER_BLOCK_BYTES, createMasker, type MaskTerm } from "./mask-stream.ts";
import { decodeWords, encodeWords, type WordBits } from "./masked-words.ts";

const FIGURE_BITS = 64;

/** Bytes of the masked input of a model, and of so many figures behind it. */
export function maskedInputBytes(coordinates: number, bits: WordBits, figures = 0): number {
  return figures === 0
    ? ((coordinates + 1) * bits) / 8
    : figuresOffsetBytes(coordinates, bits) + (figures * FIGURE_BITS) / 8;
}

/** Where the figures begin: at a whole block of the cipher. */
export function figuresOffsetBytes(coordinates: number, bits: WordBits): number {
  return Math.ceil(maskedInputBytes(coordinates, bits) / CIPHER_BLOCK_BYTES) * CIPHER_BLOCK_BYTES;
}

/** Masked words of whole numbers below 2^52, as they stand behind a model of so many coordinates. */
export function maskFigures(
  masks: readonly MaskTerm[],
  figures: Float64Array,
  { coordinates, bits }: { readonly coordinates: number; readonly bits: WordBits },
): Uint8Array {
  const words = new Uint8Array((figures.length * FIGURE_BITS) / 8);
  encodeWords(figures, 1, FIGURE_BITS, words);
  createMasker(masks, FIGURE_BITS, figuresOffsetBytes(coordinates, bits)).apply(words);
  return words;
}

/** A sum of the figures alone. */
export function createFiguresSum(
  masks: readonly MaskTerm[],
  { coordinates, bits }: { readonly coordinates: number; readonly bits: WordBits },
): MaskedSum {
  return createMaskedSum(masks, FIGURE_BITS, figuresOffsetBytes(coordinates, bits));
}

export interface MaskedInput {
  /** The masked words of the coordinates that follow; the buffer is overwritten by the next call. */
  stretch(coordinates: Int32Array): Uint8Array;
  /** The masked word of the weight, at the end. */
  end(): Uint8Array;
}

export interface MaskedInputOptions {
  readonly weight: number;
  readonly maxWeight: number;
  readonly bits: WordBits;
  /** Whole numbers, a new one for each coordinate, added to it after its weight. */
  readonly noise?: (() => number) | undefined;
}

/** @param maxWeight as `wordBitsFor` was asked. @throws ConsiliumError `aggregation-overflow` for a larger weight. */
export function createMaskedInput(
  masks: readonly MaskTerm[],
  { weight, maxWeight, bits, noise }: MaskedInputOptions,
): MaskedInput {
  if (!Number.isSafeInteger(weight) || weight < 1 || weight > maxWeight) {
    throw new ConsiliumError("aggregation-overflow", {
      subject: "this site's weight",
      expected: `a whole weight from 1 to ${maxWeight}, which the masked sum was laid out for`,
      actual: String(weight),
      hint: "Raise the study's largest weight, or weigh sites equally.",
    });
  }
  const masker = createMasker(masks, bits);
  let buffer = new Uint8Array(0);
  const masked = (values: ArrayLike<number>, factor: number): Uint8Array => {
    const bytes = (values.length * bits) / 8;
    if (buffer.length < bytes) buffer = new Uint8Array(bytes);
    const words = buffer.subarray(0, bytes);
    encodeWords(values, factor, bits, words);
    masker.apply(words);
    return words;
  };
  if (noise === undefined) return { stretch: (values) => masked(values, weight), end: () => masked([1], weight) };
  return {
    stretch: (coordinates) =>
      masked(
        Float64Array.from(coordinates, (value) => weight * value + noise()),
        1,
      ),
    end: () => masked([1], weight),
  };
}

export interface MaskedSum {
  /** Sums of the next stretch, from the same stretch of every survivor's input: exact integers. */
  stretch(inputs: readonly Uint8Array[], into: Float64Array): void;
}

/**
 * @param masks from `openMasks`.
 * @param startByte where the first stretch lies in the inputs: a multiple of 16.
 */
export function createMaskedSum(masks: readonly MaskTerm[], bits: WordBits, startByte = 0): MaskedSum {
  const masker = createMasker(masks, bits, startByte);
  return {
    stretch(inputs, into) {
      const words = new Uint8Array((into.length * bits) / 8);
      invariant(
        inputs.length > 0 && inputs.every(({ length }) => length === words.length),
        "inputs of one length to sum",
      );
      masker.sum(inputs, words);
      decodeWords(words, bits, into);
    },
  };
}
