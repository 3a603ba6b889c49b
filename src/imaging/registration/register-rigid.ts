/**
 * Rigid registration from coarse to fine: both images are smoothed to a level's scale, points of the fixed one are
 * drawn, and Powell's method looks for the motion of the most normalised mutual information. The coarsest level starts
 * from several places and keeps the best few, so that a head turned by 20 degrees is found.
 *
 * Everything is drawn from a fixed seed: the same images give the same motion.
 */
import { ConsiliumError, createRandom } from "../../base/index.ts";
import { applyAffine } from "../affine.ts";
import { type Affine, spacingMmOf, type Triple, type Volume } from "../volume.ts";
import { fixedSamples, movingImage, mutualInformation } from "./mutual-information.ts";
import { maximise } from "./powell.ts";
import { NO_MOTION, type RigidParameters, rigidMatrix } from "./rigid-transform.ts";
import { smoothed } from "./smooth.ts";

export interface Registration {
  /** Rigid: points of the fixed image's space to the moving image's, RAS mm. */
  readonly fixedToMoving: Affine;
  /** Normalised mutual information at the finest level, 1 (none) to 2. */
  readonly information: number;
}

export interface RegistrationOptions {
  /** Voxels of the fixed image that count; default all. */
  readonly within?: Uint8Array;
  /** Start with the centres of mass on each other, for images whose headers share no space. */
  readonly alignCentres?: boolean;
}

interface Level {
  readonly scaleMm: number;
  readonly stepMm: number;
  readonly degrees: number;
  readonly tolerance: number;
}

const LEVELS: readonly Level[] = [
  { scaleMm: 8, stepMm: 8, degrees: 6, tolerance: 0.1 },
  { scaleMm: 4, stepMm: 2, degrees: 1.5, tolerance: 0.1 },
  { scaleMm: 2, stepMm: 0.6, degrees: 0.5, tolerance: 0.1 },
];
/** Around each axis, at the coarsest level. */
const STARTS: readonly RigidParameters[] = [
  NO_MOTION,
  [0.21, 0, 0, 0, 0, 0],
  [-0.21, 0, 0, 0, 0, 0],
  [0, 0, 0.21, 0, 0, 0],
  [0, 0, -0.21, 0, 0, 0],
  [0, 0.21, 0, 0, 0, 0],
  [0, -0.21, 0, 0, 0, 0],
];
/** Below it two images have nothing in common. */
const MIN_INFORMATION = 1.02;

/** @throws ConsiliumError `registration-failed` where no motion makes the images tell of each other. */
export function registerRigid(
  fixed: Volume<Float32Array>,
  moving: Volume<Float32Array>,
  options: RegistrationOptions = {},
): Registration {
  const centre = centreOfMass(fixed, options.within);
  const offset = options.alignCentres ? centreOfMass(moving).map((x, axis) => x - centre[axis]) : ([0, 0, 0] as const);
  let candidates = STARTS.map((start) => start.map((x, i) => (i < 3 ? x : x + offset[i - 3])));
  let information = 0;
  for (const [depth, level] of LEVELS.entries()) {
    const similarity = similarityAt(level, fixed, moving, options.within, centre);
    const radians = (level.degrees * Math.PI) / 180;
    const steps = [radians, radians, radians, level.stepMm, level.stepMm, level.stepMm];
    const found = candidates
      .map((start) => maximise(similarity, start, { steps, tolerance: level.tolerance, maxSweeps: 6, minGain: 1e-5 }))
      .sort((a, b) => b.value - a.value);
    // The two best starts go on from the coarsest level, one from the next.
    candidates = found.slice(0, depth === 0 ? 2 : 1).map(({ at }) => [...at]);
    information = found[0].value;
  }
  if (!(information >= MIN_INFORMATION)) {
    throw new ConsiliumError("registration-failed", {
      subject: "registration",
      expected: `images that tell of each other (normalised mutual information from ${MIN_INFORMATION})`,
      actual: information.toFixed(4),
      hint: "Check that both show the same head, and that their headers place them near each other.",
    });
  }
  return { fixedToMoving: rigidMatrix(candidates[0] as unknown as RigidParameters, centre), information };
}

function similarityAt(
  { scaleMm }: Level,
  fixed: Volume<Float32Array>,
  moving: Volume<Float32Array>,
  within: Uint8Array | undefined,
  centre: Triple,
): (x: readonly number[]) => number {
  const random = createRandom("registration", scaleMm);
  const step = spacingMmOf(fixed.affineVoxelToRas).map((s) =>
    Math.max(1, Math.round(scaleMm / s)),
  ) as unknown as Triple;
  const wanted = within === undefined ? () => true : (index: number) => within[index] !== 0;
  const samples = fixedSamples(atScale(fixed, scaleMm), step, wanted, () => random.uniform());
  const image = movingImage(atScale(moving, scaleMm));
  return (x) => mutualInformation(samples, image, rigidMatrix(x as unknown as RigidParameters, centre));
}

/** Smoothed to about the scale, along each axis as far as its voxels do not do so already. */
function atScale(volume: Volume<Float32Array>, scaleMm: number): Volume<Float32Array> {
  const { dims, data, affineVoxelToRas } = volume;
  const sigma = spacingMmOf(affineVoxelToRas).map((s) => (0.5 * Math.sqrt(Math.max(0, scaleMm ** 2 - s ** 2))) / s);
  return { dims, affineVoxelToRas, data: smoothed(data, dims, sigma as unknown as Triple) };
}

/** Of what is brighter than the mean, in RAS mm. */
function centreOfMass({ dims, data, affineVoxelToRas }: Volume<Float32Array>, within?: Uint8Array): Triple {
  let total = 0;
  for (let i = 0; i < data.length; i++) total += data[i];
  const threshold = total / data.length;
  const sums = [0, 0, 0];
  let weight = 0;
  for (let k = 0, i = 0; k < dims[2]; k++) {
    for (let j = 0; j < dims[1]; j++) {
      for (let x = 0; x < dims[0]; x++, i++) {
        if (within === undefined ? data[i] <= threshold : within[i] === 0) continue;
        sums[0] += x;
        sums[1] += j;
        sums[2] += k;
        weight++;
      }
    }
  }
  const voxel = sums.map((sum) => sum / Math.max(1, weight)) as unknown as Triple;
  return applyAffine(affineVoxelToRas, voxel);
}
