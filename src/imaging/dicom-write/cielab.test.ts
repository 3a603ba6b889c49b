import { expect, test } from "vitest";
import { cielabOf } from "./cielab.ts";

/** highdicom rounds the white point otherwise, and cuts fractions. */
const APART = 4;

// As highdicom 0.28.2 has them: CIELabColor.from_rgb(R, G, B).value.
test.each([
  [
    [255, 255, 255],
    [65535, 32897, 32893],
  ],
  [
    [0, 0, 0],
    [0, 32896, 32896],
  ],
  [
    [255, 92, 80],
    [40117, 48625, 43295],
  ],
  [
    [80, 220, 120],
    [51514, 17760, 42709],
  ],
  [
    [80, 170, 255],
    [44420, 32830, 20058],
  ],
  [
    [3, 2, 1],
    [385, 32927, 33017],
  ],
] as const)("sRGB %o", (rgb, expected) => {
  for (const [i, value] of cielabOf(rgb).entries()) expect(Math.abs(value - expected[i])).toBeLessThanOrEqual(APART);
});
