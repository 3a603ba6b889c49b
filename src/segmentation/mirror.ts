/**
 * Volumes seen in a mirror along some of their axes: a network trained with mirrored patches gives a second opinion on
 * the mirrored scan (test-time augmentation; Isensee et al. 2021, nnU-Net).
 */
import type { Triple } from "../imaging/index.ts";

/** Whether to mirror along x, y, z. */
export type Mirror = readonly [boolean, boolean, boolean];

export const UPRIGHT: Mirror = [false, false, false];

/** All eight ways to mirror three axes or not, the upright one first. */
export const ALL_MIRRORS: readonly Mirror[] = Array.from(
  { length: 8 },
  (_, bits): Mirror => [(bits & 1) !== 0, (bits & 2) !== 0, (bits & 4) !== 0],
);

/** @param data [C, D, H, W] of `dims` (x, y, z). @returns the mirrored values; the same array where nothing is mirrored. */
export function mirrored(data: Float32Array, dims: Triple, mirror: Mirror): Float32Array {
  if (!mirror.includes(true)) return data;
  const out = new Float32Array(data.length);
  addMirrored(out, data, dims, mirror);
  return out;
}

/** Adds the mirrored values to `sums`. Mirroring is its own inverse: what was mirrored comes back. */
export function addMirrored(sums: Float32Array, data: Float32Array, dims: Triple, [mx, my, mz]: Mirror): void {
  const [nx, ny, nz] = dims;
  const channels = data.length / (nx * ny * nz);
  for (let c = 0; c < channels; c++) {
    for (let z = 0; z < nz; z++) {
      const zFrom = mz ? nz - 1 - z : z;
      for (let y = 0; y < ny; y++) {
        const yFrom = my ? ny - 1 - y : y;
        const to = ((c * nz + z) * ny + y) * nx;
        const from = ((c * nz + zFrom) * ny + yFrom) * nx;
        if (mx) for (let x = 0; x < nx; x++) sums[to + x] += data[from + nx - 1 - x];
        else for (let x = 0; x < nx; x++) sums[to + x] += data[from + x];
      }
    }
  }
}
