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
import type { Triple } from "../imaging/index.ts";
import { squaredDistancesMm2 } from "./distance-transform.ts";
import {
  type Box,
  checkGrid,
  cropRegion,
  LABELS,
  membership,
  type PairTally,
  regionBox,
  tallyPairs,
} from "./label-tally.ts";

export interface RegionScores {
  /** Overlap: twice the shared voxels over the sum of both; 0 to 1. */
  readonly dice: number | null;
  /** Larger of the two directed 95th percentiles of the distances between surface voxels, millimetres. */
  readonly hd95: number | null;
  /** Share of the reference that was found; 0 to 1. */
  readonly sensitivity: number | null;
  /** Share of what is not the reference that was left alone; 0 to 1. */
  readonly specificity: number | null;
}

/** A region's name and the classes that make it up. */
export type Regions = Readonly<Record<string, readonly number[]>>;

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
    scores[name] = scoreRegion(prediction, reference, dims, spacingMm, membership(classes), tally);
  }
  return scores;
}

/** One region's scores, where the maps are checked and counted already. */
export function scoreRegion(
  prediction: Uint8Array,
  reference: Uint8Array,
  dims: Triple,
  spacingMm: Triple,
  member: Uint8Array,
  { pairs, extents }: PairTally,
): RegionScores {
  const box = regionBox(extents, member);
  return { ...overlap(pairs, member), hd95: hausdorff95(prediction, reference, dims, spacingMm, member, box) };
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
  const there = squaredDistancesMm2(fromReference.mask, box.dims, spacingMm, fromPrediction.voxels);
  const back = squaredDistancesMm2(fromPrediction.mask, box.dims, spacingMm, fromReference.voxels);
  return Math.max(percentileOfRoots(there), percentileOfRoots(back));
}

interface Surface {
  /** One where a voxel of the box is on the surface. */
  readonly mask: Uint8Array;
  /** The same voxels as indices into the box. */
  readonly voxels: Int32Array;
}

/** The surface of a region within a box that holds all of it, so that beyond the box is outside the region. */
function surfaceWithin(labels: Uint8Array, dims: Triple, member: Uint8Array, box: Box): Surface {
  const [bx, by, bz] = box.dims;
  const inside = cropRegion(labels, dims, member, box);
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

/** The 95th percentile of the distances, interpolated linearly between order statistics; reorders the values. */
function percentileOfRoots(values: Float64Array): number {
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
