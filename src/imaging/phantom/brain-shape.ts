/**
 * The outlines of a brain in subject space: cerebral hull with frontal, parietal, occipital and temporal parts,
 * cerebellum, brain stem, and the fissures between them, as signed distances in mm (negative inside). Proportions
 * were fitted by eye to the outlines of adult brains on the BraTS grid.
 */

import { smoothstep } from "./noise-field.ts";
import { type Capsule, capsuleDistance, type Ellipsoid, ellipsoidDistance, smoothMax, smoothMin } from "./shapes.ts";

const PARIETAL: Ellipsoid = { centre: [0, 9, -5], radii: [65, 73, 66] };
const FRONTAL: Ellipsoid = { centre: [0, -37, 8], radii: [50, 48, 47] };
const OCCIPITAL: Ellipsoid = { centre: [0, 46, -2], radii: [51, 41, 51] };
const TEMPORAL: Ellipsoid = { centre: [43, -6, -23], radii: [21, 41, 20] };
const CEREBELLUM_SIDE: Ellipsoid = { centre: [21, 40, -42], radii: [31, 32, 27] };
const VERMIS: Ellipsoid = { centre: [0, 37, -34], radii: [20, 25, 28] };
const MIDBRAIN: Capsule = { from: [0, 4, -10], to: [0, 8, -34], radiusFrom: 16, radiusTo: 16 };
const PONS: Capsule = { from: [0, 6, -34], to: [0, 12, -46], radiusFrom: 15, radiusTo: 13 };
const MEDULLA: Capsule = { from: [0, 14, -48], to: [0, 26, -85], radiusFrom: 10, radiusTo: 7.5 };

/** Inferior border of the cerebrum (temporal lobes aside): orbital surface, then midline cisterns, then tentorium. */
function cerebralBase(side: number, v: number): number {
  if (v < -40) return -19 + 0.0118 * (v + 40) * (v + 40);
  const front = -19 + 4 * smoothstep(-40, -10, v);
  return front + (tentorium(side, v) + 0.7 - front) * smoothstep(6, 26, v);
}

/** Height of the tentorium, the sheet between cerebrum and cerebellum: a tent that falls to the sides and back. */
export function tentorium(side: number, v: number): number {
  return -5 - 0.26 * side - 0.3 * Math.max(0, v - 30);
}

export function temporalTilt(v: number): number {
  return 0.15 * (v + 6);
}

export function temporalDistance(side: number, v: number, w: number): number {
  return ellipsoidDistance(TEMPORAL, side, v, w - temporalTilt(v));
}

/** Cerebral hull of both hemispheres; `side` is the distance from the midline. */
export function cerebrumDistance(side: number, v: number, w: number): number {
  let hull = ellipsoidDistance(PARIETAL, side, v, w);
  if (v < 10) hull = smoothMin(hull, ellipsoidDistance(FRONTAL, side, v, w), 14);
  if (v > 0) hull = smoothMin(hull, ellipsoidDistance(OCCIPITAL, side, v, w), 14);
  hull = smoothMax(hull, cerebralBase(side, v) - w, 8);
  return smoothMin(hull, temporalDistance(side, v, w), 5);
}

/** Sheet of CSF between the hemispheres, above and around the corpus callosum: half-thickness not yet taken off. */
export function interhemisphericDistance(u: number, v: number, w: number): number {
  const ev = (v - 2) / 37;
  const ew = (w - 5) / 22;
  const level = Math.sqrt(ev * ev + ew * ew);
  const outside = (level - 1) * 26;
  return outside >= 0 ? Math.abs(u) : Math.sqrt(u * u + outside * outside);
}

/** Height of the Sylvian fissure: it rises to the back. */
export function sylvianHeight(v: number): number {
  return -10 + 0.32 * (v + 20);
}

/** Sylvian fissure and the cistern over the insula: distance to the sheet's middle. */
export function sylvianDistance(side: number, v: number, w: number): number {
  const s = (w - sylvianHeight(v)) * 0.95;
  const medial = Math.max(0, 38 - side);
  const alongCleft = Math.max(0, Math.abs(v + 8) - 36);
  const cleft = Math.sqrt(s * s + medial * medial + alongCleft * alongCleft);
  const height = Math.max(0, Math.abs(s - 2) - 10);
  const alongInsula = Math.max(0, Math.abs(v + 5) - 22);
  const lateral = side - 38;
  const insula = Math.sqrt(lateral * lateral + height * height + alongInsula * alongInsula);
  return Math.min(cleft, insula);
}

export function cerebellumDistance(side: number, v: number, w: number): number {
  const lobes = smoothMin(ellipsoidDistance(CEREBELLUM_SIDE, side, v, w), ellipsoidDistance(VERMIS, side, v, w), 6);
  return smoothMax(lobes, w - tentorium(side, v) + 0.7, 4);
}

export function brainStemDistance(side: number, v: number, w: number): number {
  const narrow = side * 1.1;
  const upper = smoothMin(capsuleDistance(MIDBRAIN, narrow, v, w), capsuleDistance(PONS, narrow, v, w), 5);
  return smoothMin(upper, capsuleDistance(MEDULLA, side, v, w), 8);
}

/** The filled outline that brain extraction keeps: everything above with the crevices closed. */
export function brainOutline(cerebrum: number, cerebellum: number, stem: number): number {
  return smoothMin(smoothMin(cerebrum, cerebellum, 12), stem, 10);
}
