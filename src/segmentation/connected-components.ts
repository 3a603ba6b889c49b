/**
 * Connected components of a mask with 26 neighbours: voxels that share a face, an edge or a corner belong together.
 *
 * Rows are cut into runs of ones; runs of neighbouring rows that overlap, or meet at a corner, are joined in a
 * union-find forest (Hoshen and Kopelman 1976, on runs instead of voxels). Work grows with the number of runs, not
 * of voxels, once the rows were read.
 *
 * Invariant: components are numbered from 1 in the order of their first voxels, so equal masks give equal numbers.
 */
import type { Triple } from "../imaging/index.ts";

/** The ones of a mask as stretches along x. */
export interface Runs {
  /** First voxel of each run, as an index into the mask; rising. */
  readonly starts: Int32Array;
  /** Voxels of each run. */
  readonly lengths: Int32Array;
  /** For each row (z * ny + y), the first of its runs; one entry more than rows. */
  readonly rows: Int32Array;
}

export interface Components {
  readonly count: number;
  readonly runs: Runs;
  /** For each run its component, 1 to count. */
  readonly ofRun: Int32Array;
}

/** @param mask ones and zeros, x fastest. */
export function runsOf(mask: Uint8Array, [nx, ny, nz]: Triple): Runs {
  const starts: number[] = [];
  const lengths: number[] = [];
  const rows = new Int32Array(ny * nz + 1);
  // One search through the mask, not one a row: most rows are empty.
  let next = mask.indexOf(1);
  for (let row = 0; row < ny * nz; row++) {
    rows[row] = starts.length;
    const end = (row + 1) * nx;
    while (next >= 0 && next < end) {
      const start = next;
      while (next < end && mask[next] === 1) next++;
      starts.push(start);
      lengths.push(next - start);
      next = mask.indexOf(1, next);
    }
  }
  rows[ny * nz] = starts.length;
  return { starts: Int32Array.from(starts), lengths: Int32Array.from(lengths), rows };
}

/** @param mask ones and zeros, x fastest. */
export function connectedComponents(mask: Uint8Array, dims: Triple): Components {
  const [nx, ny, nz] = dims;
  const runs = runsOf(mask, dims);
  const parents = Int32Array.from({ length: runs.starts.length }, (_, run) => run);
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      const row = z * ny + y;
      if (y > 0) joinRows(runs, nx, row, row - 1, parents);
      if (z === 0) continue;
      for (let dy = -1; dy <= 1; dy++) {
        if (y + dy >= 0 && y + dy < ny) joinRows(runs, nx, row, row - ny + dy, parents);
      }
    }
  }
  const ofRun = new Int32Array(parents.length);
  let count = 0;
  // A root is the first run of its tree, so its number is there before any other run asks for it.
  for (let run = 0; run < parents.length; run++) {
    const root = rootOf(run, parents);
    ofRun[run] = root === run ? ++count : ofRun[root];
  }
  return { count, runs, ofRun };
}

function joinRows({ starts, lengths, rows }: Runs, nx: number, row: number, other: number, parents: Int32Array): void {
  let b = rows[other];
  const shift = (row - other) * nx;
  for (let a = rows[row]; a < rows[row + 1]; a++) {
    const start = starts[a] - shift;
    const end = start + lengths[a];
    while (b < rows[other + 1] && starts[b] + lengths[b] < start) b++;
    // The last run that touches this one may touch the next one as well.
    for (let c = b; c < rows[other + 1] && starts[c] <= end; c++) join(a, c, parents);
  }
}

function join(a: number, b: number, parents: Int32Array): void {
  const [rootA, rootB] = [rootOf(a, parents), rootOf(b, parents)];
  parents[Math.max(rootA, rootB)] = Math.min(rootA, rootB);
}

function rootOf(run: number, parents: Int32Array): number {
  let at = run;
  while (parents[at] !== at) {
    parents[at] = parents[parents[at]];
    at = parents[at];
  }
  return at;
}

/**
 * The runs grown by `steps` steps, each to the 18 neighbours that share a face or an edge: the voxels at offsets of
 * at most `steps` along every axis and 2 x `steps` over all three. What would leave the grid is lost.
 */
export function grown({ starts, lengths, rows }: Runs, [nx, ny, nz]: Triple, steps: number): Uint8Array {
  const mask = new Uint8Array(nx * ny * nz);
  for (let row = 0; row < ny * nz; row++) {
    const [y, z] = [row % ny, Math.floor(row / ny)];
    for (let run = rows[row]; run < rows[row + 1]; run++) {
      const first = starts[run] - row * nx;
      const last = first + lengths[run] - 1;
      for (let dz = -steps; dz <= steps; dz++) {
        if (z + dz < 0 || z + dz >= nz) continue;
        for (let dy = -steps; dy <= steps; dy++) {
          if (y + dy < 0 || y + dy >= ny) continue;
          const reach = Math.min(steps, 2 * steps - Math.abs(dy) - Math.abs(dz));
          const into = ((z + dz) * ny + y + dy) * nx;
          mask.fill(1, into + Math.max(0, first - reach), into + Math.min(nx - 1, last + reach) + 1);
        }
      }
    }
  }
  return mask;
}
