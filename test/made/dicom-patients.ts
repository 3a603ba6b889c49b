/**
 * Patients in DICOM for tests of intake: phantoms with a head around their brain (fluid, a dark skull, a bright scalp),
 * scanned in four series of their own grids, moved against each other, under tags as scanners write them.
 */
import { join } from "node:path";
import { type Tags, writeSeries } from "../../src/imaging/dicom/testing/write-dicom.ts";
import {
  MODALITIES,
  type Modality,
  makePhantom,
  multiplyAffines,
  rigidMatrix,
  type Triple,
  type Volume,
} from "../../src/imaging/index.ts";

export const SPACING_MM = 3;

const TAGS: Readonly<Record<Modality, Tags>> = {
  t1: { "0008103e": "Ax T1 pre", "00180080": "600", "00180081": "10", "00180020": "SE", "00200011": "2" },
  t1ce: {
    "0008103e": "Ax T1 +C",
    "00180080": "600",
    "00180081": "10",
    "00180010": "Gadovist",
    "00180020": "SE",
    "00200011": "5",
  },
  t2: { "0008103e": "Ax T2 TSE", "00180080": "4000", "00180081": "100", "00180020": "SE", "00200011": "3" },
  flair: {
    "0008103e": "Ax FLAIR",
    "00180080": "9000",
    "00180081": "120",
    "00180082": "2500",
    "00180020": "IR",
    "00200011": "4",
  },
};
/** Fluid, skull and scalp beside the brain's mean, as T1, T1 with contrast, T2 and FLAIR show them. */
const AROUND: Readonly<Record<Modality, readonly [number, number, number]>> = {
  t1: [0.25, 0.1, 1.3],
  t1ce: [0.25, 0.1, 1.3],
  t2: [1.6, 0.1, 0.8],
  flair: [0.2, 0.1, 0.9],
};
/** How far each moved since T1 with contrast: radians, then mm. */
const MOVED: Readonly<Record<Modality, readonly [number, number, number, number, number, number]>> = {
  t1: [0.02, 0, 0.03, 1, -2, 1],
  t1ce: [0, 0, 0, 0, 0, 0],
  t2: [0, 0.03, -0.02, -2, 0, 2],
  flair: [-0.03, 0, 0.02, 0, 2, -1],
};

/** About which they turn. */
const MIDDLE: Triple = [-119, 119, 75];

export interface MadePatient {
  readonly dir: string;
  readonly index: number;
  readonly patientId: string;
  readonly study: string;
  readonly without?: readonly Modality[];
  /** Of every series. */
  readonly tags?: Tags;
  /** Of one of them. */
  readonly tagsOf?: Readonly<Partial<Record<Modality, Tags>>>;
}

export interface WrittenPatient {
  /** As the phantom has it, on T1 with contrast's grid. */
  readonly brain: Volume<Uint8Array>;
  /** The same, where T1 was scanned. */
  readonly brainInT1: Volume<Uint8Array>;
  /** Classes, there too. */
  readonly labelMap: Volume<Uint8Array>;
  /** The same, where T2 was scanned. */
  readonly labelMapInT2: Volume<Uint8Array>;
}

export async function writePatient({
  dir,
  index,
  patientId,
  study,
  without = [],
  tags = {},
  tagsOf = {},
}: MadePatient): Promise<WrittenPatient> {
  const phantom = makePhantom({ seed: 77, caseIndex: index, siteIndex: 0, spacingMm: SPACING_MM });
  const brain = Uint8Array.from(phantom.t1.data, (value) => (value === 0 ? 0 : 1));
  for (const [m, modality] of MODALITIES.entries()) {
    if (without.includes(modality)) continue;
    const head = withHead(phantom[modality], brain, AROUND[modality]);
    const motion = rigidMatrix(MOVED[modality], MIDDLE);
    const moved = { ...head, affineVoxelToRas: multiplyAffines(motion, head.affineVoxelToRas) };
    await writeSeries(join(dir, modality), moved, {
      uid: `${study}.${m + 1}`,
      study,
      tags: { "00100020": patientId, ...TAGS[modality], ...tags, ...tagsOf[modality] },
    });
  }
  const { dims, affineVoxelToRas } = phantom.t1ce;
  const onScan = (data: Uint8Array): Volume<Uint8Array> => ({
    dims: paddedDims(dims),
    affineVoxelToRas: paddedAffine(affineVoxelToRas),
    data: padding(data, dims),
  });
  const [whole, labelMap] = [onScan(brain), onScan(phantom.labelMap.data)];
  const scannedIn = (volume: Volume<Uint8Array>, modality: Modality): Volume<Uint8Array> => ({
    ...volume,
    affineVoxelToRas: multiplyAffines(rigidMatrix(MOVED[modality], MIDDLE), volume.affineVoxelToRas),
  });
  return { brain: whole, brainInT1: scannedIn(whole, "t1"), labelMap, labelMapInT2: scannedIn(labelMap, "t2") };
}

/** Room for the head above the brain, which fills the grid nearly to its end. */
const PAD = 8;
const paddedDims = ([x, y, z]: Triple): Triple => [x, y, z + PAD];
const paddedAffine = (m: readonly number[]): readonly number[] => m;

function padding(data: Uint8Array, [x, y, z]: Triple): Uint8Array {
  const out = new Uint8Array(x * y * (z + PAD));
  out.set(data);
  return out;
}

/** Layers by distance from the brain, in steps of a voxel along faces. */
function withHead(
  { dims, data, affineVoxelToRas }: Volume,
  brain: Uint8Array,
  [fluid, skull, scalp]: readonly [number, number, number],
): Volume {
  const size = paddedDims(dims);
  let layer: Uint8Array = padding(brain, dims);
  const inBrain = layer;
  const count = brain.reduce((sum, value) => sum + value, 0);
  const mean = Array.from(data).reduce((sum, value) => sum + value, 0) / count;
  const out = new Float32Array(size[0] * size[1] * size[2]);
  out.set(data);
  // A little noise, so that air is no exact zero.
  for (let i = 0; i < out.length; i++) if (inBrain[i] === 0) out[i] = (i * 7919) % 11;
  for (const level of [fluid, skull, skull, scalp, scalp]) {
    const wider = dilated(layer, size);
    for (let i = 0; i < out.length; i++) {
      if (wider[i] === 1 && layer[i] === 0) out[i] = level * mean * (1 + 0.05 * Math.sin(i));
    }
    layer = wider;
  }
  return { dims: size, affineVoxelToRas: paddedAffine(affineVoxelToRas), data: out };
}

function dilated(mask: Uint8Array, [nx, ny, nz]: Triple): Uint8Array {
  const out = mask.slice();
  for (let k = 0, i = 0; k < nz; k++) {
    for (let j = 0; j < ny; j++) {
      for (let x = 0; x < nx; x++, i++) {
        if (mask[i] === 0) continue;
        if (x > 0) out[i - 1] = 1;
        if (x < nx - 1) out[i + 1] = 1;
        if (j > 0) out[i - nx] = 1;
        if (j < ny - 1) out[i + nx] = 1;
        if (k > 0) out[i - nx * ny] = 1;
        if (k < nz - 1) out[i + nx * ny] = 1;
      }
    }
  }
  return out;
}
