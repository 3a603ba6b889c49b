/**
 * Where a prepared case lies: from the grid of the files over LPS order and the crop to the working grid, and back.
 * Plain numbers only, so that it travels to worker threads and into caches as JSON.
 *
 * The working grid begins at the lower edge of the crop and covers it whole; its last voxels may reach beyond.
 */
import { multiplyAffines } from "./affine.ts";
import { type AxisWeights, axisWeights } from "./resample.ts";
import { type Affine, spacingMmOf, type Triple, type Volume, voxelCount } from "./volume.ts";

export interface PreparedGeometry {
  /** The grid of the files. */
  readonly original: { readonly dims: Triple; readonly affineVoxelToRas: Affine };
  /** The same voxels in LPS order. */
  readonly lpsDims: Triple;
  /** First voxel and size of the crop in the LPS grid. */
  readonly cropStart: Triple;
  readonly cropDims: Triple;
  /** The working grid. */
  readonly dims: Triple;
  readonly spacingMm: number;
  /** Working voxel size / LPS voxel size along each axis. */
  readonly ratio: Triple;
  readonly affineVoxelToRas: Affine;
}

/** Voxel sizes this close to the working spacing are taken as equal, so that nothing is blurred for rounding's sake. */
const SAME_SPACING = 1e-3;

export type Axes = readonly [AxisWeights, AxisWeights, AxisWeights];

function triple(of: (axis: number) => number): Triple {
  return [of(0), of(1), of(2)];
}

/** First voxel and size of a box. */
export interface Box {
  readonly start: Triple;
  readonly dims: Triple;
}

export function preparedGeometry(
  original: Pick<Volume, "dims" | "affineVoxelToRas">,
  lps: Pick<Volume, "dims" | "affineVoxelToRas">,
  crop: Box,
  spacingMm: number,
): PreparedGeometry {
  const native = spacingMmOf(lps.affineVoxelToRas);
  const ratio = triple((axis) => {
    const exact = spacingMm / native[axis];
    return Math.abs(exact - 1) < SAME_SPACING ? 1 : exact;
  });
  const dims = triple((axis) => Math.max(1, Math.ceil(crop.dims[axis] / ratio[axis] - SAME_SPACING)));
  // Centre of working voxel 0: half a working voxel above the crop's lower edge, which is half a voxel below its first.
  const at = triple((axis) => crop.start[axis] - 0.5 + 0.5 * ratio[axis]);
  const toLps = [ratio[0], 0, 0, at[0], 0, ratio[1], 0, at[1], 0, 0, ratio[2], at[2], 0, 0, 0, 1];
  return {
    original: { dims: original.dims, affineVoxelToRas: original.affineVoxelToRas },
    lpsDims: lps.dims,
    cropStart: crop.start,
    cropDims: crop.dims,
    dims,
    spacingMm,
    ratio,
    affineVoxelToRas: multiplyAffines(lps.affineVoxelToRas, toLps),
  };
}

/** Weights that bring the crop to the working grid. */
export function axesToWorking({ cropDims, dims, ratio }: PreparedGeometry): Axes {
  const axis = (a: number): AxisWeights => axisWeights(cropDims[a], dims[a], 0, ratio[a]);
  return [axis(0), axis(1), axis(2)];
}

/** Weights that bring the working grid to the crop. */
export function axesToCrop({ cropDims, dims, ratio }: PreparedGeometry): Axes {
  const axis = (a: number): AxisWeights => axisWeights(dims[a], cropDims[a], 0, 1 / ratio[a]);
  return [axis(0), axis(1), axis(2)];
}

/** A box of a volume as a volume of its own. */
export function cropData<A extends Uint8Array | Float32Array>(data: A, dims: Triple, box: Box): A {
  const out = new (data.constructor as new (length: number) => A)(voxelCount(box.dims));
  const [nx, ny, nz] = box.dims;
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      const from = ((box.start[2] + z) * dims[1] + box.start[1] + y) * dims[0] + box.start[0];
      out.set(data.subarray(from, from + nx), (z * ny + y) * nx);
    }
  }
  return out;
}

/** The smallest box of non-zero voxels, widened by a margin within the volume; undefined where all are zero. */
export function boxOfNonZero(data: Uint8Array, dims: Triple, margin: Triple): Box | undefined {
  const [nx, ny, nz] = dims;
  const low = [nx, ny, nz];
  const high = [-1, -1, -1];
  for (let z = 0, row = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++, row += nx) {
      let first = 0;
      while (first < nx && data[row + first] === 0) first++;
      if (first === nx) continue;
      let last = nx - 1;
      while (data[row + last] === 0) last--;
      low[0] = Math.min(low[0], first);
      high[0] = Math.max(high[0], last);
      low[1] = Math.min(low[1], y);
      high[1] = Math.max(high[1], y);
      low[2] = Math.min(low[2], z);
      high[2] = z;
    }
  }
  if (high[0] < 0) return undefined;
  const start = triple((axis) => Math.max(0, low[axis] - margin[axis]));
  return { start, dims: triple((axis) => Math.min(dims[axis] - 1, high[axis] + margin[axis]) - start[axis] + 1) };
}
