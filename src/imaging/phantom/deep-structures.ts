/**
 * Deep grey nuclei and the ventricular system in subject space, as signed distances in mm (negative inside), for one
 * side (`side` is the distance from the midline).
 */
import { type Capsule, capsuleDistance, type Ellipsoid, ellipsoidDistance, smoothMin } from "./shapes.ts";

const THALAMUS: Ellipsoid = { centre: [11, 9, 3], radii: [8.5, 15, 9] };
const CAUDATE_HEAD: Ellipsoid = { centre: [14, -22, 6], radii: [5.5, 11, 9] };
const CAUDATE_BODY: Capsule = { from: [15, -14, 14], to: [19, 20, 15], radiusFrom: 4, radiusTo: 2 };
const PUTAMEN: Ellipsoid = { centre: [26, -5, 1], radii: [5.5, 17, 11] };
const PALLIDUM: Ellipsoid = { centre: [19.5, -3, 0], radii: [4.5, 9.5, 7.5] };
const HIPPOCAMPUS: Capsule = { from: [24, -8, -22], to: [27, 20, -13], radiusFrom: 6, radiusTo: 4 };

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

const FRONTAL_HORN: Capsule = { from: [10, -30, 4], to: [8, -6, 13], radiusFrom: 3.5, radiusTo: 5 };
const BODY: Capsule = { from: [8, -6, 13], to: [13, 22, 15], radiusFrom: 5, radiusTo: 4.5 };
const ATRIUM: Capsule = { from: [13, 22, 15], to: [24, 38, 6], radiusFrom: 4.5, radiusTo: 7 };
const OCCIPITAL_HORN: Capsule = { from: [24, 38, 6], to: [25, 58, 0], radiusFrom: 6.5, radiusTo: 1.5 };
const TEMPORAL_HORN: Capsule = { from: [24, 38, 5], to: [33, 16, -14], radiusFrom: 5, radiusTo: 2 };
const TEMPORAL_TIP: Capsule = { from: [33, 16, -14], to: [32, -10, -21], radiusFrom: 2, radiusTo: 1.6 };

/** Lateral ventricle; `scale` widens it without moving its axis (1 is a middle-aged adult). */
export function lateralVentricleDistance(side: number, v: number, w: number, scale: number): number {
  if (side > 46 || v < -46 || v > 72 || w < -34 || w > 34) return 12;
  const wide = 3.2 * (scale - 1);
  let distance = smoothMin(capsuleDistance(FRONTAL_HORN, side, v, w), capsuleDistance(BODY, side, v, w), 2);
  distance = smoothMin(distance, capsuleDistance(ATRIUM, side, v, w), 2);
  distance = smoothMin(distance, capsuleDistance(OCCIPITAL_HORN, side, v, w), 3) - wide;
  const horn = Math.min(capsuleDistance(TEMPORAL_HORN, side, v, w), capsuleDistance(TEMPORAL_TIP, side, v, w));
  distance = smoothMin(distance, horn - 0.4 * wide, 3);
  // The septum keeps the two sides apart.
  return Math.max(distance, 1 - side);
}

const THIRD: Ellipsoid = { centre: [0, 2, -2], radii: [2.6, 15, 11] };
const FOURTH: Ellipsoid = { centre: [0, 24, -42], radii: [8, 6, 10] };
const AQUEDUCT: Capsule = { from: [0, 15, -8], to: [0, 22, -34], radiusFrom: 1.2, radiusTo: 1.2 };

/** Third and fourth ventricle and the aqueduct. */
export function midlineVentricleDistance(side: number, v: number, w: number, scale: number): number {
  if (side > 16) return 10;
  const third = ellipsoidDistance(THIRD, side / scale, v, w);
  return Math.min(third, ellipsoidDistance(FOURTH, side, v, w), capsuleDistance(AQUEDUCT, side, v, w));
}

const CHOROID: Capsule = { from: [14, 24, 13], to: [25, 39, 3], radiusFrom: 1.6, radiusTo: 3.4 };
const CHOROID_BODY: Capsule = { from: [6, 2, 11], to: [14, 24, 13], radiusFrom: 0.9, radiusTo: 1.6 };

export function choroidDistance(side: number, v: number, w: number): number {
  return Math.min(capsuleDistance(CHOROID, side, v, w), capsuleDistance(CHOROID_BODY, side, v, w));
}
