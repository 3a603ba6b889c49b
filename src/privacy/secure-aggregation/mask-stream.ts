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
import { addWords, subtractWords, type WordBits } from "./masked-words.ts";

export interface MaskTerm {
  readonly seed: MaskSeed;
  readonly sign: 1 | -1;
}

export interface Masker {
  /** Applies every mask to the words that follow those of the last call. */
  apply(words: Uint8Array): void;
}

const BLOCK_BYTES = 1 << 17;
const CIPHER_BLOCK_BYTES = 16;

/** @param startByte where the first words lie in the vector: a multiple of 16. */
export function createMasker(terms: readonly MaskTerm[], bits: WordBits, startByte = 0): Masker {
  const zeros = new Uint8Array(BLOCK_BYTES);
  const streams = terms.map(({ seed, sign }) => ({ cipher: keystream(seed, startByte), sign }));
  return {
    apply(words) {
      for (let start = 0; start < words.length; start += BLOCK_BYTES) {
        const block = words.subarray(start, start + BLOCK_BYTES);
        for (const { cipher, sign } of streams) {
          const mask = aligned(cipher.update(zeros.subarray(0, block.length)));
          if (sign === 1) addWords(block, mask, bits);
          else subtractWords(block, mask, bits);
        }
      }
    },
  };
}

function keystream({ bytes }: MaskSeed, startByte: number): Cipher {
  invariant(Number.isSafeInteger(startByte) && startByte >= 0 && startByte % CIPHER_BLOCK_BYTES === 0, "a whole block");
  const counter = Buffer.alloc(CIPHER_BLOCK_BYTES);
  counter.writeBigUInt64BE(BigInt(startByte / CIPHER_BLOCK_BYTES), CIPHER_BLOCK_BYTES - 8);
  return createCipheriv("aes-256-ctr", bytes, counter);
}

/** Bytes where words of 64 bits may lie; small results of a cipher, and parts of files, may be at any address. */
export function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : Uint8Array.from(bytes);
}
