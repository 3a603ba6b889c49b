/**
 * Deep grey nuclei and the ventricular system in subject space, as signed distances in mm (negative inside), for one
 * side (`side` is the distance from the midline).
 */
import { capsule, capsuleDistance, ellipsoid, ellipsoidDistance, smoothMin } from "./shapes.ts";

const THALAMUS = ellipsoid([11, 9, 3], [8.5, 15, 9]);
const CAUDATE_HEAD = ellipsoid([14, -22, 6], [5.5, 11, 9]);
const CAUDATE_BODY = capsule([15, -14, 14], [19, 20, 15], 4, 2);
const PUTAMEN = ellipsoid([26, -5, 1], [5.5, 17, 11]);
const PALLIDUM = ellipsoid([19.5, -3, 0], [4.5, 9.5, 7.5]);
const HIPPOCAMPUS = capsule([24, -8, -22], [27, 20, -13], 6, 4);

/** Thalamus, caudate, putamen and hippocampus. */
export function deepGreyDistance(side: number, v: number, w: number): number {
  let distance = ellipsoidDistance(THALAMUS, side, v, w);
  distance = Math.min(distance, ellipsoidDistance(CAUDATE_HEAD, side, v, w));
  distance = Math.min(distance, capsuleDistance(CAUDATE_BODY, side, v, w));
  distance = Math.min(distance, ellipsoidDistance(PUTAMEN, side, v, w));
  return Math.min(distance, capsuleDistance(HIPPOCAMPUS, side, v, w));
}

export function pallidumDistance(side: number, v: number, w: number): number {
  return ellipsoidDistance(PALLIDUM, side, v, w);
}

const FRONTAL_HORN = capsule([10, -30, 4], [8, -6, 13], 3.5, 5);
const BODY = capsule([8, -6, 13], [13, 22, 15], 5, 4.5);
const ATRIUM = capsule([13, 22, 15], [24, 38, 6], 4.5, 7);
const OCCIPITAL_HORN = capsule([24, 38, 6], [25, 58, 0], 6.5, 1.5);
const TEMPORAL_HORN = capsule([24, 38, 5], [33, 16, -14], 5, 2);
const TEMPORAL_TIP = capsule([33, 16, -14], [32, -10, -21], 2, 1.6);

/** Lateral ventricle; `scale` widens it without moving its axis (1 is a middle-aged adult). */
export function lateralVentricleDistance(side: number, v: number, w: number, scale: number): number {
  if (side > 46 || v < -46 || v > 72 || w < -34 || w > 34) return 12;
  const wide = 3.2 * (scale - 1);
  // Horn and body are taller than wide, and lean outwards below.
  const height = 10 + 0.68 * (w - 10);
  const lean = side + 0.22 * (w - 10);
  let distance = smoothMin(capsuleDistance(FRONTAL_HORN, lean, v, height), capsuleDistance(BODY, lean, v, height), 2);
  distance = smoothMin(distance, capsuleDistance(ATRIUM, side, v, w), 2);
  distance = smoothMin(distance, capsuleDistance(OCCIPITAL_HORN, side, v, w), 3) - wide;
  const horn = Math.min(capsuleDistance(TEMPORAL_HORN, side, v, w), capsuleDistance(TEMPORAL_TIP, side, v, w));
  distance = smoothMin(distance, horn - 0.4 * wide, 3);
  // The septum keeps the two sides apart.
  return Math.max(distance, 1 - side);
}

const THIRD = ellipsoid([0, 3, -3], [2.0, 12, 8]);
const FOURTH = ellipsoid([0, 23, -41], [7, 4.5, 8]);
const AQUEDUCT = capsule([0, 15, -8], [0, 22, -34], 1.2, 1.2);

/** Third and fourth ventricle and the aqueduct. */
export function midlineVentricleDistance(side: number, v: number, w: number, scale: number): number {
  if (side > 16) return 10;
  const third = ellipsoidDistance(THIRD, side / scale, v, w);
  return Math.min(third, ellipsoidDistance(FOURTH, side, v, w), capsuleDistance(AQUEDUCT, side, v, w));
}

const CHOROID = capsule([14, 24, 13], [25, 39, 3], 1.6, 3.4);
const CHOROID_BODY = capsule([6, 2, 11], [14, 24, 13], 0.9, 1.6);

export function choroidDistance(side: number, v: number, w: number): number {
  return Math.min(capsuleDistance(CHOROID, side, v, w), capsuleDistance(CHOROID_BODY, side, v, w));
}
