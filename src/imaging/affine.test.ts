import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  affineOfQform,
  applyAffine,
  checkAffine,
  cornerDistanceMm,
  determinantOf,
  IDENTITY_AFFINE,
  invertAffine,
  multiplyAffines,
  qformOfAffine,
} from "./affine.ts";
import { BRATS_AFFINE } from "./testing/sample-volumes.ts";
import { type Affine, spacingMmOf, type Triple } from "./volume.ts";

/** A rotation by a random unit quaternion, mirrored or not, with voxel sizes and an origin. */
const rigidAffines: fc.Arbitrary<Affine> = fc
  .record({
    q: fc.tuple(part(), part(), part(), part()),
    sizes: fc.tuple(size(), size(), size()),
    offset: fc.tuple(place(), place(), place()),
    qfac: fc.constantFrom<1 | -1>(1, -1),
  })
  .map(({ q, sizes, offset, qfac }) => {
    const length = Math.hypot(...q);
    const unit = length < 0.1 ? [1, 0, 0, 0] : q.map((value) => value / length);
    const sign = unit[0] < 0 ? -1 : 1;
    const quaternion: Triple = [sign * unit[1], sign * unit[2], sign * unit[3]];
    return affineOfQform({ quaternion, offset, qfac, spacingMm: sizes });
  });

function part(): fc.Arbitrary<number> {
  return fc.double({ min: -1, max: 1, noNaN: true });
}

function size(): fc.Arbitrary<number> {
  return fc.double({ min: 0.2, max: 8, noNaN: true });
}

function place(): fc.Arbitrary<number> {
  return fc.double({ min: -300, max: 300, noNaN: true });
}

function expectClose(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  for (const [i, value] of expected.entries()) expect(Math.abs(actual[i] - value)).toBeLessThanOrEqual(tolerance);
}

describe("affines", () => {
  it("an inverse undoes its affine", () => {
    fc.assert(
      fc.property(rigidAffines, (affine) => {
        expectClose(multiplyAffines(affine, invertAffine(affine)), IDENTITY_AFFINE, 1e-9);
      }),
    );
  });

  it("places a voxel where its matrix says", () => {
    expect(applyAffine(BRATS_AFFINE, [10, 20, 30])).toEqual([-10, 219, 30]);
  });

  it("a quaternion keeps sizes and handedness, and comes back from its matrix", () => {
    fc.assert(
      fc.property(rigidAffines, (affine) => {
        const qform = qformOfAffine(affine);
        expect(qform).toBeDefined();
        if (qform === undefined) return;
        expectClose(affineOfQform(qform), affine, 1e-4);
        expectClose(qform.spacingMm, spacingMmOf(affine), 1e-12);
        expect(qform.qfac).toBe(Math.sign(determinantOf(affine)));
      }),
    );
  });

  it("a quaternion by hand: a quarter turn about z", () => {
    const half = Math.SQRT1_2;
    const affine = affineOfQform({ quaternion: [0, 0, half], offset: [1, 2, 3], qfac: 1, spacingMm: [2, 3, 4] });
    expectClose(affine, [0, -3, 0, 1, 2, 0, 0, 2, 0, 0, 4, 3, 0, 0, 0, 1], 1e-12);
  });

  it("a sheared affine has no quaternion", () => {
    const sheared = IDENTITY_AFFINE.slice();
    sheared[1] = 0.05;
    expect(qformOfAffine(sheared)).toBeUndefined();
  });

  it("measures how far apart two grids lie", () => {
    const moved = BRATS_AFFINE.slice();
    moved[7] += 2;
    expect(cornerDistanceMm(BRATS_AFFINE, moved, [10, 10, 10])).toBeCloseTo(2, 12);
    const stretched = BRATS_AFFINE.slice();
    stretched[10] = 1.5;
    expect(cornerDistanceMm(BRATS_AFFINE, stretched, [10, 10, 11])).toBeCloseTo(5, 12);
  });

  it.each<[string, readonly number[]]>([
    ["flat", [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]],
    ["two axes alike", [1, 1, 0, 0, 0, 0.01, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]],
    ["NaN", [Number.NaN, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]],
    ["voxels of a kilometre", [1e6, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]],
    ["projective", [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1]],
    ["three rows", [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]],
  ])("refuses one that is no placement: %s", (_, affine) => {
    expect(() => checkAffine(affine, "sample")).toThrowError(expect.objectContaining({ code: "geometry-invalid" }));
  });
});
