/**
 * What is checked before a case counts as done, after FeTS's sanity checks: grid, intensities, the size of the brain,
 * how much of it each scan shows, and whether it lies on the atlas's brain. Nothing is mended: a case passes, or is
 * refused with the figure that failed.
 */
import { ConsiliumError } from "../base/index.ts";
import {
  type Affine,
  applyAffine,
  type ByScan,
  checkBrainVolume,
  type Grid,
  invertAffine,
  multiplyAffines,
  resampleOnto,
  scansOf,
  spacingMmOf,
  type Triple,
  type Volume,
} from "../imaging/index.ts";
import { type Motions, motionOf, type Scans, UNMOVED } from "./align-case.ts";
import type { Atlas } from "./atlas.ts";

export interface CaseChecks {
  readonly brainMl: number;
  /** Dice of the case's brain and the atlas's. */
  readonly atlasOverlap: number;
  /** Part of the brain that the scan reaches. */
  readonly coverage: ByScan<number>;
}

const MIN_OVERLAP = 0.75;
const MIN_COVERAGE = 0.7;

/** @throws ConsiliumError `brain-not-found`, `registration-failed`, `series-incomplete`. */
export function checkPlacement(
  brain: Volume<Uint8Array>,
  atlas: Atlas,
  motions: Motions,
  scans: ByScan<Grid>,
): CaseChecks {
  const voxelMl = spacingMmOf(brain.affineVoxelToRas).reduce((product, side) => product * side, 1) / 1000;
  const brainMl = voxelMl * brain.data.reduce((sum, inside) => sum + inside, 0);
  checkBrainVolume(brainMl, "brain on the atlas");
  const atlasOverlap = overlapWith(atlas, brain);
  if (atlasOverlap < MIN_OVERLAP) {
    throw new ConsiliumError("registration-failed", {
      subject: "brain on the atlas",
      expected: `an overlap (Dice) of at least ${MIN_OVERLAP} with the atlas's brain`,
      actual: atlasOverlap.toFixed(3),
      hint: "Look at the pictures: was the brain found whole, and does it lie upright?",
    });
  }
  const coverage = Object.fromEntries(
    scansOf(scans).map(([modality, scan]) => [modality, coverageOf(brain, motionOf(motions, modality), scan)]),
  ) as unknown as ByScan<number>;
  const least = scansOf(coverage).find(([, part]) => part < MIN_COVERAGE);
  if (least !== undefined) {
    throw new ConsiliumError("series-incomplete", {
      subject: least[0],
      expected: `a scan that reaches ${100 * MIN_COVERAGE} % of the brain`,
      actual: `${(100 * least[1]).toFixed(0)} %`,
      hint: "Take another series, or leave the case out.",
    });
  }
  return { brainMl, atlasOverlap, coverage };
}

export function overlapWith({ brain: atlas }: Atlas, brain: Volume<Uint8Array>): number {
  const inAtlas = { ...atlas, data: Float32Array.from(atlas.data, (value) => (value > 0 ? 1 : 0)) };
  const there = resampleOnto(inAtlas, brain, UNMOVED).data;
  let [both, sum] = [0, 0];
  for (let i = 0; i < there.length; i++) {
    const [a, b] = [there[i] >= 0.5 ? 1 : 0, brain.data[i]];
    both += a * b;
    sum += a + b;
  }
  return (2 * both) / Math.max(1, sum);
}

const STEP = 2;

function coverageOf(brain: Volume<Uint8Array>, motion: Affine, { dims, affineVoxelToRas }: Grid): number {
  const toVoxel = multiplyAffines(invertAffine(affineVoxelToRas), multiplyAffines(motion, brain.affineVoxelToRas));
  let [inside, all] = [0, 0];
  const [nx, ny, nz] = brain.dims;
  for (let k = 0; k < nz; k += STEP) {
    for (let j = 0; j < ny; j += STEP) {
      for (let i = 0; i < nx; i += STEP) {
        if (brain.data[(k * ny + j) * nx + i] === 0) continue;
        all++;
        const at = applyAffine(toVoxel, [i, j, k] as Triple);
        if (at.every((x, axis) => x > -0.5 && x < dims[axis] - 0.5)) inside++;
      }
    }
  }
  return inside / Math.max(1, all);
}

/** @throws ConsiliumError `intensity-invalid` for values that no magnitude image has within a brain. */
export function checkIntensities(scans: Scans): void {
  for (const [modality, { data }] of scansOf(scans)) {
    const refuse = (expected: string, actual: string, hint: string): never => {
      throw new ConsiliumError("intensity-invalid", { subject: modality, expected, actual, hint });
    };
    let [negative, finite, positive] = [0, 0, 0];
    for (const value of data) {
      if (value - value === 0) finite++;
      if (value < 0) negative++;
      if (value > 0) positive++;
    }
    if (finite < data.length) refuse("finite values", `${data.length - finite} voxels of none`, "Export it again.");
    if (positive === 0) refuse("positive values within the brain", "none", "Is this the scanner's own image?");
    if (negative > 0) {
      refuse(
        "no negative value within the brain",
        `${negative} voxels`,
        "Export the magnitude image, with the scanner's rescale slope and intercept.",
      );
    }
  }
}
