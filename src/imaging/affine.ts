/**
 * Arithmetic of voxel-to-RAS affines (row-major 4x4, last row 0 0 0 1) and the quaternion form of NIfTI-1's qform
 * (nifti1.h, "METHOD 2"). Everything in double precision.
 */
import { ConsiliumError } from "../base/index.ts";
import { type Affine, spacingMmOf, type Triple } from "./volume.ts";

export const IDENTITY_AFFINE: Affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

/** Voxel sizes that a scanner, a microscope or a simulation could mean; beyond them a header is wrong. */
const SPACING_RANGE_MM = [1e-3, 1e3] as const;
/** |determinant| / product of voxel sizes: 1 for orthogonal axes, 0 where they lie in one plane. */
const MIN_RELATIVE_DETERMINANT = 0.05;

/** The product a b: first b, then a. */
export function multiplyAffines(a: Affine, b: Affine): Affine {
  const product = new Array<number>(16).fill(0);
  for (let row = 0; row < 4; row++) {
    for (let column = 0; column < 4; column++) {
      let sum = 0;
      for (let k = 0; k < 4; k++) sum += a[4 * row + k] * b[4 * k + column];
      product[4 * row + column] = sum;
    }
  }
  return product;
}

export function applyAffine(affine: Affine, [x, y, z]: Triple): Triple {
  const row = (r: number): number => affine[r] * x + affine[r + 1] * y + affine[r + 2] * z + affine[r + 3];
  return [row(0), row(4), row(8)];
}

/** Determinant of the upper left 3x3: negative where voxel axes are left-handed in RAS. */
export function determinantOf(m: Affine): number {
  return m[0] * (m[5] * m[10] - m[6] * m[9]) - m[1] * (m[4] * m[10] - m[6] * m[8]) + m[2] * (m[4] * m[9] - m[5] * m[8]);
}

/** @throws ConsiliumError `geometry-invalid` for a matrix without an inverse. */
export function invertAffine(m: Affine): Affine {
  checkAffine(m, "affine");
  const d = 1 / determinantOf(m);
  const inverse = [
    (m[5] * m[10] - m[6] * m[9]) * d,
    (m[2] * m[9] - m[1] * m[10]) * d,
    (m[1] * m[6] - m[2] * m[5]) * d,
    0,
    (m[6] * m[8] - m[4] * m[10]) * d,
    (m[0] * m[10] - m[2] * m[8]) * d,
    (m[2] * m[4] - m[0] * m[6]) * d,
    0,
    (m[4] * m[9] - m[5] * m[8]) * d,
    (m[1] * m[8] - m[0] * m[9]) * d,
    (m[0] * m[5] - m[1] * m[4]) * d,
    0,
    0,
    0,
    0,
    1,
  ];
  for (let row = 0; row < 12; row += 4) {
    inverse[row + 3] = -(inverse[row] * m[3] + inverse[row + 1] * m[7] + inverse[row + 2] * m[11]);
  }
  return inverse;
}

/** @throws ConsiliumError `geometry-invalid` unless the affine is finite, with plausible voxel sizes and three axes. */
export function checkAffine(affine: Affine, subject: string): void {
  const refuse = (expected: string, actual: string): never => {
    throw new ConsiliumError("geometry-invalid", {
      subject,
      expected,
      actual,
      hint: "Correct the image's sform or qform, or export it again from its source.",
    });
  };
  if (affine.length !== 16) refuse("16 numbers", String(affine.length));
  if (!affine.every(Number.isFinite)) refuse("a finite affine", `[${affine.join(" ")}]`);
  if (affine[12] !== 0 || affine[13] !== 0 || affine[14] !== 0 || affine[15] !== 1) {
    refuse("a last row of 0 0 0 1", affine.slice(12).join(" "));
  }
  const spacing = spacingMmOf(affine);
  if (spacing.some((s) => s < SPACING_RANGE_MM[0] || s > SPACING_RANGE_MM[1])) {
    refuse(`voxel sizes from ${SPACING_RANGE_MM[0]} to ${SPACING_RANGE_MM[1]} mm`, `${spacing.join(" x ")} mm`);
  }
  const relative = Math.abs(determinantOf(affine)) / (spacing[0] * spacing[1] * spacing[2]);
  if (relative < MIN_RELATIVE_DETERMINANT) {
    refuse(
      "three independent voxel axes",
      `axes nearly in one plane (relative determinant ${relative.toPrecision(3)})`,
    );
  }
}

/** The largest distance in mm that two affines place a corner of the same grid apart. */
export function cornerDistanceMm(a: Affine, b: Affine, dims: Triple): number {
  let largest = 0;
  for (let corner = 0; corner < 8; corner++) {
    const voxel = dims.map((size, axis) => ((corner >> axis) & 1) * (size - 1)) as unknown as Triple;
    const [p, q] = [applyAffine(a, voxel), applyAffine(b, voxel)];
    largest = Math.max(largest, Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]));
  }
  return largest;
}

export interface Qform {
  /** quatern_b, quatern_c, quatern_d. */
  readonly quaternion: Triple;
  /** qoffset_x, y, z in mm. */
  readonly offset: Triple;
  /** -1 where the third voxel axis is mirrored, else 1. */
  readonly qfac: 1 | -1;
  readonly spacingMm: Triple;
}

/** nifti1.h, METHOD 2. A quaternion longer than 1 by rounding is taken as a half turn. */
export function affineOfQform({ quaternion, offset, qfac, spacingMm }: Qform): Affine {
  let [b, c, d] = quaternion;
  const length2 = b * b + c * c + d * d;
  let a = 0;
  if (length2 < 1 - 1e-7) {
    a = Math.sqrt(1 - length2);
  } else {
    const length = Math.sqrt(length2);
    [b, c, d] = [b / length, c / length, d / length];
  }
  const [x, y, z] = [spacingMm[0], spacingMm[1], spacingMm[2] * qfac];
  return [
    (a * a + b * b - c * c - d * d) * x,
    2 * (b * c - a * d) * y,
    2 * (b * d + a * c) * z,
    offset[0],
    2 * (b * c + a * d) * x,
    (a * a + c * c - b * b - d * d) * y,
    2 * (c * d - a * b) * z,
    offset[1],
    2 * (b * d - a * c) * x,
    2 * (c * d + a * b) * y,
    (a * a + d * d - b * b - c * c) * z,
    offset[2],
    0,
    0,
    0,
    1,
  ];
}

/** The qform that equals an affine, or undefined for a sheared one, which no quaternion can hold. */
export function qformOfAffine(affine: Affine): Qform | undefined {
  const spacingMm = spacingMmOf(affine);
  const qfac = determinantOf(affine) < 0 ? -1 : 1;
  const at = (row: number, column: number): number =>
    (affine[4 * row + column] / spacingMm[column]) * (column === 2 ? qfac : 1);
  const quaternion = quaternionOfRotation(at);
  const offset: Triple = [affine[3], affine[7], affine[11]];
  const qform: Qform = { quaternion, offset, qfac, spacingMm };
  const back = affineOfQform(qform);
  const tolerance = 1e-5 * Math.max(...spacingMm);
  return back.every((value, i) => Math.abs(value - affine[i]) <= tolerance) ? qform : undefined;
}

/** b, c, d of the unit quaternion with a >= 0 (nifti_mat44_to_quatern): divides by the largest component. */
function quaternionOfRotation(at: (row: number, column: number) => number): Triple {
  const [xx, yy, zz] = [at(0, 0), at(1, 1), at(2, 2)];
  const half = (squared: number): number => 0.5 * Math.sqrt(Math.max(0, squared));
  const trace = 1 + xx + yy + zz;
  if (trace > 0.5) {
    const f = 0.25 / half(trace);
    return [f * (at(2, 1) - at(1, 2)), f * (at(0, 2) - at(2, 0)), f * (at(1, 0) - at(0, 1))];
  }
  let result: [number, number, number, number];
  if (xx >= yy && xx >= zz) {
    const b = half(1 + xx - yy - zz);
    const f = 0.25 / b;
    result = [f * (at(2, 1) - at(1, 2)), b, f * (at(0, 1) + at(1, 0)), f * (at(0, 2) + at(2, 0))];
  } else if (yy >= zz) {
    const c = half(1 + yy - xx - zz);
    const f = 0.25 / c;
    result = [f * (at(0, 2) - at(2, 0)), f * (at(0, 1) + at(1, 0)), c, f * (at(1, 2) + at(2, 1))];
  } else {
    const d = half(1 + zz - xx - yy);
    const f = 0.25 / d;
    result = [f * (at(1, 0) - at(0, 1)), f * (at(0, 2) + at(2, 0)), f * (at(1, 2) + at(2, 1)), d];
  }
  const sign = result[0] < 0 ? -1 : 1;
  return [sign * result[1], sign * result[2], sign * result[3]];
}
