/**
 * Rigid motions in RAS millimetres: three rotations about a centre, then a translation. As a matrix a motion maps
 * points of the fixed image's space to the moving image's, which is what resampling asks for.
 */
import { multiplyAffines } from "../affine.ts";
import type { Affine, Triple } from "../volume.ts";

/** Rotations about x, y, z in radians (applied x first), then translations in mm. */
export type RigidParameters = readonly [number, number, number, number, number, number];

export const NO_MOTION: RigidParameters = [0, 0, 0, 0, 0, 0];

/** p -> R (p - centre) + centre + t, with R = Rz Ry Rx. */
export function rigidMatrix([rx, ry, rz, tx, ty, tz]: RigidParameters, centre: Triple): Affine {
  const [cx, sx, cy, sy, cz, sz] = [Math.cos(rx), Math.sin(rx), Math.cos(ry), Math.sin(ry), Math.cos(rz), Math.sin(rz)];
  const r = [
    [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
    [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
    [-sy, cy * sx, cy * cx],
  ];
  const shift = [tx, ty, tz].map(
    (t, i) => t + centre[i] - (r[i][0] * centre[0] + r[i][1] * centre[1] + r[i][2] * centre[2]),
  );
  return [...r[0], shift[0], ...r[1], shift[1], ...r[2], shift[2], 0, 0, 0, 1];
}

/** Inverse of a rigid matrix. */
export function invertRigid(m: Affine): Affine {
  const t = [m[3], m[7], m[11]];
  const shift = (c: number): number => -(m[c] * t[0] + m[4 + c] * t[1] + m[8 + c] * t[2]);
  return [m[0], m[4], m[8], shift(0), m[1], m[5], m[9], shift(1), m[2], m[6], m[10], shift(2), 0, 0, 0, 1];
}

export interface RigidDifference {
  /** Angle of the rotation between both, in degrees. */
  readonly degrees: number;
  /** Distance in mm between where both send a point. */
  readonly mm: number;
}

/** How far two rigid motions are apart, at a point. */
export function rigidDifference(a: Affine, b: Affine, at: Triple): RigidDifference {
  const d = multiplyAffines(invertRigid(a), b);
  const trace = d[0] + d[5] + d[10];
  const move = (m: Affine, r: number): number => m[r] * at[0] + m[r + 1] * at[1] + m[r + 2] * at[2] + m[r + 3];
  return {
    degrees: (Math.acos(Math.max(-1, Math.min(1, (trace - 1) / 2))) * 180) / Math.PI,
    mm: Math.hypot(...[0, 4, 8].map((row) => move(a, row) - move(b, row))),
  };
}
