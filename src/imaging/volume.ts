/**
 * A volume: voxels on a regular grid with their place in the patient.
 *
 * Voxels are stored x fastest, then y, then z, as NIfTI stores them; seen as a tensor that is [D, H, W] with
 * D = z, H = y, W = x, so a volume goes into a network without being copied into another order.
 */
export type VoxelArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

/** x, y, z. */
export type Triple = readonly [number, number, number];

/** Row-major 4x4, last row 0 0 0 1: voxel index (i, j, k, 1) to millimetres right, anterior, superior (NIfTI). */
export type Affine = readonly number[];

export interface Volume<A extends VoxelArray = VoxelArray> {
  /** Voxels along x, y, z. */
  readonly dims: Triple;
  /** Owned by the volume; length dims[0] * dims[1] * dims[2]. */
  readonly data: A;
  readonly affineVoxelToRas: Affine;
}

export function voxelCount(dims: Triple): number {
  return dims[0] * dims[1] * dims[2];
}

/** Voxel size in mm along x, y, z: the lengths of the affine's columns. */
export function spacingMmOf(affine: Affine): Triple {
  const column = (c: number): number => Math.hypot(affine[c], affine[4 + c], affine[8 + c]);
  return [column(0), column(1), column(2)];
}
