/**
 * Mass effect: tissue is pushed away from each focus as if a ball of incompressible matter had grown there. A point
 * at distance r held what was at (r^3 - a^3)^(1/3) before; the push fades with distance and vanishes at the skull.
 */

import { clamp, type NoiseField } from "./noise-field.ts";
import { ellipsoid, ellipsoidDistance } from "./shapes.ts";
import type { Focus } from "./tumour-plan.ts";

/** The cranial cavity, roughly: tissue does not move through it. */
const CAVITY = ellipsoid([0, 2, -2], [68, 86, 66]);
const FADE_MM = 34;
const REACH_MM = 75;
const STIFF_MM = 14;

/** Writes to `out` where the tissue now at (u, v, w) was before the tumour. */
export function undoMassEffect(
  foci: readonly Focus[],
  lobes: NoiseField,
  u: number,
  v: number,
  w: number,
  out: Float64Array,
): void {
  out[0] = u;
  out[1] = v;
  out[2] = w;
  for (const { centre, pushMm } of foci) {
    const du = u - centre[0];
    const dv = v - centre[1];
    const dw = w - centre[2];
    const r = Math.sqrt(du * du + dv * dv + dw * dw);
    if (r >= REACH_MM || r < 1e-6) continue;
    const a = pushMm * (1 + 0.18 * clamp(lobes.value(u, v, w), -2, 2));
    const before = Math.cbrt(Math.max(0, r * r * r - a * a * a));
    const end = 1 - (r / REACH_MM) * (r / REACH_MM);
    const fade = (end * end) / (1 + (r / FADE_MM) * (r / FADE_MM) * (r / FADE_MM));
    const cavity = ellipsoidDistance(CAVITY, u, v, w);
    const loose = clamp(-cavity / STIFF_MM, 0, 1);
    const push = ((r - before) * fade * loose) / r;
    out[0] -= du * push;
    out[1] -= dv * push;
    out[2] -= dw * push;
  }
}
