/**
 * Exact Euclidean distances on a voxel grid from some voxels to the nearest of some others, in linear time.
 *
 * One sweep per axis. Along x the nearest source of a row is found by walking it both ways; along y and z each line
 * takes the lower envelope of the parabolas that the previous sweep left (Felzenszwalb and Huttenlocher,
 * "Distance Transforms of Sampled Functions", Theory of Computing 8, 2012, algorithm 1). Parabolas sit at millimetre
 * positions, so spacing may differ by axis. Surfaces fill little of their box: rows and planes without a source leave
 * no parabola and are passed over, and the last two sweeps answer only for columns that are asked about.
 *
 * Invariants: distances are squared until the end and in float64, so that integer spacings give exact integers.
 * Without a source every distance is infinite.
 */
import type { Triple } from "../imaging/index.ts";

/**
 * Squared distances in mm^2 from the centres of the voxels asked about to the centre of the nearest source voxel.
 *
 * @param sources one where a voxel is a source, zero elsewhere; x fastest, length dims[0] * dims[1] * dims[2].
 * @param queries voxels as indices into `sources`, in any order.
 */
export function squaredDistancesMm2(
  sources: Uint8Array,
  dims: Triple,
  spacingMm: Triple,
  queries: Int32Array,
): Float64Array {
  const columns = columnsOf(queries, dims);
  const planes = planesWithSources(sources, dims);
  const toColumns = sweepPlanes(sources, dims, spacingMm, planes, columns);
  return sweepColumns(toColumns, spacingMm[2], dims, planes, columns, queries);
}

/** Columns along z that hold a query, by plane position (y * nx + x). */
interface Columns {
  readonly count: number;
  /** Number of the column at each plane position, -1 where nothing is asked. */
  readonly numberAt: Int32Array;
}

function columnsOf(queries: Int32Array, [nx, ny]: Triple): Columns {
  const numberAt = new Int32Array(nx * ny).fill(-1);
  let count = 0;
  for (let n = 0; n < queries.length; n++) {
    const position = queries[n] % numberAt.length;
    if (numberAt[position] < 0) numberAt[position] = count++;
  }
  return { count, numberAt };
}

interface Plane {
  readonly z: number;
  /** Its rows that hold a source, rising. */
  readonly rows: readonly number[];
}

function planesWithSources(sources: Uint8Array, [nx, ny]: Triple): Plane[] {
  const planes: { z: number; rows: number[] }[] = [];
  // One search through the grid: from the end of a row with a source to the next source.
  for (let i = sources.indexOf(1); i >= 0; ) {
    const row = Math.floor(i / nx);
    const z = Math.floor(row / ny);
    if (planes.at(-1)?.z !== z) planes.push({ z, rows: [] });
    planes.at(-1)?.rows.push(row - z * ny);
    i = sources.indexOf(1, (row + 1) * nx);
  }
  return planes;
}

/** Squared distances within each plane, for each column the planes one after another: [columns, planes]. */
function sweepPlanes(
  sources: Uint8Array,
  [nx, ny]: Triple,
  [stepX, stepY]: Triple,
  planes: readonly Plane[],
  { count, numberAt }: Columns,
): Float64Array {
  const result = new Float64Array(count * planes.length);
  const rowDistances = new Float64Array(nx * ny);
  const envelope = createEnvelope(ny, stepY);
  const { wanted, firstOf } = wantedByX(numberAt, nx, ny);
  for (const [p, { z, rows }] of planes.entries()) {
    for (const y of rows) sweepRow(sources, (z * ny + y) * nx, nx, stepX, rowDistances, y * nx);
    for (let x = 0; x < nx; x++) {
      if (firstOf[x] === firstOf[x + 1]) continue;
      envelope.clear();
      for (const y of rows) envelope.add(y, rowDistances[y * nx + x]);
      envelope.rewind();
      for (let k = firstOf[x]; k < firstOf[x + 1]; k++) {
        const y = wanted[k];
        result[numberAt[y * nx + x] * planes.length + p] = envelope.at(y);
      }
    }
  }
  return result;
}

/** For each x the y of its columns, rising: those from firstOf[x] up to firstOf[x + 1] in `wanted`. */
function wantedByX(numberAt: Int32Array, nx: number, ny: number): { wanted: Int32Array; firstOf: Int32Array } {
  const wanted: number[] = [];
  const firstOf = new Int32Array(nx + 1);
  for (let x = 0; x < nx; x++) {
    for (let y = 0; y < ny; y++) if (numberAt[y * nx + x] >= 0) wanted.push(y);
    firstOf[x + 1] = wanted.length;
  }
  return { wanted: Int32Array.from(wanted), firstOf };
}

/** Squared distances along one row that holds a source. */
function sweepRow(sources: Uint8Array, from: number, nx: number, stepMm: number, into: Float64Array, at: number): void {
  let steps = Number.POSITIVE_INFINITY;
  for (let x = 0; x < nx; x++) {
    steps = sources[from + x] === 0 ? steps + 1 : 0;
    into[at + x] = steps;
  }
  for (let x = nx - 1; x >= 0; x--) {
    steps = Math.min(steps + 1, into[at + x]);
    into[at + x] = (steps * stepMm) ** 2;
  }
}

function sweepColumns(
  toColumns: Float64Array,
  stepMm: number,
  [nx, ny, nz]: Triple,
  planes: readonly Plane[],
  { count, numberAt }: Columns,
  queries: Int32Array,
): Float64Array {
  const result = new Float64Array(queries.length).fill(Number.POSITIVE_INFINITY);
  if (planes.length === 0) return result;
  const envelope = createEnvelope(nz, stepMm);
  const { order, firstOf } = queriesByColumn(queries, numberAt, count);
  for (let column = 0; column < count; column++) {
    envelope.clear();
    for (const [p, { z }] of planes.entries()) envelope.add(z, toColumns[column * planes.length + p]);
    envelope.rewind();
    for (let k = firstOf[column]; k < firstOf[column + 1]; k++) {
      result[order[k]] = envelope.at(Math.floor(queries[order[k]] / (nx * ny)));
    }
  }
  return result;
}

/** Queries sorted by column, within a column by z: a counting sort. */
function queriesByColumn(
  queries: Int32Array,
  numberAt: Int32Array,
  count: number,
): { order: Int32Array; firstOf: Int32Array } {
  const rising = isRising(queries)
    ? undefined
    : Int32Array.from(queries.keys()).sort((a, b) => queries[a] - queries[b]);
  const firstOf = new Int32Array(count + 1);
  for (let n = 0; n < queries.length; n++) firstOf[numberAt[queries[n] % numberAt.length] + 1]++;
  for (let column = 0; column < count; column++) firstOf[column + 1] += firstOf[column];
  const next = firstOf.slice(0, count);
  const order = new Int32Array(queries.length);
  for (let k = 0; k < queries.length; k++) {
    const n = rising?.[k] ?? k;
    order[next[numberAt[queries[n] % numberAt.length]]++] = n;
  }
  return { order, firstOf };
}

function isRising(values: Int32Array): boolean {
  for (let n = 1; n < values.length; n++) if (values[n] < values[n - 1]) return false;
  return true;
}

/** The lower envelope of parabolas on one line: clear, add with rising index, rewind, ask with rising index. */
interface Envelope {
  clear(): void;
  add(index: number, height: number): void;
  rewind(): void;
  /** The least of height + (distance to index)^2 over the parabolas added; one at least. */
  at(index: number): number;
}

function createEnvelope(length: number, stepMm: number): Envelope {
  /** Apexes of the parabolas on the envelope, left to right: index, height, height + position^2. */
  const apex = new Int32Array(length);
  const heights = new Float64Array(length);
  const raised = new Float64Array(length);
  /** Position in mm from which each parabola is the lowest. */
  const from = new Float64Array(length);
  let last = -1;
  let k = 0;
  return {
    clear() {
      last = -1;
    },
    add(index, height) {
      const position = index * stepMm;
      const lifted = height + position * position;
      let crossing = Number.NEGATIVE_INFINITY;
      while (last >= 0) {
        crossing = (lifted - raised[last]) / (2 * stepMm * (index - apex[last]));
        if (crossing > from[last]) break;
        last--;
      }
      last++;
      apex[last] = index;
      heights[last] = height;
      raised[last] = lifted;
      from[last] = last === 0 ? Number.NEGATIVE_INFINITY : crossing;
    },
    rewind() {
      k = 0;
    },
    at(index) {
      const position = index * stepMm;
      while (k < last && from[k + 1] < position) k++;
      const offset = (index - apex[k]) * stepMm;
      return offset * offset + heights[k];
    },
  };
}
