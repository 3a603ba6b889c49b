import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom, sha256 } from "../base/index.ts";
import { type Parameters, parameterLayout } from "../graph/index.ts";
import { aggregateRound } from "./aggregate-round.ts";
import { halfToNumber, wholeToHalf } from "./half-float.ts";
import { encodeWithFeedback, moveByUpdate, quantiseUpdate } from "./quantise-update.ts";
import { decodeUpdate, encodedBytes, encodeUpdate, INT8_BLOCK, type UpdateEncoding } from "./update-encoding.ts";
import { checkUpdate, type UpdateSource } from "./update-reader.ts";
import { coordinateLimit, updateScales } from "./update-scales.ts";

const SHORT = ["float16", "int8"] as const;
const vectors = JSON.parse(readFileSync(new URL("testdata/half-vectors.json", import.meta.url), "utf8")) as {
  readonly valuesSha256: string;
  readonly wholes: readonly (readonly [whole: number, shift: number, bits: number])[];
};

describe("halves", () => {
  it("are those of Python's struct: all 65,536 values, and whole numbers at every shift", () => {
    const values = Float32Array.from({ length: 65_536 }, (_, bits) => {
      const value = halfToNumber(bits);
      return Number.isFinite(value) ? value : 0;
    });
    // -0 is 0 here and -0 there: both are the whole number 0.
    values[0x8000] = -0;
    expect(sha256(new Uint8Array(values.buffer))).toBe(vectors.valuesSha256);
    for (const [whole, shift, bits] of vectors.wholes)
      expect([whole, shift, wholeToHalf(whole, shift)]).toEqual([whole, shift, bits]);
  });
});

const numbers = fc
  .record({
    precisionBits: fc.integer({ min: 16, max: 32 }),
    length: fc.integer({ min: 1, max: 3000 }),
    seed: fc.nat(),
  })
  .map(({ precisionBits, length, seed }) => {
    const random = createRandom(seed, "numbers");
    const limit = coordinateLimit(precisionBits);
    const spread = 2 ** random.integer(precisionBits);
    const coordinates = Int32Array.from({ length }, () => {
      const drawn = Math.round(spread * random.normal());
      return Math.max(-limit, Math.min(limit, random.integer(50) === 0 ? limit * (random.integer(3) - 1) : drawn));
    });
    return { precisionBits, coordinates };
  });

function decoded(bytes: Uint8Array, encoding: UpdateEncoding, precisionBits: number, length: number): Int32Array {
  const target = new Int32Array(length);
  decodeUpdate(bytes, encoding, precisionBits, target);
  return target;
}

describe("encodings", () => {
  it("come back as near as they say, within the limit, and as the same bytes again", () => {
    fc.assert(
      fc.property(numbers, fc.constantFrom(...SHORT), ({ precisionBits, coordinates }, encoding) => {
        const limit = coordinateLimit(precisionBits);
        const bytes = encodeUpdate(coordinates, encoding, precisionBits);
        expect(bytes.length).toBe(encodedBytes(encoding, coordinates.length));
        const back = decoded(bytes, encoding, precisionBits, coordinates.length);
        for (let start = 0; start < back.length; start += INT8_BLOCK) {
          const block = coordinates.subarray(start, start + INT8_BLOCK);
          const step = Math.max(1, Math.ceil(block.reduce((most, each) => Math.max(most, Math.abs(each)), 0) / 127));
          block.forEach((coordinate, i) => {
            const number = back[start + i];
            const half = encoding === "int8" ? step / 2 : Math.max(0.5, Math.abs(coordinate) * 2 ** -11);
            const room = Math.abs(coordinate) > limit - step ? step / 2 : 0;
            if (Math.abs(number - coordinate) > half + room || Math.abs(number) > limit) {
              throw new Error(`${encoding}: ${coordinate} came back as ${number}`);
            }
          });
        }
        expect(encodeUpdate(back, encoding, precisionBits).length).toBe(bytes.length);
        if (encoding === "float16") expect(encodeUpdate(back, encoding, precisionBits)).toEqual(bytes);
      }),
      { numRuns: 60 },
    );
  });

  it("are a half and about a quarter as long", () => {
    expect(encodedBytes("float16", 31_000_000) / encodedBytes("int32", 31_000_000)).toBe(0.5);
    expect(encodedBytes("int8", 31_000_000) / encodedBytes("int32", 31_000_000)).toBeCloseTo(0.251, 3);
  });

  it("refuse what no encoder writes", () => {
    const refused = (bytes: Uint8Array, encoding: UpdateEncoding): void =>
      expect(() => decoded(bytes, encoding, 24, 1)).toThrow(/update-out-of-range/);
    for (const bits of [0x7c00, 0xfc00, 0x7e01, 0x7bff]) refused(Uint8Array.of(bits & 255, bits >> 8), "float16");
    refused(Uint8Array.of(255, 255, 255, 255, 127), "int8");
    refused(Uint8Array.of(255, 255, 1, 0, 128), "int8");
    expect([...decoded(Uint8Array.of(2, 0, 0, 0, 253), "int8", 24, 1)]).toEqual([-6]);
  });
});

const layout = parameterLayout(
  new Map([
    ["w", [60, 40]],
    ["b", [77]],
  ]),
);
const BITS = 28;

function model(seed: number, spread: number, around?: Parameters): Parameters {
  const random = createRandom(seed, "model");
  const data = Float32Array.from(
    { length: layout.length },
    (_, i) => (around?.data[i] ?? 0) + spread * random.normal(),
  );
  return { layout, data };
}

function sourceOf(bytes: Uint8Array, siteId: string, weight: number): UpdateSource {
  return {
    siteId,
    weight,
    bytes: bytes.length,
    sha256: sha256(bytes),
    async read(start, into) {
      const piece = bytes.subarray(start, start + into.length);
      into.set(piece);
      return piece.length;
    },
  };
}

describe.each(SHORT)("a round of %s", (encoding) => {
  const global = model(1, 0.3);
  const sent = [3, 40, 7].map((weight, i) => {
    const local = model(10 + i, 0.01, global);
    const { bytes } = encodeWithFeedback(global, local, { precisionBits: BITS, encoding }, undefined);
    return { weight, bytes };
  });

  it("is the exact sum of the decoded numbers, whatever the stretches, cuts and order", async () => {
    const updates = sent.map(({ bytes, weight }, i) => sourceOf(bytes, `s${i}`, weight));
    const plain = sent.map(({ bytes, weight }, i) => {
      const numbers = decoded(bytes, encoding, BITS, layout.length);
      return sourceOf(encodeUpdate(numbers), `s${i}`, weight);
    });
    const wanted = (await aggregateRound({ global, updates: plain, precisionBits: BITS })).parameters.data;
    for (const stretchElements of [5, 100, 1024, 1500, 1 << 18]) {
      const { parameters } = await aggregateRound({
        global,
        updates: [...updates].reverse(),
        precisionBits: BITS,
        encoding,
        stretchElements,
      });
      expect(parameters.data).toEqual(wanted);
    }
    await checkUpdate(updates[0], { layoutLength: layout.length, precisionBits: BITS, encoding });
    await expect(checkUpdate(updates[0], { layoutLength: layout.length, precisionBits: BITS })).rejects.toThrow(
      /update-shape/,
    );
  });

  it("loses nothing over the rounds: what was sent and what is left is what changed", () => {
    let residual: Float32Array | undefined;
    const said = new Float64Array(layout.length);
    const changed = new Float64Array(layout.length);
    let without = 0;
    for (let round = 0; round < 20; round++) {
      const local = model(100 + round, 0.01, { layout, data: global.data.map((value) => value + 1e-4) });
      const update = encodeWithFeedback(global, local, { precisionBits: BITS, encoding }, residual);
      residual = update.residual;
      const moved = moveByUpdate(global, update.bytes, BITS, encoding);
      const plain = encodeWithFeedback(global, local, { precisionBits: BITS, encoding }, undefined);
      const alone = moveByUpdate(global, plain.bytes, BITS, encoding);
      without += alone.data[0] - local.data[0];
      for (let i = 0; i < said.length; i++) {
        said[i] += moved.data[i] - global.data[i];
        changed[i] += local.data[i] - global.data[i];
      }
    }
    const apart = said.map((value, i) => Math.abs(value + (residual?.[i] ?? 0) - changed[i]));
    expect(Math.max(...apart)).toBeLessThan(2e-6);
    // Without feedback the roundings add up instead (positive control).
    expect(Math.abs(without)).toBeGreaterThan(2e-6);
  });

  it("is off by no more than its rounding, and a short one by more than a whole one (positive control)", () => {
    const local = model(5, 0.01, global);
    const short = encodeWithFeedback(global, local, { precisionBits: BITS, encoding }, undefined);
    const scales = updateScales(global, BITS);
    const off = (bytes: Uint8Array, how: UpdateEncoding): number =>
      Math.max(...moveByUpdate(global, bytes, BITS, how).data.map((value, i) => Math.abs(value - local.data[i])));
    const whole = encodeUpdate(quantiseUpdate(global, local, scales, BITS).coordinates);
    expect(off(whole, "int32")).toBeLessThan(1e-6);
    expect(off(short.bytes, encoding)).toBeGreaterThan(off(whole, "int32"));
    expect(off(short.bytes, encoding)).toBeLessThan(encoding === "int8" ? 0.04 / 127 : 0.05 * 2 ** -11);
  });
});
