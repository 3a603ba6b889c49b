import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { axisWeights, copiesAxis, createResampler } from "./resample.ts";
import { coordinates } from "./testing/sample-volumes.ts";
import type { Triple } from "./volume.ts";

function apply(weights: ReturnType<typeof axisWeights>, source: readonly number[]): number[] {
  return Array.from({ length: weights.size }, (_, i) => {
    let sum = 0;
    for (let tap = 0; tap < weights.taps; tap++)
      sum += weights.weights[i * weights.taps + tap] * source[weights.first[i] + tap];
    return sum;
  });
}

describe("axisWeights", () => {
  it("averages whole voxels where the new grid is twice as coarse", () => {
    expect(apply(axisWeights(6, 3, 0, 2), [1, 3, 10, 20, 7, 7])).toEqual([2, 15, 7]);
  });

  it("averages by area where a new voxel covers parts", () => {
    const [first, second] = apply(axisWeights(3, 2, 0, 1.5), [3, 6, 9]);
    expect(first).toBeCloseTo((3 + 6 / 2) / 1.5, 6);
    expect(second).toBeCloseTo((6 / 2 + 9) / 1.5, 6);
  });

  it("interpolates linearly where the new grid is finer, and holds the value beyond the outermost centres", () => {
    const values = apply(axisWeights(2, 4, 0, 0.5), [0, 4]);
    expect(values).toEqual([0, 1, 3, 4]);
  });

  it("copies at the same spacing, and says so", () => {
    const weights = axisWeights(5, 5, 0, 1);
    expect(apply(weights, [5, 4, 3, 2, 1])).toEqual([5, 4, 3, 2, 1]);
    expect(copiesAxis(weights, 5)).toBe(true);
    expect(copiesAxis(axisWeights(5, 5, 0.25, 1), 5)).toBe(false);
    expect(copiesAxis(axisWeights(5, 5, 0, 1.1), 5)).toBe(false);
    expect(copiesAxis(axisWeights(6, 5, 0, 1), 6)).toBe(false);
  });

  it("keeps constants, and straight lines inside the volume", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.double({ min: 0.2, max: 6, noNaN: true }),
        (sourceSize, ratio) => {
          const size = Math.max(1, Math.ceil(sourceSize / ratio));
          const weights = axisWeights(sourceSize, size, 0, ratio);
          for (const value of apply(weights, new Array<number>(sourceSize).fill(3))) expect(value).toBeCloseTo(3, 5);
          const line = apply(
            weights,
            Array.from({ length: sourceSize }, (_, j) => j),
          );
          const reach = (Math.max(1, ratio) + 1) / 2;
          for (const [i, value] of line.entries()) {
            const centre = (i + 0.5) * ratio - 0.5;
            if (centre >= reach && centre <= sourceSize - 1 - reach)
              expect(Math.abs(value - centre)).toBeLessThan(0.13);
          }
        },
      ),
    );
  });

  it("stays within the source, whatever the grid", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 20 }),
        fc.double({ min: -30, max: 30, noNaN: true }),
        fc.double({ min: 0.1, max: 10, noNaN: true }),
        (sourceSize, size, start, ratio) => {
          const { first, taps, weights } = axisWeights(sourceSize, size, start, ratio);
          for (let i = 0; i < size; i++) {
            expect(first[i]).toBeGreaterThanOrEqual(0);
            expect(first[i] + taps).toBeLessThanOrEqual(sourceSize);
            const row = weights.subarray(i * taps, (i + 1) * taps);
            expect(row.every((weight) => weight >= 0 && weight <= 1 + 1e-6)).toBe(true);
            expect(row.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 5);
          }
        },
      ),
    );
  });
});

describe("createResampler", () => {
  it("does along three axes what the weights do along each", () => {
    const dims: Triple = [5, 4, 3];
    const source = Float32Array.from({ length: 60 }, (_, i) => Math.sin(i * 1.7) * 10);
    const axes = [axisWeights(5, 3, 0, 5 / 3), axisWeights(4, 8, 0, 0.5), axisWeights(3, 2, 0.5, 1.2)] as const;
    const resampler = createResampler(dims, axes);
    expect(resampler.dims).toEqual([3, 8, 2]);
    const weightOf = (axis: 0 | 1 | 2, to: number, from: number): number => {
      const { first, taps, weights } = axes[axis];
      const tap = from - first[to];
      return tap >= 0 && tap < taps ? weights[to * taps + tap] : 0;
    };
    for (let z = 0; z < 2; z++) {
      const plane = resampler.plane(source, z);
      for (let i = 0; i < plane.length; i++) {
        const [x, y] = [i % 3, Math.floor(i / 3)];
        const expected = source.reduce((sum, value, index) => {
          const [a, b, c] = coordinates(index, dims);
          return sum + value * weightOf(0, x, a) * weightOf(1, y, b) * weightOf(2, z, c);
        }, 0);
        expect(plane[i]).toBeCloseTo(expected, 4);
      }
    }
  });
});
