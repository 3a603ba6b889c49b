/**
 * A region's surface as small pieces of known area, and the distances of one surface's pieces to another.
 *
 * Source: Nikolov et al., "Clinically applicable segmentation of head and neck anatomy for radiotherapy", J Med
 * Internet Res 23(7), 2021, where normalised surface distance is defined, as the authors' package `surface-distance`
 * measures it. Pieces sit at voxel corners. The eight voxels around a corner, inside or outside, give the area that
 * a marching cubes surface (Lorensen and Cline 1987) has there. The BraTS lesion-wise HD95 rests on the same pieces.
 *
 * Invariants
 * - Beyond a mask is outside: a region at the border of its box has a surface there.
 * - A corner is a piece exactly where its eight voxels are not all alike; its area is positive.
 * - Areas follow from 14 patterns: the others are their mirrorings, rotations and complements. Where marching cubes
 *   leaves a choice of triangles the patterns are those of the package, whose answers are the reference here.
 */
import type { Triple } from "../imaging/index.ts";
import { squaredDistancesMm2 } from "./distance-transform.ts";

/** Bit of the voxel at (x, y, z) around a corner, each 0 below the corner or 1 above. */
function bitAt(x: number, y: number, z: number): number {
  return 1 << (7 - (4 * x + 2 * y + z));
}

/**
 * One pattern of inside voxels of each kind, with the areas of its triangles as projections on the planes across
 * x, y and z, in eighths of a voxel face.
 */
// biome-ignore format: one pattern a line
const PATTERNS: readonly (readonly [code: number, triangles: readonly Triple[]])[] = [
  [0b00000001, [[1, 1, 1]]],
  [0b00000011, [[2, 2, 0], [2, 2, 0]]],
  [0b00000110, [[1, 1, 1], [1, 1, 1]]],
  [0b00000111, [[4, 0, 0], [2, 2, 2], [1, 1, 1]]],
  [0b00001111, [[4, 0, 0], [4, 0, 0]]],
  [0b00010110, [[1, 1, 1], [1, 1, 1], [1, 1, 1]]],
  [0b00010111, [[2, 2, 2], [2, 2, 2], [1, 1, 1], [1, 1, 1]]],
  [0b00011000, [[1, 1, 1], [1, 1, 1]]],
  [0b00011001, [[0, 2, 2], [0, 2, 2], [1, 1, 1]]],
  [0b00011011, [[3, 3, 3], [0, 2, 2], [2, 0, 2], [1, 1, 1]]],
  [0b00011110, [[4, 0, 0], [2, 2, 2], [1, 1, 1], [1, 1, 1]]],
  [0b00111100, [[2, 2, 0], [2, 2, 0], [2, 2, 0], [2, 2, 0]]],
  [0b01101001, [[1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1]]],
];

const ORDERS: readonly Triple[] = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];

/** Area in mm^2 of the surface at a corner, by the code of its eight voxels; 0 for codes 0 and 255. */
export function surfaceAreasMm2([sx, sy, sz]: Triple): Float64Array {
  const areas = new Float64Array(256);
  const faces = [sy * sz, sx * sz, sx * sy];
  for (const [pattern, triangles] of PATTERNS) {
    for (const order of ORDERS) {
      let area = 0;
      for (const triangle of triangles) {
        const [x, y, z] = order.map((from, axis) => (triangle[from] * faces[axis]) / 8);
        area += Math.sqrt(x * x + y * y + z * z);
      }
      for (let mirror = 0; mirror < 8; mirror++) {
        const code = placed(pattern, order, mirror);
        areas[code] = area;
        areas[255 - code] = area;
      }
    }
  }
  return areas;
}

/** A pattern with its axes taken in another order, then mirrored along those axes whose bit is set. */
function placed(pattern: number, order: Triple, mirror: number): number {
  let code = 0;
  for (let voxel = 0; voxel < 8; voxel++) {
    const at = [voxel >> 2, (voxel >> 1) & 1, voxel & 1];
    if ((pattern & bitAt(at[0], at[1], at[2])) === 0) continue;
    const [x, y, z] = order.map((from, axis) => at[from] ^ ((mirror >> axis) & 1));
    code |= bitAt(x, y, z);
  }
  return code;
}

export interface Surface {
  /** Corners along x, y, z: one more than voxels. */
  readonly corners: Triple;
  /** One where a corner is a piece of the surface. */
  readonly mask: Uint8Array;
  /** The pieces as indices into `mask`. */
  readonly pieces: Int32Array;
  /** Area of each, mm^2. */
  readonly areasMm2: Float64Array;
}

/**
 * @param padded the region as ones, with one layer of zeros on every side; x fastest.
 * @param dims voxels without that layer.
 */
export function surfaceOf(padded: Uint8Array, dims: Triple, areaOfCode: Float64Array): Surface {
  const [cx, cy, cz] = [dims[0] + 1, dims[1] + 1, dims[2] + 1];
  const [row, plane] = [cx + 1, (cx + 1) * (cy + 1)];
  const mask = new Uint8Array(cx * cy * cz);
  const codes = new Uint8Array(mask.length);
  let count = 0;
  for (let z = 0, i = 0; z < cz; z++) {
    for (let y = 0; y < cy; y++) {
      const at = z * plane + y * row;
      let below = 0;
      for (let x = 0; x < cx; x++, i++) {
        const j = at + x + 1;
        const above = (padded[j] << 3) | (padded[j + plane] << 2) | (padded[j + row] << 1) | padded[j + row + plane];
        const code = (below << 4) | above;
        below = above;
        if (code === 0 || code === 255) continue;
        codes[i] = code;
        mask[i] = 1;
        count++;
      }
    }
  }
  const pieces = new Int32Array(count);
  const areasMm2 = new Float64Array(count);
  for (let i = 0, n = 0; n < count; i++) {
    if (mask[i] === 0) continue;
    areasMm2[n] = areaOfCode[codes[i]];
    pieces[n++] = i;
  }
  return { corners: [cx, cy, cz], mask, pieces, areasMm2 };
}

/** How far the pieces of one surface are from another: distances in mm, rising, with the area at each in mm^2. */
export interface DistancesByArea {
  readonly distancesMm: Float64Array;
  readonly areasMm2: Float64Array;
}

/** Distances from `a` to `b` and back; both surfaces on one grid of corners, and not empty. */
export function surfaceDistances(
  a: Surface,
  b: Surface,
  spacingMm: Triple,
): readonly [DistancesByArea, DistancesByArea] {
  return [
    byDistance(a.areasMm2, squaredDistancesMm2(b.mask, b.corners, spacingMm, a.pieces)),
    byDistance(b.areasMm2, squaredDistancesMm2(a.mask, a.corners, spacingMm, b.pieces)),
  ];
}

function byDistance(areasMm2: Float64Array, squared: Float64Array): DistancesByArea {
  const areaAt = new Map<number, number>();
  for (let n = 0; n < squared.length; n++) areaAt.set(squared[n], (areaAt.get(squared[n]) ?? 0) + areasMm2[n]);
  const distances = Float64Array.from(areaAt.keys()).sort();
  const areas = Float64Array.from(distances, (distance) => areaAt.get(distance) as number);
  return { distancesMm: distances.map(Math.sqrt), areasMm2: areas };
}

/**
 * The larger of the two distances within which the share given of each surface's area lies of the other.
 * @param share 0 to 1.
 */
export function robustHausdorffMm(both: readonly [DistancesByArea, DistancesByArea], share: number): number {
  return Math.max(...both.map((one) => distanceOfShare(one, share)));
}

function distanceOfShare({ distancesMm, areasMm2 }: DistancesByArea, share: number): number {
  const total = areasMm2.reduce((sum, area) => sum + area, 0);
  let reached = 0;
  for (let n = 0; n < distancesMm.length; n++) {
    reached += areasMm2[n];
    if (reached / total >= share) return distancesMm[n];
  }
  return distancesMm[distancesMm.length - 1];
}

/** Normalised surface distance: the share of both surfaces' area that lies within the tolerance of the other. */
export function normalisedSurfaceDistance(
  both: readonly [DistancesByArea, DistancesByArea],
  toleranceMm: number,
): number {
  let within = 0;
  let all = 0;
  for (const { distancesMm, areasMm2 } of both) {
    for (let n = 0; n < distancesMm.length; n++) {
      all += areasMm2[n];
      if (distancesMm[n] <= toleranceMm) within += areasMm2[n];
    }
  }
  return within / all;
}
