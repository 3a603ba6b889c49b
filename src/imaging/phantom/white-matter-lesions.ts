/**
 * White-matter lesions of age, bright in FLAIR like a tumour's oedema but not part of one: caps on the horns of the
 * ventricles, bands along them, and spots.
 */
import { createRandom, type SeedPath } from "../../base/index.ts";
import { clamp, createNoise, smoothstep } from "./noise-field.ts";
import type { Subject } from "./subject.ts";

/**
 * @returns coverage, 0 to 1, at a point of white matter `ventricle` mm outside the lateral ventricle and `pial` mm
 *   below the cortex's surface.
 */
export function createLesions(
  subject: Subject,
  seed: SeedPath,
): (u: number, v: number, w: number, ventricle: number, pial: number) => number {
  const cap = createNoise(createRandom(...seed, "caps"), 12);
  const spot = createNoise(createRandom(...seed, "spots"), 9);
  const region = createNoise(createRandom(...seed, "spotRegion"), 30);
  const load = subject.whiteMatterLesions;
  return (u, v, w, ventricle, pial) => {
    const horn = Math.max(smoothstep(-20, -30, v), smoothstep(34, 46, v));
    let periventricular = 0;
    if (ventricle < 14) {
      const reach = 1 + 2.2 * horn + 6 * load * (1 + 0.5 * cap.value(u, v, w));
      periventricular = smoothstep(reach + 1.5, reach * 0.3, ventricle);
    }
    if (load < 0.05 || pial < 4) return 0.75 * periventricular;
    const strength = spot.value(u, v, w) + 0.7 * region.value(u, v, w) - 2.8 + 2.1 * load;
    return Math.max(0.75 * periventricular, clamp(1.4 * strength, 0, 0.9));
  };
}
