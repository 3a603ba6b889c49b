/**
 * The geometry of one case: its scans to each other, its brain, and its T1 with contrast to the atlas. Estimates
 * are made on copies (coarser, without the coil's brightness); what is handed on is the scans as they were, through one
 * interpolation each, zero outside the brain.
 */
import { invariant, renamed } from "../base/index.ts";
import {
  type Affine,
  type ByScan,
  blockAverage,
  extractBrain,
  type Grid,
  type Modality,
  multiplyAffines,
  registerRigid,
  resampleOnto,
  scansOf,
  spacingMmOf,
  type Volume,
  withoutBias,
} from "../imaging/index.ts";
import type { Atlas } from "./atlas.ts";

export type Scans = ByScan<Volume<Float32Array>>;

/** A rigid motion by modality, RAS to RAS mm, row-major. */
export type Motions = ByScan<Affine>;

/** To which the others are registered. */
const REFERENCE = "t1ce";
/** Finer voxels than these bring nothing to an estimate. */
const WORKING_MM = 1.4;
const ATLAS_WORKING_MM = 2;
export const UNMOVED: Affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

/** Of a scan that the case has. */
export function motionOf(motions: Motions, modality: Modality): Affine {
  const motion = motions[modality];
  invariant(motion !== undefined, `a motion of ${modality}`);
  return motion;
}

/** The copy that estimates are made on. */
export function workingCopy(scan: Volume<Float32Array>): Volume<Float32Array> {
  return withoutBias(blockAverage(scan, WORKING_MM));
}

export interface MutualRegistration {
  /** Where a point of T1 with contrast lies in the scan. */
  readonly motions: Motions;
  /** Normalised mutual information of each with T1 with contrast, 1 (none) to 2. */
  readonly information: Readonly<Partial<Record<Modality, number>>>;
}

/**
 * @param copies working copies of the scans that there are.
 * @param apart scans whose header says that they lie in a space of their own.
 * @throws ConsiliumError `registration-failed`, naming the scan.
 */
export function registerScans(copies: Scans, apart: ReadonlySet<Modality>): MutualRegistration {
  const motions: Partial<Record<Modality, Affine>> = { [REFERENCE]: UNMOVED };
  const information: Partial<Record<Modality, number>> = {};
  for (const [modality, copy] of scansOf(copies)) {
    if (modality === REFERENCE) continue;
    const found = named(`${modality} onto ${REFERENCE}`, () =>
      registerRigid(copies[REFERENCE], copy, { alignCentres: apart.has(modality) }),
    );
    motions[modality] = found.fixedToMoving;
    information[modality] = found.information;
  }
  return { motions: motions as Motions, information };
}

function named<T>(subject: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw renamed(error, subject);
  }
}

/** How a mask is found where the site has no network of its own. */
export type BrainFinder = (scan: Volume<Float32Array>, subject: string) => Promise<Uint8Array>;

export const classicalBrain: BrainFinder = (scan, subject) => Promise.resolve(extractBrain(scan, subject).mask);

/**
 * The brain, looked for in T1 with contrast or in T1, whichever has the finer slices (without contrast, vessels and
 * dura are dark, so that T1 is taken where both are alike); without a T1, in T1 with contrast.
 * @returns a mask on the grid of T1 with contrast's working copy.
 */
export async function findBrain(copies: Scans, motions: Motions, find: BrainFinder): Promise<Volume<Uint8Array>> {
  const { dims, affineVoxelToRas } = copies[REFERENCE];
  const stripped = strippedMask(copies[REFERENCE]);
  if (stripped !== undefined) return { dims, affineVoxelToRas, data: stripped };
  const coarsest = (scan: Volume): number => Math.max(...spacingMmOf(scan.affineVoxelToRas));
  const { t1 } = copies;
  if (t1 === undefined || motions.t1 === undefined || coarsest(t1) > coarsest(copies[REFERENCE]) + 0.1) {
    return { dims, affineVoxelToRas, data: await find(copies[REFERENCE], REFERENCE) };
  }
  const mask = await find(t1, "t1");
  return maskOnto({ ...t1, data: Float32Array.from(mask) }, copies[REFERENCE], motions.t1);
}

/** Interpolated, and cut at one half. */
export function maskOnto(mask: Volume<Float32Array>, grid: Grid, gridToMask: Affine): Volume<Uint8Array> {
  const { data, dims, affineVoxelToRas } = resampleOnto(mask, grid, gridToMask);
  return { dims, affineVoxelToRas, data: Uint8Array.from(data, (share) => (share >= 0.5 ? 1 : 0)) };
}

/** Scanners never write as many exact zeros around a head as there are around a brain that was cut out. */
const STRIPPED_ZEROS = 0.6;

function strippedMask({ data }: Volume<Float32Array>): Uint8Array | undefined {
  const zeros = data.reduce((count, value) => count + (value === 0 ? 1 : 0), 0);
  return zeros > STRIPPED_ZEROS * data.length ? Uint8Array.from(data, (value) => (value === 0 ? 0 : 1)) : undefined;
}

export interface AtlasRegistration {
  /** Where a point of the atlas lies in T1 with contrast. */
  readonly atlasToReference: Affine;
  readonly information: number;
}

/** @throws ConsiliumError `registration-failed`. */
export function registerToAtlas(
  reference: Volume<Float32Array>,
  brain: Volume<Uint8Array>,
  atlas: Atlas,
): AtlasRegistration {
  const alone = { ...reference, data: reference.data.map((value, i) => (brain.data[i] === 1 ? value : 0)) };
  const moving = blockAverage(alone, ATLAS_WORKING_MM);
  const fixed = blockAverage(atlas.brain, ATLAS_WORKING_MM);
  const { fixedToMoving, information } = named("T1 with contrast onto the atlas", () =>
    registerRigid(fixed, moving, { alignCentres: true }),
  );
  return { atlasToReference: fixedToMoving, information };
}

/** Where a point of the atlas lies in each scan. */
export function motionsFromAtlas(motions: Motions, atlasToReference: Affine): Motions {
  const entries = scansOf(motions).map(([modality, motion]) => [modality, multiplyAffines(motion, atlasToReference)]);
  return Object.fromEntries(entries) as Motions;
}

/** One scan on the atlas's grid, by its only interpolation, zero outside the brain. */
export function onAtlas(
  scan: Volume<Float32Array>,
  atlasToScan: Affine,
  brain: Volume<Uint8Array>,
): Volume<Float32Array> {
  const aligned = resampleOnto(scan, brain, atlasToScan);
  for (let i = 0; i < aligned.data.length; i++) if (brain.data[i] === 0) aligned.data[i] = 0;
  return aligned;
}
