/**
 * A phantom: one synthetic subject with a brain tumour, scanned in T1, T1 with gadolinium, T2 and FLAIR, skull
 * stripped, on the BraTS grid or a coarser one that covers the same space. Everything follows from the seed, the
 * case and the site; geometry is drawn in millimetres, so the same case at another spacing is the same head.
 */
import { ConsiliumError, createRandom, type SeedPath } from "../../base/index.ts";
import { MODALITIES, type Modality } from "../../study/index.ts";
import type { Affine, Triple, Volume } from "../volume.ts";
import { createAnatomy } from "./anatomy.ts";
import { tissueSignals } from "./contrast.ts";
import { undoMassEffect } from "./mass-effect.ts";
import { createNoise } from "./noise-field.ts";
import { acquire, type Box, caseSequence, type Scanner, siteScanner } from "./scanner.ts";
import { drawSubject, farFromBrain, toSubjectSpace } from "./subject.ts";
import { TISSUE, TISSUE_COUNT, TISSUES, type Tissue } from "./tissue.ts";
import { createTumourPainter } from "./tumour-appearance.ts";
import { growTumour } from "./tumour-growth.ts";
import { drawTumourPlan, type TumourPlan } from "./tumour-plan.ts";

export interface PhantomOptions {
  readonly seed: number;
  readonly caseIndex: number;
  readonly siteIndex: number;
  /** Isotropic voxel size in mm, from 1; default 1, the BraTS grid. */
  readonly spacingMm?: number;
  /** The site's scanner; default `siteScanner(seed, siteIndex)`. */
  readonly scanner?: Scanner;
}

export interface Phantom extends Readonly<Record<Modality, Volume<Int16Array>>> {
  /** Class indices: 0 background, 1 necrotic core, 2 oedema, 3 enhancing tumour. */
  readonly labelMap: Volume<Uint8Array>;
  readonly plan: TumourPlan;
}

const BRATS_DIMS: Triple = [240, 240, 155];

/** Grid of a spacing over the space of the BraTS grid, in its orientation (left, posterior, superior). */
export function phantomGrid(spacingMm: number): { dims: Triple; affineVoxelToRas: Affine } {
  if (!(spacingMm >= 1 && spacingMm <= 8)) {
    throw new ConsiliumError("geometry-invalid", {
      subject: "phantom spacing",
      expected: "1 to 8 mm",
      actual: String(spacingMm),
      hint: "Choose a spacing in that range.",
    });
  }
  const dims = BRATS_DIMS.map((n) => Math.ceil(n / spacingMm)) as unknown as Triple;
  const first = (spacingMm - 1) / 2;
  // The first voxel's centre; 0 - first keeps a plain zero at 1 mm.
  const affineVoxelToRas = [
    -spacingMm,
    0,
    0,
    0 - first,
    0,
    -spacingMm,
    0,
    239 - first,
    0,
    0,
    spacingMm,
    first,
    0,
    0,
    0,
    1,
  ];
  return { dims, affineVoxelToRas };
}

/** @throws ConsiliumError `geometry-invalid` for a spacing out of range. */
export function makePhantom(options: PhantomOptions): Phantom {
  const { seed, caseIndex, siteIndex, spacingMm = 1 } = options;
  const { dims, affineVoxelToRas } = phantomGrid(spacingMm);
  const path: SeedPath = ["phantom", seed, caseIndex];
  const scanner = options.scanner ?? siteScanner(seed, siteIndex);
  const rendered = renderTissue(path, dims, spacingMm, scanner);
  const volume = <A extends Int16Array | Uint8Array>(data: A): Volume<A> => ({ dims, data, affineVoxelToRas });
  const images = Object.fromEntries(
    MODALITIES.map((modality, m) => {
      const image = rendered.images[m];
      const sequence = rendered.sequences[m];
      acquire(image, rendered.mask, rendered.box, sequence, [...path, "scan", siteIndex, modality]);
      return [modality, volume(toIntegers(image, rendered, dims, sequence.scale))];
    }),
  ) as Record<Modality, Volume<Int16Array>>;
  return { ...images, labelMap: volume(rendered.labels), plan: rendered.plan };
}

interface Rendered {
  readonly box: Box;
  /** First voxel of the box on the whole grid. */
  readonly offset: Triple;
  readonly mask: Uint8Array;
  readonly images: readonly Float32Array[];
  readonly sequences: readonly ReturnType<typeof caseSequence>[];
  /** On the whole grid. */
  readonly labels: Uint8Array;
  readonly plan: TumourPlan;
}

/** Composition at every voxel, turned into the four modalities' signals and a label. */
function renderTissue(path: SeedPath, dims: Triple, spacingMm: number, scanner: Scanner): Rendered {
  const subject = drawSubject(createRandom(...path, "subject"));
  const anatomy = createAnatomy(subject, [...path, "anatomy"]);
  const plan = drawTumourPlan(createRandom(...path, "plan"), anatomy);
  const lobes = createNoise(createRandom(...path, "lobes"), 24);
  const grown = growTumour(plan, anatomy, lobes, [...path, "growth"]);
  const paintTumour = createTumourPainter(plan, grown, [...path, "appearance"]);
  const sequences = MODALITIES.map((m) => caseSequence(scanner[m], [...path, "sequence", m]));
  const signals = MODALITIES.map((m, index) => caseSignals(m, sequences[index].contrast, [...path, "signals", m]));
  const texture = createTexture([...path, "texture"], plan.heterogeneity);

  const offset: Triple = [Math.floor(43 / spacingMm), Math.floor(33 / spacingMm), 0];
  const end = [Math.ceil(193 / spacingMm), Math.ceil(224 / spacingMm), Math.min(dims[2], Math.ceil(150 / spacingMm))];
  const boxDims: [number, number, number] = [end[0] - offset[0], end[1] - offset[1], end[2] - offset[2]];
  const first = (spacingMm - 1) / 2;
  const startMm: [number, number, number] = [0, 1, 2].map((a) => offset[a] * spacingMm + first) as [
    number,
    number,
    number,
  ];
  const size = boxDims[0] * boxDims[1] * boxDims[2];
  const images = MODALITIES.map(() => new Float32Array(size));
  const mask = new Uint8Array(size);
  const labels = new Uint8Array(dims[0] * dims[1] * dims[2]);
  const fractions = new Float64Array(TISSUE_COUNT);
  const here = new Float64Array(3);
  const before = new Float64Array(3);
  const grain = new Float64Array(MODALITIES.length);
  for (let z = 0, n = 0; z < boxDims[2]; z++) {
    for (let y = 0; y < boxDims[1]; y++) {
      for (let x = 0; x < boxDims[0]; x++, n++) {
        toSubjectSpace(
          subject,
          startMm[0] + spacingMm * x,
          startMm[1] + spacingMm * y,
          startMm[2] + spacingMm * z,
          here,
        );
        const u = here[0];
        const v = here[1];
        const w = here[2];
        if (farFromBrain(u, v, w) || anatomy.outline(u, v, w) > 0) continue;
        undoMassEffect(plan.foci, lobes, u, v, w, before);
        if (anatomy.compose(before[0], before[1], before[2], spacingMm, fractions) > 0) continue;
        mask[n] = 1;
        const near = u > grown.low[0] && u < grown.high[0] && v > grown.low[1] && v < grown.high[1] && w > grown.low[2];
        if (near && w < grown.high[2]) {
          labels[x + offset[0] + dims[0] * (y + offset[1] + dims[1] * (z + offset[2]))] = paintTumour(
            u,
            v,
            w,
            spacingMm,
            fractions,
          );
        }
        texture(u, v, w, fractions, grain);
        for (let m = 0; m < images.length; m++) {
          const signal = signals[m];
          let sum = 0;
          for (let t = 0; t < TISSUE_COUNT; t++) sum += fractions[t] * signal[t];
          images[m][n] = sum * grain[m];
        }
      }
    }
  }
  return { box: { dims: boxDims, startMm, spacingMm }, offset, mask, images, sequences, labels, plan };
}

/** How far one subject's signal of a tissue departs from the average: standard deviation of its logarithm. */
const PATHOLOGICAL_SPREAD: Readonly<Partial<Record<Tissue, number>>> = {
  lesion: 0.06,
  oedema: 0.08,
  necrosis: 0.15,
  cyst: 0.12,
  solidTumour: 0.1,
  enhancing: 0.1,
};

/** Tissue signals of one subject: the scanner's, with the subject's own departure for each tissue. */
function caseSignals(modality: Modality, contrast: number, seed: SeedPath): Float64Array {
  const random = createRandom(...seed);
  const signals = tissueSignals(modality, contrast);
  TISSUES.forEach((name, t) => {
    const spread = PATHOLOGICAL_SPREAD[name] ?? (name === "whiteMatter" ? 0 : 0.03);
    signals[t] *= Math.exp(spread * random.normal());
  });
  return signals;
}

/** Unevenness within tissues: broad and fine, stronger in tumour, partly shared between modalities. */
function createTexture(
  seed: SeedPath,
  heterogeneity: number,
): (u: number, v: number, w: number, fractions: Float64Array, grain: Float64Array) => void {
  const broad = createNoise(createRandom(...seed, "broad"), 22);
  const fine = createNoise(createRandom(...seed, "fine"), 4.5);
  const tumour = [7, 8, 9, 10].map((scaleMm, m) => createNoise(createRandom(...seed, "tumour", m), scaleMm));
  const broadShare = [0.025, 0.025, -0.055, -0.035];
  const fineShare = [0.015, 0.015, -0.045, 0.025];
  return (u, v, w, fractions, grain) => {
    const b = broad.value(u, v, w);
    const f = fine.value(u, v, w);
    const core =
      fractions[TISSUE.necrosis] +
      fractions[TISSUE.solidTumour] +
      fractions[TISSUE.enhancing] +
      0.4 * fractions[TISSUE.oedema];
    for (let m = 0; m < grain.length; m++) {
      grain[m] = 1 + broadShare[m] * b + fineShare[m] * f;
      if (core > 0.05) grain[m] *= 1 + heterogeneity * core * tumour[m].value(u, v, w);
    }
  };
}

/** The box's image as integers on the whole grid: at least 1 in the brain, 0 outside. */
function toIntegers(image: Float32Array, rendered: Rendered, dims: Triple, scale: number): Int16Array {
  const [bx, by, bz] = rendered.box.dims;
  const [ox, oy, oz] = rendered.offset;
  const data = new Int16Array(dims[0] * dims[1] * dims[2]);
  for (let z = 0, n = 0; z < bz; z++) {
    for (let y = 0; y < by; y++) {
      let to = ox + dims[0] * (y + oy + dims[1] * (z + oz));
      for (let x = 0; x < bx; x++, n++, to++) {
        if (rendered.mask[n]) data[to] = Math.min(32767, Math.max(1, Math.round(image[n] * scale)));
      }
    }
  }
  return data;
}
