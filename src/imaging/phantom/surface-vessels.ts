/**
 * Vessels, venous sinuses and dura: what lights up in T1 with gadolinium without being tumour. Vessels are tubes
 * around the curves in which two noise surfaces cross, wide in CSF and thin in cortex.
 */
import { createRandom, type SeedPath } from "../../base/index.ts";
import { clamp, createNoise, type NoiseField } from "./noise-field.ts";
import { smoothMax, smoothMin } from "./shapes.ts";
import type { Subject } from "./subject.ts";
import { cover, paint, TISSUE } from "./tissue.ts";

/** Paints vessels and dura at a point at depth `-outline` below the brain's outline and `pial` below the cortex. */
export type VesselPainter = (
  u: number,
  v: number,
  w: number,
  outline: number,
  pial: number,
  widthMm: number,
  fractions: Float64Array,
) => void;

export function createVessels(subject: Subject, seed: SeedPath): VesselPainter {
  const noise = (name: string, scaleMm: number): NoiseField => createNoise(createRandom(...seed, name), scaleMm);
  const first = noise("vesselA", 17);
  const second = noise("vesselB", 17);
  const dura = noise("dura", 13);
  const duraPatch = noise("duraPatch", 34);
  const a = new Float64Array(4);
  const b = new Float64Array(4);

  function tubeDistance(u: number, v: number, w: number): number {
    // A steep field falls by 0.25 in a mm: larger values are further away than any vessel is thick.
    if (Math.abs(first.value(u, v, w)) > 0.6 || Math.abs(second.value(u, v, w)) > 0.6) return FAR;
    first.sample(u, v, w, a);
    const da = a[0] / Math.max(0.06, Math.sqrt(a[1] * a[1] + a[2] * a[2] + a[3] * a[3]));
    second.sample(u, v, w, b);
    const db = b[0] / Math.max(0.06, Math.sqrt(b[1] * b[1] + b[2] * b[2] + b[3] * b[3]));
    return Math.sqrt(da * da + db * db);
  }

  /** The outermost millimetres: enhancing dura in patches, elsewhere signal voids of bone and flow, rarely fat. */
  function paintEdge(u: number, v: number, w: number, depth: number, widthMm: number, fractions: Float64Array): void {
    const fine = dura.value(u, v, w);
    const broad = duraPatch.value(u, v, w);
    const left = fine + 1.1 * broad - 2.6 + 2 * subject.duraLeft;
    const outer = clamp((2.2 - depth) / widthMm, 0, 1);
    paint(
      fractions,
      TISSUE.void,
      clamp(0.55 - 0.4 * broad + 0.3 * fine, 0, 0.9) * clamp((2.4 - depth) / widthMm, 0, 1),
    );
    if (left > 0) paint(fractions, TISSUE.dura, clamp(left, 0, 0.9) * outer);
    if (fine - broad > 2.8) paint(fractions, TISSUE.fat, clamp(fine - broad - 2.8, 0, 0.9) * outer);
  }

  return (u, v, w, outline, pial, widthMm, fractions) => {
    const depth = -outline;
    const side = Math.abs(u);
    if (pial < 5) {
      const tube = tubeDistance(u, v, w) - (pial < 0.8 ? subject.vesselMm : 0.35);
      paint(fractions, TISSUE.vessel, cover(tube, widthMm) * (pial < 1.5 ? 0.8 : 0.35));
    }
    const sinus = sinusDistance(side, v, w, depth, subject.duraLeft);
    paint(fractions, TISSUE.vessel, 0.85 * cover(sinus, widthMm));
    // The falx between the hemispheres, and what brain extraction left of the dura outside.
    if (pial < 1 && w > -5 && side < 1.6) paint(fractions, TISSUE.dura, 0.35 * cover(side - 0.5, widthMm));
    if (depth < 3.5) paintEdge(u, v, w, depth, widthMm, fractions);
  };
}

const FAR = 9;

/** Superior sagittal, straight and transverse sinus and the internal cerebral veins. */
function sinusDistance(side: number, v: number, w: number, depth: number, left: number): number {
  let distance = FAR;
  if (side < 8) {
    if (v > -60 && w > -10 && depth < 6) distance = smoothMax(side - 2.6, depth - 2 - left, 2);
    if (v > 36 && v < 78) distance = Math.min(distance, Math.hypot(side, (w - (8 - 0.55 * (v - 36))) * 0.9) - 1.3);
    if (v > 4 && v < 36) distance = Math.min(distance, Math.hypot(side - 1.2, w - 11) - 0.9);
  }
  if (v > 10 && side > 8 && depth < 8) {
    const transverse = smoothMax(Math.abs(w + 17 + 0.1 * side) - 3.5, depth - 3.5, 2) + 2.6 * (1 - left);
    distance = smoothMin(distance, transverse, 1);
  }
  return distance;
}
