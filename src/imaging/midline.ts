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
  let first = width;
  let last = -1;
  for (let row = 0; row < brain.length; row += width) {
    for (let x = 0; x < first; x++) if (brain[row + x] !== 0) first = x;
    for (let x = width - 1; x > last; x--) if (brain[row + x] !== 0) last = x;
  }
  if (last < 0) return (width - 1) / 2;
  const rows = rowsWithBrain(brain, width, first, last);
  const reach = Math.round((last - first) * SEARCH_SHARE);
  let best = { sum: first + last, overlap: -1 };
  for (let step = 0; step <= 2 * reach; step++) {
    const sum = first + last + (step % 2 === 0 ? step / 2 : -(step + 1) / 2);
    const overlap = overlapAbout(brain, rows, first, last, sum);
    if (overlap > best.overlap) best = { sum, overlap };
  }
  return best.sum / 2;
}

/** Where rows begin that hold a voxel of the brain. */
function rowsWithBrain(brain: Uint8Array, width: number, first: number, last: number): Int32Array {
  const rows: number[] = [];
  for (let row = 0; row < brain.length; row += width) {
    for (let x = first; x <= last; x++) {
      if (brain[row + x] === 0) continue;
      rows.push(row);
      break;
    }
  }
  return Int32Array.from(rows);
}

/** Voxels whose mirror image, at x' = sum - x, is in the brain as well, which lies from `first` to `last` along x. */
function overlapAbout(brain: Uint8Array, rows: Int32Array, first: number, last: number, sum: number): number {
  const from = Math.max(first, sum - last);
  const middle = sum / 2;
  let pairs = 0;
  let onPlane = 0;
  for (const row of rows) {
    for (let x = from; x < middle; x++) if (brain[row + x] !== 0 && brain[row + sum - x] !== 0) pairs++;
    if (Number.isInteger(middle) && brain[row + middle] !== 0) onPlane++;
  }
  return 2 * pairs + onPlane;
}
