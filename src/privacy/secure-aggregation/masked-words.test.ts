import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { coordinateLimit, createExactSum } from "../../aggregation/index.ts";
import type { MaskTerm } from "./mask-stream.ts";
import { createMaskedInput, createMaskedSum, maskedInputBytes } from "./masked-input.ts";
import { decodeWords, encodeWords, wordBitsFor } from "./masked-words.ts";

const term = (sign: 1 | -1): MaskTerm => ({
  seed: { kind: "maskSeed", bytes: new Uint8Array(randomBytes(32)) },
  sign,
});

describe("wordBitsFor", () => {
  it("takes 32 bits while no sum can wrap, then 64, then refuses", () => {
    expect(wordBitsFor({ precisionBits: 16, sites: 5, maxWeight: 100 })).toBe(32);
    // 127 * 16_909_320 is the last multiple below 2^31.
    expect(wordBitsFor({ precisionBits: 8, sites: 1, maxWeight: 16_909_320 })).toBe(32);
    expect(wordBitsFor({ precisionBits: 8, sites: 1, maxWeight: 16_909_321 })).toBe(64);
    expect(wordBitsFor({ precisionBits: 28, sites: 29, maxWeight: 827 })).toBe(64);
    const most = Math.floor(Number.MAX_SAFE_INTEGER / coordinateLimit(32));
    expect(wordBitsFor({ precisionBits: 32, sites: 1, maxWeight: most })).toBe(64);
    expect(() => wordBitsFor({ precisionBits: 32, sites: 1, maxWeight: most + 1 })).toThrow(/aggregation-overflow/);
    expect(() => wordBitsFor({ precisionBits: 32, sites: 1024, maxWeight: 10_000 })).toThrow(/aggregation-overflow/);
    for (const maxWeight of [0, -1, 1.5, Number.NaN]) {
      expect(() => wordBitsFor({ precisionBits: 16, sites: 5, maxWeight })).toThrow(/aggregation-overflow/);
    }
  });
});

const layout = fc
  .record({
    precisionBits: fc.integer({ min: 8, max: 32 }),
    sites: fc.integer({ min: 1, max: 6 }),
    length: fc.integer({ min: 1, max: 40 }),
    maxWeight: fc.integer({ min: 1, max: 1000 }),
  })
  .chain((shape) => {
    const limit = coordinateLimit(shape.precisionBits);
    const coordinate = fc.oneof(fc.constantFrom(limit, -limit, 0, -1), fc.integer({ min: -limit, max: limit }));
    const site = fc.record({
      coordinates: fc.array(coordinate, { minLength: shape.length, maxLength: shape.length }),
      weight: fc.oneof(fc.constant(shape.maxWeight), fc.integer({ min: 1, max: shape.maxWeight })),
    });
    return fc.record({
      shape: fc.constant(shape),
      inputs: fc.array(site, { minLength: shape.sites, maxLength: shape.sites }),
      cut: fc.integer({ min: 1, max: 40 }),
    });
  });

describe("masked inputs", () => {
  it("sum to what the plain exact sum gives, bit by bit, at every precision, weight and cut", () => {
    fc.assert(
      fc.property(layout, ({ shape, inputs, cut }) => {
        const { precisionBits, sites, length, maxWeight } = shape;
        const bits = wordBitsFor({ precisionBits, sites, maxWeight });
        const plain = createExactSum(length, { precisionBits, maxTotalWeight: sites * maxWeight });
        const masks = inputs.map(() => [term(1), term(-1)]);
        const uploads = inputs.map(({ coordinates, weight }, i) => {
          plain.addChunk(0, Int32Array.from(coordinates), weight);
          const input = createMaskedInput(masks[i], { weight, maxWeight, bits });
          const parts: Uint8Array[] = [];
          for (let at = 0; at < length; at += cut) {
            parts.push(Uint8Array.from(input.stretch(Int32Array.from(coordinates.slice(at, at + cut)))));
          }
          return new Uint8Array(Buffer.concat([...parts, input.end()]));
        });
        for (const upload of uploads) expect(upload).toHaveLength(maskedInputBytes(length, bits));
        const undo = masks.flat().map(({ seed, sign }): MaskTerm => ({ seed, sign: sign === 1 ? -1 : 1 }));
        const sums = new Float64Array(length + 1);
        createMaskedSum(undo, bits).stretch(uploads, sums);
        expect([...sums.subarray(0, length)]).toEqual([...plain.sums].map((sum) => sum + 0));
        expect(sums[length]).toBe(inputs.reduce((sum, { weight }) => sum + weight, 0));
      }),
      { numRuns: 200 },
    );
  });

  it("have a control: a mask that is left on shows in the sum", () => {
    const input = createMaskedInput([term(1), term(1)], { weight: 1, maxWeight: 1, bits: 32 });
    const upload = Uint8Array.from(input.stretch(Int32Array.from([1, 2, 3, 4])));
    const sums = new Float64Array(4);
    createMaskedSum([], 32).stretch([upload], sums);
    expect([...sums]).not.toEqual([1, 2, 3, 4]);
  });

  it("refuse a weight beyond what the words were laid out for", () => {
    for (const weight of [0, 21, 1.5, Number.NaN]) {
      expect(() => createMaskedInput([], { weight, maxWeight: 20, bits: 32 })).toThrow(/aggregation-overflow/);
    }
  });
});

describe("words", () => {
  it("hold every integer that float64 does, with its sign", () => {
    const values = [0, 1, -1, 2 ** 32, -(2 ** 32), 2 ** 53 - 1, -(2 ** 53 - 1), 4294967295, -4294967297];
    const words = new Uint8Array(8 * values.length);
    encodeWords(values, 1, 64, words);
    const back = new Float64Array(values.length);
    decodeWords(words, 64, back);
    expect([...back]).toEqual(values);
  });
});
