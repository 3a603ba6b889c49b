/**
 * A healthy brain as a function of position: the composition of tissues at any point of subject space, from one
 * subject's numbers and seeded noise. Nothing is stored on a grid, so the same head can be looked at in any
 * resolution; borders are box-filtered over the voxel size asked for, which gives partial volume.
 *
 * Cortex: sulci are sheets where a noise field on the hull's surface changes sign, carried inwards along rays to the
 * middle of the hemisphere down to a varying depth; grey matter is the ribbon of constant thickness along the outer
 * surface, the fissures and these sheets.
 */
import { createRandom, type SeedPath } from "../../base/index.ts";
import {
  brainOutline,
  brainStemDistance,
  cerebellumDistance,
  cerebrumDistance,
  interhemisphericDistance,
  sylvianDistance,
  sylvianHeight,
} from "./brain-shape.ts";
import {
  choroidDistance,
  deepGreyDistance,
  lateralVentricleDistance,
  midlineVentricleDistance,
  pallidumDistance,
} from "./deep-structures.ts";
import { clamp, createNoise, type NoiseField, smoothstep } from "./noise-field.ts";
import { smoothMin } from "./shapes.ts";
import type { Subject } from "./subject.ts";
import { paint, TISSUE } from "./tissue.ts";

export interface Anatomy {
  /**
   * Composition at a point of subject space, for a voxel `widthMm` wide, written to `fractions`.
   * @returns signed distance in mm to the outline of the extracted brain; outside (positive) nothing is written.
   */
  compose(u: number, v: number, w: number, widthMm: number, fractions: Float64Array): number;
  /** Signed distance in mm to the outline of the extracted brain alone. */
  outline(u: number, v: number, w: number): number;
}

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

/** Where a point lies in relation to the surfaces of the cerebrum, in mm. */
interface CortexProbe {
  /** Depth below the pial surface, fissures and sulci included; negative in CSF. */
  pial: number;
  /** Depth below the hull alone. */
  hull: number;
}

export function createAnatomy(subject: Subject, seed: SeedPath): Anatomy {
  const noise = (name: string, scaleMm: number): NoiseField => createNoise(createRandom(...seed, name), scaleMm);
  const warpFields = [noise("warpU", 52), noise("warpV", 52), noise("warpW", 52)] as const;
  const rippleFields = [noise("rippleU", 15), noise("rippleV", 15), noise("rippleW", 15)] as const;
  const outlineField = noise("outline", 14);
  const cortexProbe = createCortex(subject, noise);
  const hindbrain = createHindbrain(noise);
  const vessels = createVessels(subject, noise);
  const lesions = createLesions(subject, noise);
  const cortexField = noise("cortexThickness", 18);
  const probe: CortexProbe = { pial: Number.NaN, hull: Number.NaN };

  const at = createPlace();

  function outline(u0: number, v0: number, w0: number): number {
    if (u0 === at.askedU && v0 === at.askedV && w0 === at.askedW) return at.edge;
    const u = u0 + 1.8 * warpFields[0].value(u0, v0, w0) + 0.7 * rippleFields[0].value(u0, v0, w0);
    const v = v0 + 2.2 * warpFields[1].value(u0, v0, w0) + 0.7 * rippleFields[1].value(u0, v0, w0);
    const w = w0 + 2.2 * warpFields[2].value(u0, v0, w0) + 0.7 * rippleFields[2].value(u0, v0, w0);
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
    at.edge = brainOutline(cerebrum, cerebellum, stem) - subject.brainMarginMm - 0.6 * outlineField.value(u0, v0, w0);
    return at.edge;
  }

  function compose(u0: number, v0: number, w0: number, widthMm: number, fractions: Float64Array): number {
    const edge = outline(u0, v0, w0);
    if (edge > 0) return edge;
    const { u, v, w, cerebrum, cerebellum, stem } = at;
    const side = Math.abs(u);

    fractions.fill(0);
    fractions[TISSUE.csf] = 1;
    const cover = (distance: number): number => clamp(0.5 - distance / widthMm, 0, 1);
    if (cerebrum < 2) {
      cortexProbe(u, v, w, cerebrum, probe);
      paintCerebrum(u, v, w, cover, fractions);
    }
    if (cerebellum < 2) hindbrain.paintCerebellum(u, v, w, cerebellum, cover, fractions);
    paint(fractions, TISSUE.brainStem, cover(stem));
    paintVentricles(u, v, w, side, cover, fractions);
    vessels(u, v, w, edge, cerebrum < 2 ? probe.pial : -1, widthMm, fractions);
    return edge;
  }

  function paintCerebrum(
    u: number,
    v: number,
    w: number,
    cover: (distance: number) => number,
    fractions: Float64Array,
  ): void {
    const parenchyma = cover(-probe.pial);
    if (parenchyma <= 0) return;
    const thickness = subject.cortexMm * (1 + 0.14 * cortexField.value(u, v, w));
    paint(fractions, TISSUE.cortex, parenchyma);
    const white = Math.min(parenchyma, cover(thickness - probe.pial));
    if (white <= 0) return;
    paint(fractions, TISSUE.whiteMatter, white);
    const side = Math.abs(u);
    if (side < 40 && probe.hull > 12) {
      paint(fractions, TISSUE.deepGrey, white * cover(deepGreyDistance(side, v, w)));
      paint(fractions, TISSUE.pallidum, white * cover(pallidumDistance(side, v, w)));
    }
    const ventricle = lateralVentricleDistance(side, v, w, subject.ventricleScale[u > 0 ? 0 : 1]);
    paint(fractions, TISSUE.lesion, white * lesions(u, v, w, ventricle, probe.pial));
  }

  function paintVentricles(
    u: number,
    v: number,
    w: number,
    side: number,
    cover: (distance: number) => number,
    fractions: Float64Array,
  ): void {
    if (side > 46) return;
    const scale = subject.ventricleScale[u > 0 ? 0 : 1];
    const lateral = lateralVentricleDistance(side, v, w, scale);
    const fluid = Math.max(cover(lateral), cover(midlineVentricleDistance(side, v, w, 0.6 + 0.5 * scale)));
    paint(fractions, TISSUE.ventricle, fluid);
    if (lateral < 1.5) paint(fractions, TISSUE.choroid, cover(choroidDistance(side, v, w)) * cover(lateral));
  }

  return { compose, outline };
}

type NoiseSource = (name: string, scaleMm: number) => NoiseField;

/** Depth below cortex and sulci. */
function createCortex(
  subject: Subject,
  noise: NoiseSource,
): (u: number, v: number, w: number, cerebrum: number, out: CortexProbe) => void {
  const primary = noise("sulci", subject.gyrusSpacingMm);
  const secondary = noise("secondarySulci", 0.62 * subject.gyrusSpacingMm);
  const depthField = noise("sulcusDepth", 26);
  const openField = noise("sulcusOpening", 20);
  const bendU = noise("bendU", 11);
  const bendV = noise("bendV", 11);
  const bendW = noise("bendW", 11);
  const sample = new Float64Array(4);

  /** Distance in mm to the nearest zero of a field at a point of the hull, shrunk with depth. */
  function sheetDistance(field: NoiseField, x: number, y: number, z: number, shrink: number): number {
    field.sample(x, y, z, sample);
    const slope = Math.sqrt(sample[1] * sample[1] + sample[2] * sample[2] + sample[3] * sample[3]);
    return (Math.abs(sample[0]) / Math.max(slope, 0.03)) * shrink;
  }

  return (u, v, w, cerebrum, out) => {
    const side = Math.abs(u);
    const hemisphere = u < 0 ? -1 : 1;
    const fissure = interhemisphericDistance(u, v, w) - (0.6 + 0.4 * subject.sulcusWidthMm);
    const sylvian = sylvianDistance(side, v, w) - (0.7 + 1.2 * subject.sulcusWidthMm);
    const hull = smoothMin(-cerebrum, fissure, 3);
    out.hull = Math.min(hull, sylvian);
    out.pial = out.hull;
    if (hull > 26) return;

    // Rays start at the middle of the hemisphere, or of the temporal lobe below the Sylvian fissure.
    const temporal = smoothstep(4, -12, w - sylvianHeight(v)) * smoothstep(26, 6, v) * smoothstep(18, 26, side);
    const centreU = hemisphere * (27 + 15 * temporal);
    const centreV = (0.55 + 0.35 * temporal) * v;
    const centreW = (6 + 0.25 * (w - 6)) * (1 - temporal) + (-22 + 0.15 * v) * temporal;
    const du = u - centreU;
    const dv = v - centreV;
    const dw = w - centreW;
    const length = Math.sqrt(du * du + dv * dv + dw * dw) + 1e-6;
    const depth = Math.max(0, hull);
    const stretch = (length + depth) / length;
    const reach = Math.min(stretch, 3);
    let x = centreU + du * reach;
    let y = centreV + dv * reach;
    let z = centreW + dw * reach;
    const deepest = subject.sulcusDepthMm * clamp(0.85 + 0.32 * depthField.value(x, y, z), 0.15, 1.35);
    const opening = Math.max(0.05, subject.sulcusWidthMm * (1 + 0.6 * openField.value(x, y, z)));
    const bend = 1.6;
    const bx = bend * bendU.value(u, v, w);
    const by = bend * bendV.value(u, v, w);
    const bz = bend * bendW.value(u, v, w);
    x += bx;
    y += by;
    z += bz;
    const shrink = 1 / reach;
    const open = opening * (0.55 + 1.1 / (1 + 0.3 * depth));
    const main = sheetDistance(primary, x, y, z, shrink);
    const below = Math.max(0, depth - deepest);
    out.pial = Math.min(out.pial, Math.sqrt(main * main + below * below) - open);
    const shallow = 0.42 * deepest;
    if (depth < shallow + 5) {
      const minor = sheetDistance(secondary, x, y, z, shrink);
      const under = Math.max(0, depth - shallow);
      out.pial = Math.min(out.pial, Math.sqrt(minor * minor + under * under) - 0.7 * open);
    }
  };
}

/** Cerebellum with folia: thin leaves around a branching white core. */
function createHindbrain(noise: NoiseSource): {
  paintCerebellum(
    u: number,
    v: number,
    w: number,
    distance: number,
    cover: (distance: number) => number,
    fractions: Float64Array,
  ): void;
} {
  const bend = noise("folia", 16);
  const core = noise("arborVitae", 13);
  return {
    paintCerebellum(u, v, w, distance, cover, fractions) {
      const inside = cover(distance);
      if (inside <= 0) return;
      const depth = -distance;
      // Leaves run around the horizontal fissure: surfaces of constant angle seen from in front of the cerebellum.
      const angle = Math.atan2(w + 40, v - 8) * 34 + 1.6 * bend.value(u, v, w);
      const phase = angle / 5.2 - Math.floor(angle / 5.2);
      const leaf = Math.abs(phase - 0.5) * 5.2;
      paint(fractions, TISSUE.cerebellarGrey, inside);
      const cleft = leaf - 0.35 * smoothstep(9, 2, depth);
      paint(fractions, TISSUE.csf, inside * 0.85 * smoothstep(9, 4, depth) * cover(cleft));
      const side = Math.abs(u);
      const white = 12 + 2.5 * core.value(u, v, w) - 3 * smoothstep(14, 4, side);
      paint(fractions, TISSUE.whiteMatter, inside * cover(white - depth));
      paint(fractions, TISSUE.whiteMatter, inside * 0.6 * smoothstep(4, 7, depth) * cover(1.9 - leaf));
    },
  };
}

/** Blood vessels along the surface, venous sinuses and dura at the outline. */
function createVessels(
  subject: Subject,
  noise: NoiseSource,
): (u: number, v: number, w: number, outline: number, pial: number, widthMm: number, f: Float64Array) => void {
  const first = noise("vesselA", 17);
  const second = noise("vesselB", 17);
  const dura = noise("dura", 13);
  const duraPatch = noise("duraPatch", 34);
  const a = new Float64Array(4);
  const b = new Float64Array(4);
  return (u, v, w, outline, pial, widthMm, fractions) => {
    const depth = -outline;
    const side = Math.abs(u);
    // Two noise surfaces cross in curves: tubes around them are vessels.
    if (pial < 5) {
      first.sample(u, v, w, a);
      second.sample(u, v, w, b);
      const da = a[0] / Math.max(0.06, Math.sqrt(a[1] * a[1] + a[2] * a[2] + a[3] * a[3]));
      const db = b[0] / Math.max(0.06, Math.sqrt(b[1] * b[1] + b[2] * b[2] + b[3] * b[3]));
      const radius = pial < 0.8 ? 0.8 : 0.35;
      const tube = Math.sqrt(da * da + db * db) - radius;
      paint(fractions, TISSUE.vessel, clamp(0.5 - tube / widthMm, 0, 1) * (pial < 1.5 ? 0.8 : 0.35));
    }
    // Superior sagittal sinus, straight sinus and internal cerebral veins in the midline; transverse sinuses.
    const sagittal = v > -60 && w > -10 && depth < 5 ? Math.max(side - 3.2, depth - 3.5) : 9;
    const straight = Math.hypot(side, (w - (8 - 0.55 * (v - 36))) * 0.9) - (v > 36 && v < 78 ? 1.3 : -9);
    const cerebral = Math.hypot(side - 1.2, w - 11) - (v > 4 && v < 36 ? 0.9 : -9);
    const transverse = v > 10 && side > 8 ? Math.max(Math.abs(w + 17 + 0.1 * side) - 3.5, depth - 3.5) : 9;
    const sinus = Math.min(sagittal, straight, cerebral, transverse - 2 * (1 - subject.duraLeft));
    paint(fractions, TISSUE.vessel, 0.85 * clamp(0.5 - sinus / widthMm, 0, 1));
    // Falx, and what brain extraction left of the dura.
    if (pial < 1 && w > -5 && side < 1.6)
      paint(fractions, TISSUE.dura, 0.35 * clamp(0.5 - (side - 0.5) / widthMm, 0, 1));
    if (depth < 3.5) {
      const left = dura.value(u, v, w) + 1.1 * duraPatch.value(u, v, w) - 2.4 + 2 * subject.duraLeft;
      if (left > 0) paint(fractions, TISSUE.dura, clamp(left, 0, 0.9) * clamp((2.2 - depth) / widthMm, 0, 1));
    }
  };
}

/** White-matter lesions of age: caps on the ventricles' horns, bands along them, spots. Returns coverage. */
function createLesions(
  subject: Subject,
  noise: NoiseSource,
): (u: number, v: number, w: number, ventricle: number, pial: number) => number {
  const cap = noise("caps", 12);
  const spot = noise("spots", 9);
  const region = noise("spotRegion", 30);
  const load = subject.whiteMatterLesions;
  return (u, v, w, ventricle, pial) => {
    const horn = Math.max(smoothstep(-20, -30, v), smoothstep(34, 46, v));
    const reach = 1 + 2.2 * horn + 6 * load * (1 + 0.5 * cap.value(u, v, w));
    const periventricular = ventricle < reach + 2 ? smoothstep(reach + 1.5, reach * 0.3, ventricle) : 0;
    if (load < 0.05 || pial < 4) return 0.75 * periventricular;
    const strength = spot.value(u, v, w) + 0.7 * region.value(u, v, w) - 3 + 2 * load;
    return Math.max(0.75 * periventricular, clamp(1.4 * strength, 0, 0.9));
  };
}
