/**
 * The outlines of a brain in subject space: cerebral hull with frontal, parietal, occipital and temporal parts,
 * cerebellum, brain stem, and the fissures between them, as signed distances in mm (negative inside). Proportions
 * were fitted by eye to the outlines of adult brains on the BraTS grid.
 */

import { smoothstep } from "./noise-field.ts";
import { capsule, capsuleDistance, ellipsoid, ellipsoidDistance, smoothMax, smoothMin } from "./shapes.ts";

const PARIETAL = ellipsoid([0, 5, -6], [66, 73, 67]);
const FRONTAL = ellipsoid([0, -37, 5], [52, 49, 47]);
const OCCIPITAL = ellipsoid([0, 46, -9], [52, 41, 50]);
const TEMPORAL = ellipsoid([44, -6, -23], [22, 41, 20]);
const CEREBELLUM_SIDE = ellipsoid([22, 40, -41], [31, 34, 28]);
const VERMIS = ellipsoid([0, 37, -34], [20, 25, 28]);
const MIDBRAIN = capsule([0, 5, -20], [0, 8, -34], 14, 16);
const PONS = capsule([0, 6, -34], [0, 12, -46], 15, 13);
const MEDULLA = capsule([0, 14, -48], [0, 26, -85], 10, 7.5);

/** Inferior border of the cerebrum (temporal lobes aside): orbital surface, then midline cisterns, then tentorium. */
function cerebralBase(side: number, v: number): number {
  if (v < -40) return -19 + 0.0118 * (v + 40) * (v + 40);
  // Towards the midline the base merges into the brain stem: there is no cortex below the thalamus.
  const stalk = 13 * smoothstep(22, 10, side) * smoothstep(-14, 0, v) * smoothstep(34, 22, v);
  const front = -19 + 4 * smoothstep(-40, -10, v) - stalk;
  return front + (tentorium(side, v) + 0.7 - stalk - front) * smoothstep(6, 26, v);
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
  // The insula bulges outwards in its middle.
  const bulge = 38 - 0.012 * (v + 5) * (v + 5) - 0.02 * s * s;
  const medial = Math.max(0, bulge - side);
  const alongCleft = Math.max(0, Math.abs(v + 8) - 36);
  const cleft = Math.sqrt(s * s + medial * medial + alongCleft * alongCleft);
  const height = Math.max(0, Math.abs(s - 2) - 10);
  const alongInsula = Math.max(0, Math.abs(v + 5) - 22);
  const lateral = side - bulge;
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
  return smoothMin(smoothMin(cerebrum, cerebellum, 20), stem, 10);
}
