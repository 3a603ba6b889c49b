/**
 * Exact Euclidean distances on a voxel grid, in linear time.
 *
 * One sweep per axis. Along x the nearest source of a row is found by walking it both ways; along y and z each line
 * takes the lower envelope of the parabolas that the previous sweep left (Felzenszwalb and Huttenlocher,
 * "Distance Transforms of Sampled Functions", Theory of Computing 8, 2012, algorithm 1). Parabolas sit at millimetre
 * positions, so spacing may differ by axis.
 *
 * Invariants: distances are squared until the end and in float64, so that integer spacings give exact integers.
 * A grid without a source is at infinity everywhere.
 */
import type { Triple } from "../imaging/index.ts";

/**
 * Squared distances in mm^2 from the centre of every voxel to the centre of the nearest source voxel.
 *
 * @param sources non-zero where a voxel is a source; x fastest, length dims[0] * dims[1] * dims[2].
 * @param into written and returned, where given; at least as long as the grid, so that calls may share memory.
 */
export function squaredDistancesMm2(
  sources: Uint8Array,
  dims: Triple,
  spacingMm: Triple,
  into: Float64Array = new Float64Array(dims[0] * dims[1] * dims[2]),
): Float64Array {
  const [nx, ny, nz] = dims;
  sweepRows(sources, nx, ny * nz, spacingMm[0], into);
  const alongY = createEnvelope(ny, spacingMm[1]);
  for (let z = 0; z < nz; z++) {
    for (let x = 0; x < nx; x++) alongY(into, z * nx * ny + x, nx);
  }
  const alongZ = createEnvelope(nz, spacingMm[2]);
  for (let xy = 0; xy < nx * ny; xy++) alongZ(into, xy, nx * ny);
  return into;
}

function sweepRows(sources: Uint8Array, nx: number, rows: number, stepMm: number, into: Float64Array): void {
  for (let row = 0; row < rows; row++) {
    const start = row * nx;
    let steps = Number.POSITIVE_INFINITY;
    for (let i = start; i < start + nx; i++) {
      steps = sources[i] === 0 ? steps + 1 : 0;
      into[i] = steps;
    }
    for (let i = start + nx - 1; i >= start; i--) {
      steps = Math.min(steps + 1, into[i]);
      into[i] = (steps * stepMm) ** 2;
    }
  }
}

/** A function that replaces the values f of one line by min over q of f(q) + (distance to q)^2. */
function createEnvelope(length: number, stepMm: number): (data: Float64Array, start: number, stride: number) => void {
  /** Apexes of the parabolas on the envelope, left to right: index, height, height + position^2. */
  const apex = new Int32Array(length);
  const height = new Float64Array(length);
  const raised = new Float64Array(length);
  /** Position in mm from which each parabola is the lowest. */
  const from = new Float64Array(length);

  return (data, start, stride) => {
    let last = -1;
    for (let q = 0, i = start; q < length; q++, i += stride) {
      const value = data[i];
      if (value === Number.POSITIVE_INFINITY) continue;
      const position = q * stepMm;
      const lifted = value + position * position;
      let crossing = Number.NEGATIVE_INFINITY;
      while (last >= 0) {
        crossing = (lifted - raised[last]) / (2 * stepMm * (q - apex[last]));
        if (crossing > from[last]) break;
        last--;
      }
      last++;
      apex[last] = q;
      height[last] = value;
      raised[last] = lifted;
      from[last] = last === 0 ? Number.NEGATIVE_INFINITY : crossing;
    }
    if (last < 0) return;
    let k = 0;
    for (let q = 0, i = start; q < length; q++, i += stride) {
      const position = q * stepMm;
      while (k < last && from[k + 1] < position) k++;
      const offset = (q - apex[k]) * stepMm;
      data[i] = offset * offset + height[k];
    }
  };
}
