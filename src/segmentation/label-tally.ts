/**
 * Two label maps on one grid, read once: how often each pair of labels meets, and where each label lies. From there
 * every region is counted without another look at the volume, and distances, components and surfaces are taken only
 * within the box that holds a region in both maps.
 *
 * Invariants: both maps have the grid's length (`checkGrid`); labels are 0 to 255; a box is never empty.
 */
import { ConsiliumError } from "../base/index.ts";
import type { Triple } from "../imaging/index.ts";

/** Labels that a map may hold: those of a byte. */
export const LABELS = 256;

/** @throws ConsiliumError `geometry-mismatch`, `geometry-invalid`: as `evaluateLabelMaps`. */
export function checkGrid(prediction: Uint8Array, reference: Uint8Array, dims: Triple, spacingMm: Triple): void {
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

/** One for the classes of a region, by label. */
export function membership(classes: readonly number[]): Uint8Array {
  const member = new Uint8Array(LABELS);
  for (const label of classes) member[label] = 1;
  return member;
}

export interface PairTally {
  /** Voxels with prediction p and reference r at p * 256 + r. */
  readonly pairs: Float64Array;
  /** For each label in either map, six numbers: lowest x, y, z, then highest; lowest > highest where absent. */
  readonly extents: Int32Array;
}

export function tallyPairs(prediction: Uint8Array, reference: Uint8Array, [nx, ny, nz]: Triple): PairTally {
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

/** A box of voxels within a grid. */
export interface Box {
  readonly origin: Triple;
  readonly dims: Triple;
}

/** The smallest box that holds the region in both maps; undefined where it is in neither. */
export function regionBox(extents: Int32Array, member: Uint8Array): Box | undefined {
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

/**
 * A region within a box as ones, with `margin` layers of zeros around it on every side.
 * @returns a mask of (dims + 2 margin) voxels, x fastest.
 */
export function cropRegion(
  labels: Uint8Array,
  [nx, ny]: Triple,
  member: Uint8Array,
  { origin, dims: [bx, by, bz] }: Box,
  margin = 0,
): Uint8Array {
  const [px, py, pz] = [bx + 2 * margin, by + 2 * margin, bz + 2 * margin];
  const mask = new Uint8Array(px * py * pz);
  for (let z = 0; z < bz; z++) {
    for (let y = 0; y < by; y++) {
      const row = ((origin[2] + z) * ny + origin[1] + y) * nx + origin[0];
      const into = ((z + margin) * py + y + margin) * px + margin;
      for (let x = 0; x < bx; x++) mask[into + x] = member[labels[row + x]];
    }
  }
  return mask;
}
