import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BLOCK_BYTES, createWordKernel } from "./word-kernel.ts";

const BITS = [32, 64] as const;

const wordsOf = (bytes: Uint8Array, bits: 32 | 64): bigint[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: (8 * bytes.length) / bits }, (_, i) =>
    bits === 32 ? BigInt(view.getUint32(4 * i, true)) : view.getBigUint64(8 * i, true),
  );
};

describe("sums of words", () => {
  it("are those of integers modulo 2^32 and 2^64, at any length and address", () => {
    const content = fc.uint8Array({ minLength: 0, maxLength: 400 });
    fc.assert(
      fc.property(content, content, fc.constantFrom(...BITS), fc.integer({ min: 0, max: 7 }), (a, b, bits, shift) => {
        const bytes = Math.floor(Math.min(a.length, b.length) / (bits / 8)) * (bits / 8);
        const moved = new Uint8Array(bytes + shift).subarray(shift);
        moved.set(b.subarray(0, bytes));
        const [left, right] = [a.subarray(0, bytes), moved];
        const modulus = 2n ** BigInt(bits);
        const kernel = createWordKernel(bits);
        const out = new Uint8Array(bytes);

        kernel.load(left);
        kernel.add(right);
        kernel.store(out);
        const values = wordsOf(right, bits);
        expect(wordsOf(out, bits)).toEqual(wordsOf(left, bits).map((value, i) => (value + values[i]) % modulus));

        kernel.load(left);
        kernel.subtract(right);
        kernel.store(out);
        expect(wordsOf(out, bits)).toEqual(
          wordsOf(left, bits).map((value, i) => (value - values[i] + modulus) % modulus),
        );
      }),
    );
  });

  it("carry within a word and never into the next", () => {
    const ones = new Uint8Array(64).fill(255);
    for (const bits of BITS) {
      const one = new Uint8Array(64).map((_, i) => (i % (bits / 8) === 0 ? 1 : 0));
      const kernel = createWordKernel(bits);
      const out = new Uint8Array(64);
      kernel.load(ones);
      kernel.add(one);
      kernel.store(out);
      expect(out).toEqual(new Uint8Array(64));
      kernel.subtract(one);
      kernel.store(out);
      expect(out).toEqual(ones);
    }
  });

  it("of whole blocks come back as they went, and a shorter block is not touched by what a longer one left", () => {
    const kernel = createWordKernel(64);
    const [first, second] = [randomBytes(BLOCK_BYTES), randomBytes(BLOCK_BYTES)];
    const out = new Uint8Array(BLOCK_BYTES);
    kernel.load(first);
    kernel.add(second);
    kernel.subtract(second);
    kernel.store(out);
    expect(Buffer.compare(out, first)).toBe(0);
    const few = new Uint8Array(8);
    kernel.load(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0));
    kernel.add(Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0));
    kernel.store(few);
    expect([...few]).toEqual([3, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("of two kernels do not meet", () => {
    const [one, other] = [createWordKernel(32), createWordKernel(32)];
    one.load(Uint8Array.of(1, 0, 0, 0));
    other.load(Uint8Array.of(7, 0, 0, 0));
    const out = new Uint8Array(4);
    one.store(out);
    expect([...out]).toEqual([1, 0, 0, 0]);
  });

  it("refuse parts of words, more than a block, and other lengths", () => {
    const kernel = createWordKernel(64);
    expect(() => kernel.load(new Uint8Array(12))).toThrow(/whole words/);
    expect(() => kernel.load(new Uint8Array(BLOCK_BYTES + 8))).toThrow(/at most a block/);
    kernel.load(new Uint8Array(16));
    expect(() => kernel.add(new Uint8Array(8))).toThrow(/both sides/);
    expect(() => kernel.store(new Uint8Array(24))).toThrow(/room/);
  });
});
