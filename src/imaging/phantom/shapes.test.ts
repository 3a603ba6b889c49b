import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { capsule, capsuleDistance, ellipsoid, ellipsoidDistance, smoothMax, smoothMin } from "./shapes.ts";

describe("shapes", () => {
  it("measure a sphere exactly near its surface", () => {
    const ball = ellipsoid([1, 2, 3], [10, 10, 10]);
    for (const r of [9, 10, 11]) expect(ellipsoidDistance(ball, 1, 2 + r, 3)).toBeCloseTo(r - 10, 9);
    expect(ellipsoidDistance(ball, 1, 2, 3)).toBeCloseTo(-10, 9);
  });

  it("have the sign of the ellipsoid's equation", () => {
    const coordinate = fc.double({ min: -40, max: 40, noNaN: true });
    fc.assert(
      fc.property(coordinate, coordinate, coordinate, (x, y, z) => {
        const level = Math.hypot(x / 20, y / 30, z / 10);
        fc.pre(Math.abs(level - 1) > 1e-6);
        expect(Math.sign(ellipsoidDistance(ellipsoid([0, 0, 0], [20, 30, 10]), x, y, z))).toBe(Math.sign(level - 1));
      }),
    );
  });

  it("measure a tapered capsule from its axis", () => {
    const tube = capsule([0, 0, 0], [10, 0, 0], 2, 4);
    expect(capsuleDistance(tube, 0, 5, 0)).toBeCloseTo(3, 12);
    expect(capsuleDistance(tube, 5, 0, 5)).toBeCloseTo(2, 12);
    expect(capsuleDistance(tube, 14, 0, 0)).toBeCloseTo(0, 12);
  });

  it("blend: the smooth union holds both shapes, the smooth intersection neither's outside", () => {
    const distance = fc.double({ min: -20, max: 20, noNaN: true });
    fc.assert(
      fc.property(distance, distance, fc.double({ min: 0.1, max: 10, noNaN: true }), (a, b, blend) => {
        expect(smoothMin(a, b, blend)).toBeLessThanOrEqual(Math.min(a, b));
        expect(smoothMin(a, b, blend)).toBeGreaterThanOrEqual(Math.min(a, b) - blend / 4 - 1e-9);
        expect(smoothMax(a, b, blend)).toBeGreaterThanOrEqual(Math.max(a, b));
      }),
    );
  });
});
