import { describe, expect, it } from "vitest";
import { createRandom } from "../../base/index.ts";
import { createNoise } from "./noise-field.ts";

const points = (count: number): number[][] => {
  const random = createRandom("noise test points");
  return Array.from({ length: count }, () => [0, 1, 2].map(() => random.between(-90, 90)));
};

describe("createNoise", () => {
  it("has the derivative that finite differences give", () => {
    const noise = createNoise(createRandom(3), 7);
    const out = new Float64Array(4);
    const step = 1e-5;
    for (const [x, y, z] of points(300)) {
      noise.sample(x, y, z, out);
      const slopes = [
        noise.value(x + step, y, z) - noise.value(x - step, y, z),
        noise.value(x, y + step, z) - noise.value(x, y - step, z),
        noise.value(x, y, z + step) - noise.value(x, y, z - step),
      ].map((difference) => difference / (2 * step));
      expect(out[0]).toBeCloseTo(noise.value(x, y, z), 12);
      for (let axis = 0; axis < 3; axis++) expect(out[1 + axis]).toBeCloseTo(slopes[axis], 5);
    }
  });

  it("has zero mean and variance one, over fields and places", () => {
    let sum = 0;
    let squares = 0;
    let count = 0;
    for (let seed = 0; seed < 20; seed++) {
      const noise = createNoise(createRandom("moments", seed), 5);
      for (const [x, y, z] of points(1000)) {
        const value = noise.value(x, y, z);
        sum += value;
        squares += value * value;
        count++;
      }
    }
    expect(Math.abs(sum / count)).toBeLessThan(0.03);
    expect(squares / count).toBeGreaterThan(0.93);
    expect(squares / count).toBeLessThan(1.07);
  });

  it("depends on seed and place alone, not on what was asked before", () => {
    const some = points(50);
    const read = (order: number[][]): Map<number[], number> => {
      const noise = createNoise(createRandom(5), 9);
      return new Map(order.map((point) => [point, noise.value(point[0], point[1], point[2])]));
    };
    const forwards = read(some);
    const backwards = read([...some].reverse());
    const other = createNoise(createRandom(6), 9);
    for (const point of some) {
      expect(backwards.get(point)).toBe(forwards.get(point));
      expect(other.value(point[0], point[1], point[2])).not.toBe(forwards.get(point));
    }
  });
});
