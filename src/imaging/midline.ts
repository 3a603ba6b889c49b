/** The mid-sagittal plane of a brain whose left to right runs along x, as in LPS order. */
import type { Triple } from "./volume.ts";

/** The plane is looked for this far on either side of the middle of the brain's box, as a share of the box. */
const SEARCH_SHARE = 1 / 8;

/**
 * x of the plane about which the mask is most nearly symmetric, in voxels, to half a voxel: the mirror plane with the
 * largest overlap of the mask and its mirror image. Of equal ones, that nearest to the middle of the mask's box. The
 * plane is taken as upright: scans are registered to an atlas beforehand.
 * @param brain [D, H, W], non-zero in the brain.
 */
export function midSagittalX(brain: Uint8Array, [width]: Triple): number {
  const rows = runsOfRows(brain, width);
  const { first, last } = rows;
  if (last < 0) return (width - 1) / 2;
  const reach = Math.round((last - first) * SEARCH_SHARE);
  let best = { sum: first + last, overlap: -1 };
  for (let step = 0; step <= 2 * reach; step++) {
    const sum = first + last + (step % 2 === 0 ? step / 2 : -(step + 1) / 2);
    const overlap = overlapAbout(rows, sum);
    if (overlap > best.overlap) best = { sum, overlap };
  }
  return best.sum / 2;
}

/** What lies in the brain, row by row: a row's few runs say as much as its voxels. */
interface RowRuns {
  /** First and last x of each run, one run after the other. */
  readonly ends: readonly number[];
  /** Where a row's runs begin in `ends`, and behind the last row its length; rows without a run are left out. */
  readonly starts: readonly number[];
  /** Smallest and largest x of all; `last` is -1 where there is none. */
  readonly first: number;
  readonly last: number;
}

function runsOfRows(brain: Uint8Array, width: number): RowRuns {
  const ends: number[] = [];
  const starts: number[] = [0];
  let [first, last] = [width, -1];
  for (let row = 0; row < brain.length; row += width) {
    for (let x = 0; x < width; x++) {
      if (brain[row + x] === 0) continue;
      const from = x;
      while (x + 1 < width && brain[row + x + 1] !== 0) x++;
      ends.push(from, x);
      if (from < first) first = from;
      if (x > last) last = x;
    }
    if (ends.length > starts[starts.length - 1]) starts.push(ends.length);
  }
  return { ends, starts, first, last };
}

/** Voxels whose mirror image, at x' = sum - x, is in the brain as well. */
function overlapAbout({ ends, starts }: RowRuns, sum: number): number {
  let overlap = 0;
  for (let row = 1; row < starts.length; row++) {
    const [begin, end] = [starts[row - 1], starts[row]];
    for (let a = begin; a < end; a += 2) {
      for (let b = begin; b < end; b += 2) {
        const from = Math.max(ends[a], sum - ends[b + 1]);
        const to = Math.min(ends[a + 1], sum - ends[b]);
        if (to >= from) overlap += to - from + 1;
      }
    }
  }
  return overlap;
}
