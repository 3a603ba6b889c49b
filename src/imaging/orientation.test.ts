import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyAffine } from "./affine.ts";
import { ORIENTATIONS, orientationOf, reorient, reorientOnto } from "./orientation.ts";
import { BRATS_AFFINE, coordinates, fullAffine, volumeOf } from "./testing/sample-volumes.ts";
import type { Affine, Triple, Volume } from "./volume.ts";

interface OrientationVector {
  affine: number[];
  orientation: string;
  lps: { affine: number[]; voxels: number[] };
}

const { orientations }: { orientations: { dims: Triple; cases: OrientationVector[] } } = JSON.parse(
  readFileSync(new URL("./testdata/nifti-vectors.json", import.meta.url), "utf8"),
);

const DIMS: Triple = [4, 3, 5];

function numbered(affine: Affine, dims: Triple = DIMS): Volume<Uint16Array> {
  return volumeOf(
    dims,
    Uint16Array.from({ length: dims[0] * dims[1] * dims[2] }, (_, i) => i),
    affine,
  );
}

describe("nibabel's answers, all 48 tilted by 20 degrees", () => {
  it("covers every orientation", () => {
    expect(new Set(orientations.cases.map((vector) => vector.orientation))).toEqual(new Set(ORIENTATIONS));
    expect(ORIENTATIONS.length).toBe(48);
  });

  it.each(orientations.cases.map((vector) => [vector.orientation, vector] as const))("%s to LPS", (code, vector) => {
    const volume = numbered(fullAffine(vector.affine), orientations.dims);
    expect(orientationOf(volume.affineVoxelToRas)).toBe(code);
    const lps = reorient(volume, "LPS");
    expect([...lps.data]).toEqual(vector.lps.voxels);
    for (const [i, value] of vector.lps.affine.entries()) expect(lps.affineVoxelToRas[i]).toBeCloseTo(value, 5);
  });
});

describe("reorient", () => {
  it("BraTS is LPS", () => {
    expect(orientationOf(BRATS_AFFINE)).toBe("LPS");
  });

  it("leaves every voxel where it was in the patient, and goes back exactly", () => {
    const codes = fc.constantFrom(...ORIENTATIONS);
    fc.assert(
      fc.property(codes, codes, (from, to) => {
        const start = reorient(numbered([2, 0.1, 0, 5, -0.1, 3, 0, -7, 0, 0, 4, 9, 0, 0, 0, 1]), from);
        const turned = reorient(start, to);
        expect(orientationOf(turned.affineVoxelToRas)).toBe(to);
        const placeOf = (volume: Volume<Uint16Array>): Map<number, string> => {
          const places = new Map<number, string>();
          for (const [index, value] of volume.data.entries()) {
            const at = applyAffine(volume.affineVoxelToRas, coordinates(index, volume.dims));
            places.set(value, at.map((mm) => (Math.round(mm * 1e6) / 1e6 + 0).toFixed(6)).join(" "));
          }
          return places;
        };
        expect(placeOf(turned)).toEqual(placeOf(start));
        const back = reorientOnto(turned.data, to, turned.dims, start);
        expect(back.data).toEqual(start.data);
        expect(back.dims).toEqual(start.dims);
        expect(back.affineVoxelToRas).toBe(start.affineVoxelToRas);
      }),
    );
  });

  it("answers the volume itself where nothing is to do", () => {
    const volume = numbered(BRATS_AFFINE);
    expect(reorient(volume, "LPS")).toBe(volume);
  });

  it("takes the closest axes of an oblique affine, even where one voxel axis is closest to two", () => {
    // Both x and y lie nearest to R; x is nearer, so y must take the next.
    const affine: Affine = [0.9, 0.75, 0, 0, 0.3, -0.66, 0, 0, 0.3, 0, 1, 0, 0, 0, 0, 1];
    expect(orientationOf(affine)).toBe("RPS");
  });

  it("refuses what is no orientation", () => {
    for (const code of ["", "LPX", "LRS", "lps", "LPSA"]) {
      expect(() => reorient(numbered(BRATS_AFFINE), code)).toThrowError(
        expect.objectContaining({ code: "geometry-invalid" }),
      );
    }
  });
});
