/**
 * Cortex of the cerebrum: how deep a point lies under the pial surface, fissures and sulci included.
 *
 * Sulci are sheets where a noise field on the hull's surface changes sign, carried inwards along rays to the middle
 * of the hemisphere (or of the temporal lobe) down to a depth that varies from place to place.
 */

import { createRandom, type SeedPath } from "../../base/index.ts";
import { interhemisphericDistance, sylvianDistance, sylvianHeight } from "./brain-shape.ts";
import { clamp, createNoise, type NoiseField, smoothstep } from "./noise-field.ts";
import { smoothMin } from "./shapes.ts";
import type { Subject } from "./subject.ts";

export interface CortexProbe {
  /** Depth below the pial surface, fissures and sulci included, in mm; negative in CSF. */
  pial: number;
  /** Depth below the hull and the large fissures alone. */
  hull: number;
}

/** Folding is looked for no deeper than this below the hull. */
const FOLDED_MM = 27;
const LEAST_SLOPE = 0.03;

/**
 * @returns a function that measures a point of subject space, given its distance to the cerebral hull and a small
 *   displacement (`bend*`, mm) that makes the sulci wind.
 */
export function createCortex(
  subject: Subject,
  seed: SeedPath,
): (u: number, v: number, w: number, cerebrum: number, bend: Float64Array, out: CortexProbe) => void {
  const noise = (name: string, scaleMm: number): NoiseField => createNoise(createRandom(...seed, name), scaleMm);
  const primary = noise("sulci", subject.gyrusSpacingMm);
  const secondary = noise("secondarySulci", 0.62 * subject.gyrusSpacingMm);
  const depthField = noise("sulcusDepth", 26);
  const openField = noise("sulcusOpening", 20);
  const sample = new Float64Array(4);

  /** Distance in mm to the nearest zero of a field at a point of the hull, shrunk with depth. */
  function sheetDistance(field: NoiseField, x: number, y: number, z: number, shrink: number): number {
    field.sample(x, y, z, sample);
    const slope = Math.sqrt(sample[1] * sample[1] + sample[2] * sample[2] + sample[3] * sample[3]);
    return (Math.abs(sample[0]) / Math.max(slope, LEAST_SLOPE)) * shrink;
  }

  return (u, v, w, cerebrum, bend, out) => {
    const side = Math.abs(u);
    const fissure = interhemisphericDistance(u, v, w) - (0.6 + 0.4 * subject.sulcusWidthMm);
    const sylvian =
      sylvianDistance(side + bend[0], v + bend[1], w + 1.5 * bend[2]) - (0.7 + 1.2 * subject.sulcusWidthMm);
    const hull = smoothMin(-cerebrum, fissure, 3);
    out.hull = Math.min(hull, sylvian);
    out.pial = out.hull;
    if (hull > FOLDED_MM) return;

    const temporal = smoothstep(4, -12, w - sylvianHeight(v)) * smoothstep(26, 6, v) * smoothstep(18, 26, side);
    const centreU = (u < 0 ? -1 : 1) * (27 + 15 * temporal);
    const centreV = (0.55 + 0.35 * temporal) * v;
    const centreW = (6 + 0.25 * (w - 6)) * (1 - temporal) + (-22 + 0.15 * v) * temporal;
    const du = u - centreU;
    const dv = v - centreV;
    const dw = w - centreW;
    const length = Math.sqrt(du * du + dv * dv + dw * dw) + 1e-6;
    const depth = Math.max(0, hull);
    const reach = Math.min((length + depth) / length, 3);
    const x = centreU + du * reach + bend[0];
    const y = centreV + dv * reach + bend[1];
    const z = centreW + dw * reach + bend[2];
    const deepest = subject.sulcusDepthMm * clamp(0.85 + 0.32 * depthField.value(x, y, z), 0.15, 1.35);
    const below = Math.max(0, depth - deepest);
    if (below > 8) return;
    const opening = Math.max(0.05, subject.sulcusWidthMm * (1 + 0.6 * openField.value(x, y, z)));
    const open = opening * (0.4 + 1.1 / (1 + 0.3 * depth));
    const main = sheetDistance(primary, x, y, z, 1 / reach);
    out.pial = Math.min(out.pial, Math.sqrt(main * main + below * below) - open);
    const shallow = 0.42 * deepest;
    if (depth < shallow + 5) {
      const minor = sheetDistance(secondary, x, y, z, 1 / reach);
      const under = Math.max(0, depth - shallow);
      out.pial = Math.min(out.pial, Math.sqrt(minor * minor + under * under) - 0.7 * open);
    }
  };
}
