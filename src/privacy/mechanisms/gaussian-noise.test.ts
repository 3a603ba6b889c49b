import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createRandom } from "../../base/index.ts";
import { upperTail } from "../accounting/normal-distribution.ts";
import { addGaussianNoise, type CryptoRandom, createCryptoRandom, noiseGridStep } from "./gaussian-noise.ts";

const crypto = { randomBytes: (length: number) => new Uint8Array(randomBytes(length)) };
const seeded = (name: string): CryptoRandom => createRandom(name);

/** Largest distance between the empirical distribution and the standard normal one, times the root of the count. */
function kolmogorov(values: Float64Array): number {
  const sorted = values.slice().sort();
  let largest = 0;
  sorted.forEach((value, i) => {
    const expected = 1 - upperTail(value);
    largest = Math.max(largest, Math.abs(expected - i / values.length), Math.abs(expected - (i + 1) / values.length));
  });
  return largest * Math.sqrt(values.length);
}

/** Exceeded by a right sampler once in ten million runs. */
const KOLMOGOROV_LIMIT = 2.9;

function noise(count: number, standardDeviation: number, random: CryptoRandom): Float64Array {
  const sums = new Float64Array(count);
  addGaussianNoise(sums, standardDeviation, random);
  return sums;
}

describe("addGaussianNoise", () => {
  it("is normal with the standard deviation asked for, and nothing else is (control)", () => {
    const drawn = noise(400_001, 3.7, createCryptoRandom(crypto));
    expect(kolmogorov(drawn.map((value) => value / 3.7))).toBeLessThan(KOLMOGOROV_LIMIT);
    expect(kolmogorov(drawn.map((value) => (1.05 * value) / 3.7))).toBeGreaterThan(KOLMOGOROV_LIMIT);
    expect(kolmogorov(drawn.map((value) => value / 3.7 + 0.02))).toBeGreaterThan(KOLMOGOROV_LIMIT);
  });

  it("draws every element apart from all others", () => {
    const drawn = noise(100_000, 1, createCryptoRandom(crypto));
    for (const lag of [1, 2, 3, 64]) {
      let product = 0;
      for (let i = lag; i < drawn.length; i++) product += drawn[i] * drawn[i - lag];
      expect(Math.abs(product) / Math.sqrt(drawn.length)).toBeLessThan(5.5);
    }
    expect(new Set(drawn).size).toBeGreaterThan(90_000);
  });

  it("lands on the same grid whatever the data was", () => {
    const random = createRandom("data");
    const data = Float64Array.from({ length: 1000 }, () => random.normal() * Math.PI);
    const step = noiseGridStep(0.9);
    expect(Number.isInteger(Math.log2(step))).toBe(true);
    expect(step).toBeLessThanOrEqual(0.9 * 2 ** -20);
    expect(data.some((value) => value % step !== 0)).toBe(true);
    addGaussianNoise(data, 0.9, createCryptoRandom(crypto));
    expect(data.every((value) => value % step === 0)).toBe(true);
  });

  it("has a tail beyond what 53 bits reach", () => {
    let draws = 0;
    const smallest: CryptoRandom = { uniform: () => (draws++ % 3 === 2 ? 0 : 2 ** -53) };
    const [value] = noise(1, 1, smallest);
    expect(value).toBeGreaterThan(8.5);
    draws = 0;
    const zero: CryptoRandom = { uniform: () => 0 };
    expect(noise(1, 1, zero)[0]).toBeGreaterThan(12);
    expect(noise(1, 1, zero)[0]).toBeLessThan(13);
  });

  it("repeats only where the generator does, and wipes what it used", () => {
    expect(noise(10, 1, seeded("a"))).toEqual(noise(10, 1, seeded("a")));
    expect(noise(10, 1, createCryptoRandom(crypto))).not.toEqual(noise(10, 1, createCryptoRandom(crypto)));
    const pools: Uint8Array[] = [];
    const watched = createCryptoRandom({
      randomBytes(length) {
        pools.push(crypto.randomBytes(length));
        return pools[pools.length - 1];
      },
    });
    for (let i = 0; i < 20; i++) watched.uniform();
    expect([...pools[0].subarray(0, 160)].every((byte) => byte === 0)).toBe(true);
    expect([...pools[0].subarray(160, 320)].some((byte) => byte !== 0)).toBe(true);
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])("refuses a standard deviation of %d", (deviation) => {
    expect(() => noise(1, deviation, seeded("a"))).toThrow(/privacy-parameters/);
  });
});
