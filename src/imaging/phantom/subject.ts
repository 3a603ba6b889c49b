/**
 * One subject's head as numbers: size and pose of the brain, age (atrophy, ventricles, white-matter lesions), the
 * depth and width of sulci. Drawn once per subject; everything that depends on position is in the anatomy.
 *
 * Subject space: u to the left from the midline, v to the back, w up, in mm, with the origin at the centre of the
 * brain on the plane of the commissures; the BraTS grid (indices i to the left, j to the back, k up, 1 mm) has that
 * origin at (118, 127, 72).
 */
import type { Random } from "../../base/index.ts";

export const ORIGIN_MM: readonly [number, number, number] = [118, 127, 72];

export interface Subject {
  /** 0 young to 1 old: wider sulci and ventricles, more white-matter lesions. */
  readonly age: number;
  /** Size of this brain against the average, along u, v, w. */
  readonly scale: readonly [number, number, number];
  /** Residual misregistration: translation in mm and small rotations in radians. */
  readonly shiftMm: readonly [number, number, number];
  readonly rotation: readonly [number, number, number];
  readonly ventricleScale: readonly [left: number, right: number];
  readonly cortexMm: number;
  readonly sulcusDepthMm: number;
  readonly sulcusWidthMm: number;
  readonly gyrusSpacingMm: number;
  /** Distance between brain surface and the edge of the extracted brain. */
  readonly brainMarginMm: number;
  /** 0 to 1: how much dura and sinus the brain extraction left behind. */
  readonly duraLeft: number;
  readonly whiteMatterLesions: number;
  /** Radius of the vessels on the brain's surface. */
  readonly vesselMm: number;
}

export function drawSubject(random: Random): Subject {
  const age = Math.max(random.uniform(), 0.9 * random.uniform());
  const size = 1 + 0.025 * random.normal();
  const ventricle = 0.85 + 0.6 * age * age + 0.12 * random.normal();
  const asymmetry = 0.08 * random.normal();
  return {
    age,
    scale: [size + 0.02 * random.normal(), size + 0.02 * random.normal(), size + 0.02 * random.normal()],
    shiftMm: [1.0 * random.normal(), 1.5 * random.normal(), 1.5 * random.normal()],
    rotation: [0.03 * random.normal(), 0.02 * random.normal(), 0.02 * random.normal()],
    ventricleScale: [ventricle * (1 + asymmetry), ventricle * (1 - asymmetry)],
    cortexMm: random.between(2.3, 3.1),
    sulcusDepthMm: random.between(13, 18),
    sulcusWidthMm: random.between(0.05, 0.2) + 0.35 * age * random.uniform(),
    gyrusSpacingMm: random.between(17, 21),
    brainMarginMm: random.between(0, 1),
    duraLeft: random.chance(0.25) ? random.between(0.5, 1) : random.between(0.05, 0.4),
    whiteMatterLesions: 1.2 * Math.max(0, age - 0.1) * random.uniform(),
    vesselMm: random.between(0.4, 0.8),
  };
}

/** Position on the 1 mm BraTS grid to subject space, written to `out`. */
export function toSubjectSpace(subject: Subject, i: number, j: number, k: number, out: Float64Array): void {
  let x = i - ORIGIN_MM[0] - subject.shiftMm[0];
  let y = j - ORIGIN_MM[1] - subject.shiftMm[1];
  let z = k - ORIGIN_MM[2] - subject.shiftMm[2];
  // Small angles: rotation about x, y and z one after another, to first order, is within 0.1 mm here.
  const a = subject.rotation[0];
  const b = subject.rotation[1];
  const c = subject.rotation[2];
  const y1 = y - a * z;
  z = z + a * y;
  y = y1;
  const x1 = x + b * z;
  z = z - b * x;
  x = x1;
  const x2 = x - c * y;
  y = y + c * x;
  out[0] = x2 / subject.scale[0];
  out[1] = y / subject.scale[1];
  out[2] = z / subject.scale[2];
}

/** True where no brain reaches: outside an ellipsoid around all outlines. */
export function farFromBrain(u: number, v: number, w: number): boolean {
  return (u / 76) ** 2 + ((v - 1) / 96) ** 2 + ((w + 8) / 84) ** 2 > 1;
}
