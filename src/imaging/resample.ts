/**
 * Separable resampling of volumes on parallel axes: linear interpolation, and area averaging where the new grid is
 * coarser, by one kernel.
 *
 * With r = new spacing / old spacing and t the distance of a source voxel from the new voxel's centre in source
 * voxels, the weight is clamp((R + 1) / 2 - |t|, 0, 1), R = max(1, r): at R = 1 that is linear interpolation; above,
 * the part of the source voxel that the new voxel covers, so nothing aliases. Weights of an axis sum to one; beyond
 * the volume's edge its outermost voxel goes on.
 *
 * Work goes plane by plane along z, so that memory beside source and result is some planes.
 */
import type { Triple } from "./volume.ts";

/** For each new voxel: `taps` source voxels from `first`, and their weights. */
export interface AxisWeights {
  readonly size: number;
  readonly taps: number;
  /** [size] */
  readonly first: Int32Array;
  /** [size, taps]; unused ones are 0. */
  readonly weights: Float32Array;
}

/**
 * @param sourceSize voxels of the source along this axis.
 * @param size voxels of the result.
 * @param start where the result's grid begins, its lower edge, in source voxels from the source's lower edge.
 * @param ratio new spacing / old spacing.
 */
export function axisWeights(sourceSize: number, size: number, start: number, ratio: number): AxisWeights {
  const width = (Math.max(1, ratio) + 1) / 2;
  const taps = Math.min(sourceSize, Math.ceil(2 * width) + 1);
  const first = new Int32Array(size);
  const weights = new Float32Array(size * taps);
  for (let i = 0; i < size; i++) {
    // Centres: source voxel j lies at j.
    const centre = start + (i + 0.5) * ratio - 0.5;
    const low = Math.ceil(centre - width);
    first[i] = Math.min(Math.max(low, 0), sourceSize - taps);
    const row = new Float64Array(taps);
    let sum = 0;
    for (let j = low; j <= centre + width; j++) {
      const weight = Math.min(1, Math.max(0, width - Math.abs(j - centre)));
      const inside = Math.min(Math.max(j, 0), sourceSize - 1) - first[i];
      row[inside] += weight;
      sum += weight;
    }
    for (let tap = 0; tap < taps; tap++) weights[i * taps + tap] = row[tap] / sum;
  }
  return { size, taps, first, weights };
}

/** True where the axis copies: same size, each new voxel one source voxel of the same index. */
export function copiesAxis({ size, taps, first, weights }: AxisWeights, sourceSize: number): boolean {
  if (size !== sourceSize) return false;
  for (let i = 0; i < size; i++) {
    const tap = i - first[i];
    if (tap < 0 || tap >= taps || weights[i * taps + tap] !== 1) return false;
  }
  return true;
}

export interface Resampler {
  /** Voxels of the result along x, y, z. */
  readonly dims: Triple;
  /**
   * One plane z of the result from a source volume.
   * @returns [size of y, size of x]; overwritten by the next call.
   */
  plane(source: Float32Array, z: number): Float32Array;
}

/** Plane buffers are made once; use one resampler for many volumes of the same grids. */
export function createResampler(sourceDims: Triple, axes: readonly [AxisWeights, AxisWeights, AxisWeights]): Resampler {
  const [nx, ny] = sourceDims;
  const [x, y, z] = axes;
  const alongZ = new Float32Array(nx * ny);
  const alongY = new Float32Array(nx * y.size);
  const result = new Float32Array(x.size * y.size);
  return {
    dims: [x.size, y.size, z.size],
    plane(source, index) {
      sumRows(source, z, index, nx * ny, alongZ, 0);
      for (let j = 0; j < y.size; j++) sumRows(alongZ, y, j, nx, alongY, j * nx);
      for (let j = 0; j < y.size; j++) sumWithinRow(alongY, j * nx, x, result, j * x.size);
      return result;
    },
  };
}

/** out[at ...] = weighted sum of the rows that feed new voxel `index`; a row is `length` consecutive numbers. */
function sumRows(
  source: Float32Array,
  { taps, first, weights }: AxisWeights,
  index: number,
  length: number,
  out: Float32Array,
  at: number,
): void {
  out.fill(0, at, at + length);
  for (let tap = 0; tap < taps; tap++) {
    const weight = weights[index * taps + tap];
    if (weight === 0) continue;
    const from = (first[index] + tap) * length;
    for (let i = 0; i < length; i++) out[at + i] += weight * source[from + i];
  }
}

function sumWithinRow(
  source: Float32Array,
  from: number,
  { size, taps, first, weights }: AxisWeights,
  out: Float32Array,
  at: number,
): void {
  for (let i = 0; i < size; i++) {
    const start = from + first[i];
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) sum += weights[i * taps + tap] * source[start + tap];
    out[at + i] = sum;
  }
}
