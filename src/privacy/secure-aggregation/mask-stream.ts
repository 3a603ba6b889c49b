/**
 * Masks from seeds, added to or taken from words in place (Bonawitz et al. 2017, section 3.4: PRG as AES in counter
 * mode). The keystream is AES-256-CTR (NIST SP 800-38A, section 6.5) under the whole 256-bit seed, from counter zero.
 * Every seed is derived for one study, round, attempt and pair, so that no keystream is ever used twice.
 *
 * Memory is one block of keystream, whatever the number of masks and the size of the model; blocks stay in the
 * processor's cache while every mask passes over them.
 */
import { type Cipher, createCipheriv } from "node:crypto";
import { invariant } from "../../base/index.ts";
import type { MaskSeed } from "./mask-keys.ts";
import type { WordBits } from "./masked-words.ts";
import { BLOCK_BYTES, createWordKernel } from "./word-kernel.ts";

export interface MaskTerm {
  readonly seed: MaskSeed;
  readonly sign: 1 | -1;
}

export interface Masker {
  /** Applies every mask to the words that follow those of the last call. */
  apply(words: Uint8Array): void;
  /** The sum of several inputs' words, with every mask applied to it, over the words of `into`. */
  sum(inputs: readonly Uint8Array[], into: Uint8Array): void;
}

export const CIPHER_BLOCK_BYTES = 16;

/** @param startByte where the first words lie in the vector: a multiple of 16. */
export function createMasker(terms: readonly MaskTerm[], bits: WordBits, startByte = 0): Masker {
  const zeros = new Uint8Array(BLOCK_BYTES);
  const streams = terms.map(({ seed, sign }) => ({ cipher: keystream(seed, startByte), sign }));
  const kernel = createWordKernel(bits);
  const sum: Masker["sum"] = ([first, ...others], into) => {
    for (let start = 0; start < into.length; start += BLOCK_BYTES) {
      const end = Math.min(into.length, start + BLOCK_BYTES);
      kernel.load(first.subarray(start, end));
      for (const other of others) kernel.add(other.subarray(start, end));
      for (const { cipher, sign } of streams) {
        const mask = cipher.update(zeros.subarray(0, end - start));
        if (sign === 1) kernel.add(mask);
        else kernel.subtract(mask);
      }
      kernel.store(into.subarray(start, end));
    }
  };
  return { apply: (words) => sum([words], words), sum };
}

function keystream({ bytes }: MaskSeed, startByte: number): Cipher {
  invariant(Number.isSafeInteger(startByte) && startByte >= 0 && startByte % CIPHER_BLOCK_BYTES === 0, "a whole block");
  const counter = Buffer.alloc(CIPHER_BLOCK_BYTES);
  counter.writeBigUInt64BE(BigInt(startByte / CIPHER_BLOCK_BYTES), CIPHER_BLOCK_BYTES - 8);
  return createCipheriv("aes-256-ctr", bytes, counter);
}
