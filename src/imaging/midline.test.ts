import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { midSagittalX } from "./midline.ts";

describe("midSagittalX", () => {
  it("finds the plane of an ellipsoid wherever it lies, also where a piece of it is missing", () => {
    const dims = [40, 36, 30] as const;
    fc.assert(
      fc.property(fc.integer({ min: 26, max: 52 }), fc.boolean(), (twice, dented) => {
        const middle = twice / 2;
        const brain = new Uint8Array(40 * 36 * 30);
        for (let i = 0; i < brain.length; i++) {
          const [x, y, z] = [i % 40, Math.floor(i / 40) % 36, Math.floor(i / 1440)];
          const inside = ((x - middle) / 12) ** 2 + ((y - 18) / 15) ** 2 + ((z - 15) / 13) ** 2 < 1;
          // The dent takes the outermost voxels of one side, and with them the middle of the box.
          if (inside && !(dented && x < middle - 9)) brain[i] = 1;
        }
        expect(midSagittalX(brain, dims)).toBe(middle);
      }),
    );
  });

  it("is the mirror plane with the largest overlap of all near the middle, whatever the mask", () => {
    const [width, rows] = [23, 12];
    const voxels = fc.array(fc.boolean(), { minLength: width * rows, maxLength: width * rows });
    fc.assert(
      fc.property(voxels, fc.integer({ min: 0, max: 8 }), fc.integer({ min: 14, max: 22 }), (drawn, from, to) => {
        const brain = Uint8Array.from(drawn, (here, i) => (here && i % width >= from && i % width <= to ? 1 : 0));
        const inside = [...brain.keys()].filter((i) => brain[i] !== 0);
        fc.pre(inside.length > 0);
        const xs = inside.map((i) => i % width);
        const [first, last] = [Math.min(...xs), Math.max(...xs)];
        const overlapOf = (sum: number): number =>
          inside.filter((i) => {
            const mirrored = sum - (i % width);
            return mirrored >= 0 && mirrored < width && brain[i - (i % width) + mirrored] !== 0;
          }).length;
        const reach = Math.round((last - first) / 8);
        const shifts = Array.from({ length: reach + 1 }, (_, k) => (k === 0 ? [0] : [-k, k])).flat();
        const sums = shifts.map((shift) => first + last + shift);
        const overlaps = sums.map(overlapOf);
        expect(midSagittalX(brain, [width, 4, 3])).toBe(sums[overlaps.indexOf(Math.max(...overlaps))] / 2);
      }),
    );
  });

  it("is the middle of the volume where there is no brain", () => {
    expect(midSagittalX(new Uint8Array(24), [4, 3, 2])).toBe(1.5);
  });
});
