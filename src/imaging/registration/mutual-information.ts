/**
 * Normalised mutual information of two images under a rigid motion (Studholme, Hill and Hawkes 1999:
 * (H(A) + H(B)) / H(A, B)), from a joint histogram that the moving image's values enter linearly between bins
 * (partial weights keep it smooth), itself smoothed over bins (Ashburner and Friston, spm_coreg).
 *
 * Invariant: points that leave the moving image drop out; where too few stay the answer is 0, the worst there is,
 * since NMI is never below 1.
 */
import { applyAffine, invertAffine, multiplyAffines } from "../affine.ts";
import type { Affine, Triple, Volume } from "../volume.ts";

export const BINS = 48;
/** More points than these make a search slower and no better. */
const MAX_SAMPLES = 250_000;
/** Part of the samples that must stay within the moving image. */
const MIN_OVERLAP = 0.3;

/** Points of the fixed image, with the bin that each falls into. */
export interface FixedSamples {
  /** [n, 3] RAS mm. */
  readonly points: Float32Array;
  /** [n] */
  readonly bins: Uint8Array;
}

/** The moving image, its values scaled to bins: 0 to BINS - 1. */
export interface MovingImage {
  readonly dims: Triple;
  readonly data: Float32Array;
  readonly rasToVoxel: Affine;
}

/** Values as bins, from the lowest to the 99.5th percentile. */
export function toBins(data: Float32Array): Float32Array {
  const step = Math.max(1, Math.floor(data.length / 50_000));
  const some = Float32Array.from({ length: Math.ceil(data.length / step) }, (_, i) => data[i * step]).sort();
  const low = some[Math.floor(0.005 * (some.length - 1))];
  const above = some.filter((v) => v > low);
  const high = above.length === 0 ? low + 1 : above[Math.floor(0.995 * (above.length - 1))];
  const scale = (BINS - 1) / Math.max(high - low, Number.MIN_VALUE);
  const out = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) out[i] = Math.max(0, Math.min(BINS - 1, (data[i] - low) * scale));
  return out;
}

export function movingImage({ dims, data, affineVoxelToRas }: Volume<Float32Array>): MovingImage {
  return { dims, data: toBins(data), rasToVoxel: invertAffine(affineVoxelToRas) };
}

/** Points on a grid of `stepMm`, shaken by up to half a step, so that they never beat with the voxels. */
export function fixedSamples(
  { dims, data, affineVoxelToRas }: Volume<Float32Array>,
  stepVoxels: Triple,
  wanted: (index: number) => boolean,
  random: () => number,
): FixedSamples {
  const binned = toBins(data);
  const [nx, ny, nz] = dims;
  const candidates = stepVoxels.reduce((n, step, axis) => n * Math.ceil(dims[axis] / step), 1);
  const keep = Math.min(1, MAX_SAMPLES / candidates);
  const points: number[] = [];
  const bins: number[] = [];
  for (let z = 0; z < nz; z += stepVoxels[2]) {
    for (let y = 0; y < ny; y += stepVoxels[1]) {
      for (let x = 0; x < nx; x += stepVoxels[0]) {
        if (keep < 1 && random() >= keep) continue;
        const at = [x, y, z].map((v, axis) =>
          Math.min(dims[axis] - 1.001, v + random() * stepVoxels[axis]),
        ) as unknown as Triple;
        const [i, j, k] = at.map(Math.round);
        if (!wanted((k * ny + j) * nx + i)) continue;
        bins.push(Math.round(valueAt(binned, dims, at)));
        points.push(...applyAffine(affineVoxelToRas, at));
      }
    }
  }
  return { points: Float32Array.from(points), bins: Uint8Array.from(bins) };
}

function valueAt(data: Float32Array, [nx, ny, nz]: Triple, [x, y, z]: Triple): number {
  const [i, j, k] = [Math.max(0, Math.floor(x)), Math.max(0, Math.floor(y)), Math.max(0, Math.floor(z))];
  const [u, v, w] = [x - i, y - j, z - k];
  const [dx, dy, dz] = [i + 1 < nx ? 1 : 0, j + 1 < ny ? nx : 0, k + 1 < nz ? nx * ny : 0];
  const at = (k * ny + j) * nx + i;
  const row = (o: number): number => data[o] * (1 - u) + data[o + dx] * u;
  const plane = (o: number): number => row(o) * (1 - v) + row(o + dy) * v;
  return plane(at) * (1 - w) + plane(at + dz) * w;
}

/** @param fixedToMoving rigid matrix, RAS to RAS. @returns 1 to 2, more is better; 0 where the images hardly overlap. */
export function mutualInformation(fixed: FixedSamples, moving: MovingImage, fixedToMoving: Affine): number {
  const joint = new Float64Array(BINS * BINS);
  const inside = fillHistogram(joint, fixed, moving, multiplyAffines(moving.rasToVoxel, fixedToMoving));
  if (inside < MIN_OVERLAP * fixed.bins.length || inside === 0) return 0;
  return normalisedInformation(smoothBins(joint));
}

function fillHistogram(joint: Float64Array, { points, bins }: FixedSamples, moving: MovingImage, m: Affine): number {
  const { data, dims } = moving;
  const [nx, ny, nz] = dims;
  const [dy, dz] = [nx, nx * ny];
  const [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11] = m;
  let inside = 0;
  for (let s = 0, p = 0; s < bins.length; s++, p += 3) {
    const [px, py, pz] = [points[p], points[p + 1], points[p + 2]];
    const x = m0 * px + m1 * py + m2 * pz + m3;
    const y = m4 * px + m5 * py + m6 * pz + m7;
    const z = m8 * px + m9 * py + m10 * pz + m11;
    if (!(x >= 0 && y >= 0 && z >= 0 && x < nx - 1 && y < ny - 1 && z < nz - 1)) continue;
    const [i, j, k] = [x | 0, y | 0, z | 0];
    const [u, v, w] = [x - i, y - j, z - k];
    const at = k * dz + j * dy + i;
    const a = data[at] + u * (data[at + 1] - data[at]);
    const b = data[at + dy] + u * (data[at + dy + 1] - data[at + dy]);
    const c = data[at + dz] + u * (data[at + dz + 1] - data[at + dz]);
    const d = data[at + dz + dy] + u * (data[at + dz + dy + 1] - data[at + dz + dy]);
    const e = a + v * (b - a);
    const value = e + w * (c + v * (d - c) - e);
    const bin = value | 0;
    const part = value - bin;
    const to = bins[s] * BINS + bin;
    joint[to] += 1 - part;
    if (part > 0) joint[to + 1] += part;
    inside++;
  }
  return inside;
}

/** [1 2 1] / 4 along both axes. */
function smoothBins(joint: Float64Array): Float64Array {
  const along = (from: Float64Array, stride: number, other: number): Float64Array => {
    const out = new Float64Array(from.length);
    for (let line = 0; line < BINS; line++) {
      for (let i = 0; i < BINS; i++) {
        const at = line * other + i * stride;
        const before = i === 0 ? at : at - stride;
        const after = i === BINS - 1 ? at : at + stride;
        out[at] = 0.25 * from[before] + 0.5 * from[at] + 0.25 * from[after];
      }
    }
    return out;
  };
  return along(along(joint, 1, BINS), BINS, 1);
}

function normalisedInformation(joint: Float64Array): number {
  const rows = new Float64Array(BINS);
  const columns = new Float64Array(BINS);
  let total = 0;
  for (let r = 0; r < BINS; r++) {
    for (let c = 0; c < BINS; c++) {
      const n = joint[r * BINS + c];
      rows[r] += n;
      columns[c] += n;
      total += n;
    }
  }
  const entropy = (counts: Float64Array): number => {
    let sum = 0;
    for (const n of counts) if (n > 0) sum -= (n / total) * Math.log(n / total);
    return sum;
  };
  const both = entropy(joint);
  return both > 0 ? (entropy(rows) + entropy(columns)) / both : 1;
}
