/**
 * How well one label map agrees with another, region by region: Dice, HD95, sensitivity, specificity.
 *
 * A region is a union of classes (whole tumour, tumour core, enhancing tumour). Definitions follow the BraTS
 * evaluation (Menze et al. 2015, section IV; Bakas et al. 2018) with two differences: a figure that is 0/0 is null
 * instead of a convention's 0, 1 or 374 mm, and whoever averages says how many were null.
 *
 * - dice = 2|P and R| / (|P| + |R|), null where both are empty.
 * - sensitivity = |P and R| / |R|, specificity = |neither| / |not R|, null where the denominator is 0.
 * - hd95 = the larger of the two directed 95th percentiles of the distances in mm from the surface voxels of one
 *   region to the nearest surface voxel of the other, null where either is empty. A surface voxel belongs to the
 *   region and has one of its six face neighbours outside; beyond the volume is outside. Percentiles interpolate
 *   linearly between order statistics.
 *
 * One pass over the volume counts pairs of labels and finds their extents; from there every region is counted from
 * the table, and distances are taken only within the box that holds both regions.
 */
import { ConsiliumError } from "../base/index.ts";
import type { Triple } from "../imaging/index.ts";
import { squaredDistancesMm2 } from "./distance-transform.ts";

export interface RegionScores {
  readonly dice: number | null;
  /** Millimetres. */
  readonly hd95: number | null;
  readonly sensitivity: number | null;
  readonly specificity: number | null;
}

/** A region's name and the classes that make it up. */
export type Regions = Readonly<Record<string, readonly number[]>>;

const LABELS = 256;
const PERCENTILE = 0.95;

/**
 * Scores of a predicted label map against a reference on the same grid.
 *
 * @param prediction, reference labels, x fastest, length dims[0] * dims[1] * dims[2].
 * @throws ConsiliumError `geometry-mismatch` where a map's length is not that of the grid, `geometry-invalid` for a
 *   spacing that is not positive.
 */
export function evaluateLabelMaps(
  prediction: Uint8Array,
  reference: Uint8Array,
  dims: Triple,
  spacingMm: Triple,
  regions: Regions,
): Record<string, RegionScores> {
  checkGrid(prediction, reference, dims, spacingMm);
  const tally = tallyPairs(prediction, reference, dims);
  const scores: Record<string, RegionScores> = {};
  for (const [name, classes] of Object.entries(regions)) {
    const member = membership(classes);
    scores[name] = {
      ...overlap(tally.pairs, member),
      hd95: hausdorff95(prediction, reference, dims, spacingMm, member, regionBox(tally.extents, member)),
    };
  }
  return scores;
}

function checkGrid(prediction: Uint8Array, reference: Uint8Array, dims: Triple, spacingMm: Triple): void {
  const voxels = dims[0] * dims[1] * dims[2];
  for (const [subject, map] of [
    ["prediction", prediction],
    ["reference", reference],
  ] as const) {
    if (map.length === voxels) continue;
    throw new ConsiliumError("geometry-mismatch", {
      subject,
      expected: `${voxels} voxels (${dims.join(" x ")})`,
      actual: `${map.length}`,
      hint: "Compare label maps on one grid: bring the prediction back to the reference's grid first.",
    });
  }
  if (spacingMm.every((mm) => Number.isFinite(mm) && mm > 0)) return;
  throw new ConsiliumError("geometry-invalid", {
    subject: "voxel spacing",
    expected: "three positive numbers of millimetres",
    actual: spacingMm.join(" x "),
    hint: "Correct the image header's voxel size.",
  });
}

function membership(classes: readonly number[]): Uint8Array {
  const member = new Uint8Array(LABELS);
  for (const label of classes) member[label] = 1;
  return member;
}

interface PairTally {
  /** Voxels with prediction p and reference r at p * 256 + r. */
  readonly pairs: Float64Array;
  /** For each label in either map, six numbers: lowest x, y, z, then highest; lowest > highest where absent. */
  readonly extents: Int32Array;
}

function tallyPairs(prediction: Uint8Array, reference: Uint8Array, [nx, ny, nz]: Triple): PairTally {
  const pairs = new Float64Array(LABELS * LABELS);
  const extents = new Int32Array(LABELS * 6);
  for (let label = 0; label < LABELS; label++) {
    extents.fill(0x7fffffff, 6 * label, 6 * label + 3);
    extents.fill(-1, 6 * label + 3, 6 * label + 6);
  }
  const extend = (label: number, firstX: number, lastX: number, y: number, z: number): void => {
    const e = 6 * label;
    if (firstX < extents[e]) extents[e] = firstX;
    if (y < extents[e + 1]) extents[e + 1] = y;
    if (z < extents[e + 2]) extents[e + 2] = z;
    if (lastX > extents[e + 3]) extents[e + 3] = lastX;
    if (y > extents[e + 4]) extents[e + 4] = y;
    if (z > extents[e + 5]) extents[e + 5] = z;
  };
  for (let z = 0, row = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++, row += nx) {
      for (let x = 0; x < nx; ) {
        const p = prediction[row + x];
        const r = reference[row + x];
        const firstX = x;
        do x++;
        while (x < nx && prediction[row + x] === p && reference[row + x] === r);
        pairs[p * LABELS + r] += x - firstX;
        extend(p, firstX, x - 1, y, z);
        if (r !== p) extend(r, firstX, x - 1, y, z);
      }
    }
  }
  return { pairs, extents };
}

function overlap(pairs: Float64Array, member: Uint8Array): Omit<RegionScores, "hd95"> {
  let both = 0;
  let onlyPrediction = 0;
  let onlyReference = 0;
  let neither = 0;
  for (let i = 0; i < pairs.length; i++) {
    const inPrediction = member[Math.floor(i / LABELS)] === 1;
    const inReference = member[i % LABELS] === 1;
    if (inPrediction && inReference) both += pairs[i];
    else if (inPrediction) onlyPrediction += pairs[i];
    else if (inReference) onlyReference += pairs[i];
    else neither += pairs[i];
  }
  return {
    dice: ratio(2 * both, 2 * both + onlyPrediction + onlyReference),
    sensitivity: ratio(both, both + onlyReference),
    specificity: ratio(neither, neither + onlyPrediction),
  };
}

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}

interface Box {
  readonly origin: Triple;
  readonly dims: Triple;
}

/** The smallest box that holds the region in both maps; undefined where it is in neither. */
function regionBox(extents: Int32Array, member: Uint8Array): Box | undefined {
  const low = [0x7fffffff, 0x7fffffff, 0x7fffffff];
  const high = [-1, -1, -1];
  for (let label = 0; label < LABELS; label++) {
    if (member[label] === 0) continue;
    for (let axis = 0; axis < 3; axis++) {
      low[axis] = Math.min(low[axis], extents[6 * label + axis]);
      high[axis] = Math.max(high[axis], extents[6 * label + 3 + axis]);
    }
  }
  if (high[0] < 0) return undefined;
  return {
    origin: [low[0], low[1], low[2]],
    dims: [high[0] - low[0] + 1, high[1] - low[1] + 1, high[2] - low[2] + 1],
  };
}

function hausdorff95(
  prediction: Uint8Array,
  reference: Uint8Array,
  dims: Triple,
  spacingMm: Triple,
  member: Uint8Array,
  box: Box | undefined,
): number | null {
  if (box === undefined) return null;
  const fromPrediction = surfaceWithin(prediction, dims, member, box);
  const fromReference = surfaceWithin(reference, dims, member, box);
  if (fromPrediction.voxels.length === 0 || fromReference.voxels.length === 0) return null;
  const squared = squaredDistancesMm2(fromReference.mask, box.dims, spacingMm);
  const there = percentileOfRoots(squared, fromPrediction.voxels);
  squaredDistancesMm2(fromPrediction.mask, box.dims, spacingMm, squared);
  return Math.max(there, percentileOfRoots(squared, fromReference.voxels));
}

interface Surface {
  /** One where a voxel of the box is on the surface. */
  readonly mask: Uint8Array;
  /** The same voxels as indices into the box. */
  readonly voxels: Int32Array;
}

/** The surface of a region within a box that holds all of it, so that beyond the box is outside the region. */
function surfaceWithin(labels: Uint8Array, [nx, ny]: Triple, member: Uint8Array, { origin, dims }: Box): Surface {
  const [bx, by, bz] = dims;
  const inside = new Uint8Array(bx * by * bz);
  for (let z = 0, i = 0; z < bz; z++) {
    for (let y = 0; y < by; y++) {
      const row = ((origin[2] + z) * ny + origin[1] + y) * nx + origin[0];
      for (let x = 0; x < bx; x++, i++) inside[i] = member[labels[row + x]];
    }
  }
  const mask = new Uint8Array(inside.length);
  const plane = bx * by;
  let count = 0;
  for (let z = 0, i = 0; z < bz; z++) {
    const zEdge = z === 0 || z === bz - 1;
    for (let y = 0; y < by; y++) {
      const yzEdge = zEdge || y === 0 || y === by - 1;
      for (let x = 0; x < bx; x++, i++) {
        if (inside[i] === 0) continue;
        const interior =
          !(yzEdge || x === 0 || x === bx - 1) &&
          (inside[i - 1] & inside[i + 1] & inside[i - bx] & inside[i + bx] & inside[i - plane] & inside[i + plane]) ===
            1;
        if (interior) continue;
        mask[i] = 1;
        count++;
      }
    }
  }
  const voxels = new Int32Array(count);
  for (let i = 0, n = 0; n < count; i++) if (mask[i] === 1) voxels[n++] = i;
  return { mask, voxels };
}

/** The 95th percentile of the distances at the voxels named, interpolated linearly between order statistics. */
function percentileOfRoots(squared: Float64Array, voxels: Int32Array): number {
  const values = new Float64Array(voxels.length);
  for (let i = 0; i < voxels.length; i++) values[i] = squared[voxels[i]];
  const place = PERCENTILE * (values.length - 1);
  const rank = Math.floor(place);
  selectRank(values, rank);
  const below = Math.sqrt(values[rank]);
  if (place === rank) return below;
  let next = values[rank + 1];
  for (let i = rank + 2; i < values.length; i++) if (values[i] < next) next = values[i];
  return below + (place - rank) * (Math.sqrt(next) - below);
}

/** Reorders so that the value of the given rank stands at its place, none greater before it, none smaller behind it. */
function selectRank(values: Float64Array, rank: number): void {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const pivot = values[(low + high) >>> 1];
    let i = low;
    let j = high;
    while (i <= j) {
      while (values[i] < pivot) i++;
      while (values[j] > pivot) j--;
      if (i > j) break;
      const kept = values[i];
      values[i++] = values[j];
      values[j--] = kept;
    }
    if (rank <= j) high = j;
    else if (rank >= i) low = i;
    else return;
  }
}
