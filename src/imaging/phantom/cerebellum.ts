/** Inside of the cerebellum: folia, thin leaves of grey matter around a branching white core, with CSF between them. */
import { createRandom, type SeedPath } from "../../base/index.ts";
import { createNoise, smoothstep } from "./noise-field.ts";
import { cover, paint, TISSUE } from "./tissue.ts";

const LEAF_MM = 5.2;

/** @returns a painter for points at the signed `distance` to the cerebellum's outline, in mm. */
export function createCerebellum(
  seed: SeedPath,
): (u: number, v: number, w: number, distance: number, widthMm: number, fractions: Float64Array) => void {
  const bend = createNoise(createRandom(...seed, "folia"), 16);
  const core = createNoise(createRandom(...seed, "arborVitae"), 13);
  return (u, v, w, distance, widthMm, fractions) => {
    const inside = cover(distance, widthMm);
    if (inside <= 0) return;
    const depth = -distance;
    // Leaves are surfaces of constant angle around the fourth ventricle's axis.
    const angle = Math.atan2(w + 40, v - 8) * 34 + 1.6 * bend.value(u, v, w);
    const phase = angle / LEAF_MM - Math.floor(angle / LEAF_MM);
    const leaf = Math.abs(phase - 0.5) * LEAF_MM;
    paint(fractions, TISSUE.cerebellarGrey, inside);
    const cleft = leaf - 0.35 * smoothstep(9, 2, depth);
    paint(fractions, TISSUE.csf, inside * 0.85 * smoothstep(9, 4, depth) * cover(cleft, widthMm));
    const white = 12 + 2.5 * core.value(u, v, w) - 3 * smoothstep(14, 4, Math.abs(u));
    paint(fractions, TISSUE.whiteMatter, inside * cover(white - depth, widthMm));
    paint(fractions, TISSUE.whiteMatter, inside * 0.6 * smoothstep(4, 7, depth) * cover(1.9 - leaf, widthMm));
  };
}
