/**
 * A healthy brain as a function of position: the composition of tissues at any point of subject space, from one
 * subject's numbers and seeded noise. Nothing depends on an image's grid, so the same head can be looked at in any
 * resolution; borders are box-filtered over the voxel size asked for, which gives partial volume.
 */
import { createRandom, type SeedPath } from "../../base/index.ts";
import { brainOutline, brainStemDistance, cerebellumDistance, cerebrumDistance } from "./brain-shape.ts";
import { createCerebellum } from "./cerebellum.ts";
import { type CortexProbe, createCortex } from "./cortex.ts";
import {
  choroidDistance,
  deepGreyDistance,
  lateralVentricleDistance,
  midlineVentricleDistance,
  pallidumDistance,
} from "./deep-structures.ts";
import { type FieldTable, tabulate } from "./field-table.ts";
import { createNoise, type NoiseField } from "./noise-field.ts";
import type { Subject } from "./subject.ts";
import { createVessels } from "./surface-vessels.ts";
import { cover, paint, TISSUE } from "./tissue.ts";
import { createLesions } from "./white-matter-lesions.ts";

export interface Anatomy {
  /**
   * Composition at a point of subject space, for a voxel `widthMm` wide, written to `fractions`.
   * @returns signed distance in mm to the outline of the extracted brain; outside (positive) nothing is written.
   */
  compose(u: number, v: number, w: number, widthMm: number, fractions: Float64Array): number;
  /** Signed distance in mm to the outline of the extracted brain alone. */
  outline(u: number, v: number, w: number): number;
}

/** Fields that every point needs, in the order of their table. */
const WARP_U = 0;
const WARP_V = 1;
const WARP_W = 2;
const OUTLINE = 3;
const THICKNESS = 4;
const BEND = 5;
const FIELDS = 8;
const TABLE_STEP_MM = 4.5;

/** The last point asked for, in warped coordinates, with its distances to the brain's parts in mm. */
interface Place {
  askedU: number;
  askedV: number;
  askedW: number;
  u: number;
  v: number;
  w: number;
  cerebrum: number;
  cerebellum: number;
  stem: number;
  edge: number;
}

function createPlace(): Place {
  const n = Number.NaN;
  return { askedU: n, askedV: n, askedW: n, u: n, v: n, w: n, cerebrum: n, cerebellum: n, stem: n, edge: n };
}

export function createAnatomy(subject: Subject, seed: SeedPath): Anatomy {
  const fields = createFields(seed);
  const measureCortex = createCortex(subject, seed);
  const paintCerebellum = createCerebellum(seed);
  const paintVessels = createVessels(subject, seed);
  const lesions = createLesions(subject, seed);
  const probe: CortexProbe = { pial: Number.NaN, hull: Number.NaN };
  const field = new Float64Array(FIELDS);
  const bend = field.subarray(BEND);
  const at = createPlace();

  function outline(u0: number, v0: number, w0: number): number {
    if (u0 === at.askedU && v0 === at.askedV && w0 === at.askedW) return at.edge;
    fields.lookUp(u0, v0, w0, field);
    const u = u0 + field[WARP_U];
    const v = v0 + field[WARP_V];
    const w = w0 + field[WARP_W];
    const side = Math.abs(u);
    const cerebrum = cerebrumDistance(side, v, w);
    const cerebellum = w < 6 ? cerebellumDistance(side, v, w) : 50;
    const stem = w < 10 ? brainStemDistance(side, v, w) : 50;
    at.askedU = u0;
    at.askedV = v0;
    at.askedW = w0;
    at.u = u;
    at.v = v;
    at.w = w;
    at.cerebrum = cerebrum;
    at.cerebellum = cerebellum;
    at.stem = stem;
    at.edge = brainOutline(cerebrum, cerebellum, stem) - subject.brainMarginMm + field[OUTLINE];
    return at.edge;
  }

  function compose(u0: number, v0: number, w0: number, widthMm: number, fractions: Float64Array): number {
    const edge = outline(u0, v0, w0);
    if (edge > 0) return edge;
    const { u, v, w, cerebrum, cerebellum, stem } = at;
    fractions.fill(0);
    fractions[TISSUE.csf] = 1;
    let pial = -1;
    if (cerebrum < 2) {
      measureCortex(u, v, w, cerebrum, bend, probe);
      pial = probe.pial;
      paintCerebrum(u, v, w, widthMm, fractions);
    }
    if (cerebellum < 2) paintCerebellum(u, v, w, cerebellum, widthMm, fractions);
    paint(fractions, TISSUE.brainStem, cover(stem, widthMm));
    const covered = Math.max(pial, -stem, 0.6 - cerebellum);
    paintVentricles(u, v, w, widthMm, fractions);
    paintVessels(u, v, w, edge, covered, widthMm, fractions);
    return edge;
  }

  function paintCerebrum(u: number, v: number, w: number, widthMm: number, fractions: Float64Array): void {
    const parenchyma = cover(-probe.pial, widthMm);
    if (parenchyma <= 0) return;
    const thickness = subject.cortexMm * (1 + field[THICKNESS]);
    const white = Math.min(parenchyma, cover(thickness - probe.pial, widthMm));
    fractions[TISSUE.csf] = 1 - parenchyma;
    fractions[TISSUE.cortex] = parenchyma - white;
    fractions[TISSUE.whiteMatter] = white;
    if (white <= 0) return;
    const side = Math.abs(u);
    if (side < 40 && probe.hull > 4) {
      paint(fractions, TISSUE.deepGrey, white * cover(deepGreyDistance(side, v, w), widthMm));
      paint(fractions, TISSUE.pallidum, white * cover(pallidumDistance(side, v, w), widthMm));
    }
    const ventricle = lateralVentricleDistance(side, v, w, subject.ventricleScale[u > 0 ? 0 : 1]);
    paint(fractions, TISSUE.lesion, fractions[TISSUE.whiteMatter] * lesions(u, v, w, ventricle, probe.pial));
  }

  function paintVentricles(u: number, v: number, w: number, widthMm: number, fractions: Float64Array): void {
    const side = Math.abs(u);
    if (side > 46) return;
    const scale = subject.ventricleScale[u > 0 ? 0 : 1];
    const lateral = lateralVentricleDistance(side, v, w, scale);
    const midline = midlineVentricleDistance(side, v, w, 0.6 + 0.5 * scale);
    paint(fractions, TISSUE.ventricle, cover(Math.min(lateral, midline), widthMm));
    if (lateral < 1.5) {
      paint(fractions, TISSUE.choroid, cover(choroidDistance(side, v, w), widthMm) * cover(lateral, widthMm));
    }
  }

  return { compose, outline };
}

/** Warp of the whole head, unevenness of its outline and of the cortex's thickness, and the winding of sulci. */
function createFields(seed: SeedPath): FieldTable {
  const noise = (name: string, scaleMm: number): NoiseField => createNoise(createRandom(...seed, name), scaleMm);
  const warps = [noise("warpU", 52), noise("warpV", 52), noise("warpW", 52)];
  const ripples = [noise("rippleU", 15), noise("rippleV", 15), noise("rippleW", 15)];
  const bends = [noise("bendU", 11), noise("bendV", 11), noise("bendW", 11)];
  const outlineField = noise("outline", 14);
  const thickness = noise("cortexThickness", 18);
  const warpMm = [1.8, 2.2, 2.2];
  return tabulate(TABLE_STEP_MM, FIELDS, (x, y, z, out) => {
    for (let axis = 0; axis < 3; axis++) {
      out[axis] = warpMm[axis] * warps[axis].value(x, y, z) + 0.7 * ripples[axis].value(x, y, z);
      out[BEND + axis] = 1.6 * bends[axis].value(x, y, z);
    }
    out[OUTLINE] = -0.6 * outlineField.value(x, y, z);
    out[THICKNESS] = 0.14 * thickness.value(x, y, z);
  });
}
