import { describe, expect, it } from "vitest";
import type { Triple } from "../imaging/index.ts";
import {
  normalisedSurfaceDistance,
  robustHausdorffMm,
  surfaceAreasMm2,
  surfaceDistances,
  surfaceOf,
} from "./surface-elements.ts";

const UNIT: Triple = [1, 1, 1];

/** A box of ones within a grid that has a layer of zeros around it. */
function padded(dims: Triple, from: Triple, to: Triple): Uint8Array {
  const [px, py, pz] = dims.map((n) => n + 2);
  const mask = new Uint8Array(px * py * pz);
  for (let z = from[2]; z < to[2]; z++) {
    for (let y = from[1]; y < to[1]; y++) {
      for (let x = from[0]; x < to[0]; x++) mask[((z + 1) * py + y + 1) * px + x + 1] = 1;
    }
  }
  return mask;
}

const areaOf = (mask: Uint8Array, dims: Triple, spacingMm: Triple): number =>
  surfaceOf(mask, dims, surfaceAreasMm2(spacingMm)).areasMm2.reduce((sum, area) => sum + area, 0);

describe("surfaceAreasMm2", () => {
  it("has an area for every code but those of no surface", () => {
    const areas = surfaceAreasMm2([0.5, 1, 2]);
    expect([...areas.keys()].filter((code) => areas[code] === 0)).toEqual([0, 255]);
  });

  it("knows one voxel's octahedron: eight triangles", () => {
    expect(areaOf(padded([3, 3, 3], [1, 1, 1], [2, 2, 2]), [3, 3, 3], UNIT)).toBeCloseTo(Math.sqrt(3), 12);
  });

  it("comes near a large box's true surface, also where voxels are not cubes", () => {
    const dims: Triple = [60, 40, 30];
    const spacingMm: Triple = [0.5, 1, 2];
    const [a, b, c] = [30, 40, 60];
    const truth = 2 * (a * b + b * c + a * c);
    expect(areaOf(padded(dims, [0, 0, 0], dims), dims, spacingMm) / truth).toBeCloseTo(1, 1.5);
  });
});

describe("surfaceDistances", () => {
  const dims: Triple = [8, 4, 4];
  const surface = (from: Triple, to: Triple) => surfaceOf(padded(dims, from, to), dims, surfaceAreasMm2([2, 1, 1]));

  it("puts a moved face as far off as it was moved", () => {
    const both = surfaceDistances(surface([0, 0, 0], [4, 4, 4]), surface([0, 0, 0], [6, 4, 4]), [2, 1, 1]);
    expect(robustHausdorffMm(both, 1)).toBe(4);
    expect(robustHausdorffMm(both, 0)).toBe(0);
    expect(normalisedSurfaceDistance(both, 4)).toBe(1);
    const part = normalisedSurfaceDistance(both, 3.9);
    expect(part).toBeGreaterThan(0.5);
    expect(part).toBeLessThan(1);
  });

  it("is 0 mm and 1 between equal surfaces, whatever the tolerance", () => {
    const both = surfaceDistances(surface([1, 1, 1], [5, 3, 3]), surface([1, 1, 1], [5, 3, 3]), [2, 1, 1]);
    expect(robustHausdorffMm(both, 0.95)).toBe(0);
    expect(normalisedSurfaceDistance(both, 0)).toBe(1);
  });
});
