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
export function midSagittalX(brain: Uint8Array, [width, height, depth]: Triple): number {
  let first = width;
  let last = -1;
  for (let row = 0; row < brain.length; row += width) {
    for (let x = 0; x < first; x++) if (brain[row + x] !== 0) first = x;
    for (let x = width - 1; x > last; x--) if (brain[row + x] !== 0) last = x;
  }
  if (last < 0) return (width - 1) / 2;
  const reach = Math.round((last - first) * SEARCH_SHARE);
  let best = { sum: first + last, overlap: -1 };
  for (let step = 0; step <= 2 * reach; step++) {
    const sum = first + last + (step % 2 === 0 ? step / 2 : -(step + 1) / 2);
    const overlap = overlapAbout(brain, width, height * depth, sum);
    if (overlap > best.overlap) best = { sum, overlap };
  }
  return best.sum / 2;
}

/** Voxels whose mirror image, at x' = sum - x, is in the brain as well. */
function overlapAbout(brain: Uint8Array, width: number, rows: number, sum: number): number {
  const from = Math.max(0, sum - width + 1);
  const to = Math.min(width - 1, sum);
  let overlap = 0;
  for (let row = 0; row < rows * width; row += width) {
    for (let x = from; x <= to; x++) if (brain[row + x] !== 0 && brain[row + sum - x] !== 0) overlap++;
  }
  return overlap;
}
