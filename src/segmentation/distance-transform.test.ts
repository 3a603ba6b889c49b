import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Triple } from "../imaging/index.ts";
import { squaredDistancesMm2 } from "./distance-transform.ts";

/** The definition, voxel by voxel. */
function bySearch(sources: Uint8Array, [nx, ny, nz]: Triple, [sx, sy, sz]: Triple): number[] {
  const places: number[][] = [];
  for (let z = 0; z < nz; z++) for (let y = 0; y < ny; y++) for (let x = 0; x < nx; x++) places.push([x, y, z]);
  return places.map(([x, y, z]) => {
    let nearest = Number.POSITIVE_INFINITY;
    places.forEach(([u, v, w], i) => {
      if (sources[i] === 0) return;
      nearest = Math.min(nearest, ((x - u) * sx) ** 2 + ((y - v) * sy) ** 2 + ((z - w) * sz) ** 2);
    });
    return nearest;
  });
}

const side = fc.integer({ min: 1, max: 7 });
const spacing = fc.oneof(fc.constant(1), fc.double({ min: 0.2, max: 6, noNaN: true }));
/** From empty to full, sparse ones as likely as dense ones. */
const grid = fc
  .tuple(fc.tuple(side, side, side), fc.tuple(spacing, spacing, spacing), fc.double({ min: 0, max: 1, noNaN: true }))
  .chain(([dims, spacingMm, density]) =>
    fc
      .array(fc.double({ min: 0, max: 1, noNaN: true }), {
        minLength: dims[0] * dims[1] * dims[2],
        maxLength: dims[0] * dims[1] * dims[2],
      })
      .map((draws) => ({ dims, spacingMm, sources: Uint8Array.from(draws, (draw) => (draw < density ** 2 ? 1 : 0)) })),
  );

const everyVoxel = (sources: Uint8Array): Int32Array => Int32Array.from(sources.keys());

describe("squaredDistancesMm2", () => {
  it("equals a search over all sources", () => {
    fc.assert(
      fc.property(grid, ({ dims, spacingMm, sources }) => {
        const expected = bySearch(sources, dims, spacingMm);
        const actual = squaredDistancesMm2(sources, dims, spacingMm, everyVoxel(sources));
        expected.forEach((distance, i) => {
          if (Number.isFinite(distance)) expect(actual[i]).toBeCloseTo(distance, 9);
          else expect(actual[i]).toBe(distance);
        });
      }),
      { numRuns: 300 },
    );
  });

  it("is exact for whole millimetres", () => {
    const sources = new Uint8Array(9 * 8 * 7);
    sources[0] = 1;
    const distances = squaredDistancesMm2(sources, [9, 8, 7], [1, 2, 3], Int32Array.of(sources.length - 1));
    expect([...distances]).toEqual([8 ** 2 + 14 ** 2 + 18 ** 2]);
  });

  it("answers for the voxels asked about, in their order", () => {
    fc.assert(
      fc.property(grid, fc.array(fc.nat(), { maxLength: 20 }), ({ dims, spacingMm, sources }, draws) => {
        const queries = Int32Array.from(draws, (draw) => draw % sources.length);
        const all = squaredDistancesMm2(sources, dims, spacingMm, everyVoxel(sources));
        const some = squaredDistancesMm2(sources, dims, spacingMm, queries);
        expect([...some]).toEqual([...queries].map((voxel) => all[voxel]));
      }),
    );
  });

  it("is at infinity without a source", () => {
    const sources = new Uint8Array(4);
    const distances = squaredDistancesMm2(sources, [2, 1, 2], [1, 1, 1], everyVoxel(sources));
    expect([...distances]).toEqual(Array(4).fill(Infinity));
  });
});
