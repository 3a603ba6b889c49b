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

  it("is the middle of the volume where there is no brain", () => {
    expect(midSagittalX(new Uint8Array(24), [4, 3, 2])).toBe(1.5);
  });
});
