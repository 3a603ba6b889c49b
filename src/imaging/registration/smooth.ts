/** Gaussian smoothing, axis by axis, of the standard deviation in voxels; what lies beyond the edge repeats it. */
import type { Triple } from "../volume.ts";

export function smoothed(data: Float32Array, dims: Triple, sigmaVoxels: Triple): Float32Array {
  let from: Float32Array = data;
  let to: Float32Array = new Float32Array(data.length);
  for (let axis = 0; axis < 3; axis++) {
    if (sigmaVoxels[axis] < MIN_SIGMA_VOXELS) continue;
    smoothAxis(from, to, dims, axis, kernel(sigmaVoxels[axis]));
    [from, to] = [to, from === data ? new Float32Array(data.length) : from];
  }
  return from;
}

/** Narrower kernels change nothing to speak of. */
const MIN_SIGMA_VOXELS = 0.2;

function kernel(sigma: number): Float64Array {
  const reach = Math.max(1, Math.ceil(3 * sigma));
  const weights = Float64Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-0.5 * ((i - reach) / sigma) ** 2));
  const sum = weights.reduce((total, w) => total + w, 0);
  return weights.map((w) => w / sum);
}

/** Whole rows at a time along y and z, so that memory is walked in order. */
function smoothAxis(from: Float32Array, to: Float32Array, dims: Triple, axis: number, weights: Float64Array): void {
  const [nx, ny, nz] = dims;
  const reach = (weights.length - 1) / 2;
  if (axis === 0) {
    for (let row = 0; row < ny * nz; row++) {
      const start = row * nx;
      for (let x = 0; x < nx; x++) {
        let sum = 0;
        for (let k = -reach; k <= reach; k++) {
          const at = x + k < 0 ? 0 : x + k >= nx ? nx - 1 : x + k;
          sum += weights[k + reach] * from[start + at];
        }
        to[start + x] = sum;
      }
    }
    return;
  }
  const [length, stride, count] = axis === 1 ? [nx, nx, ny] : [nx * ny, nx * ny, nz];
  const blocks = axis === 1 ? nz : 1;
  to.fill(0);
  for (let block = 0; block < blocks; block++) {
    const base = block * nx * ny;
    for (let i = 0; i < count; i++) {
      const target = base + i * stride;
      for (let k = -reach; k <= reach; k++) {
        const source = base + Math.max(0, Math.min(count - 1, i + k)) * stride;
        const weight = weights[k + reach];
        for (let x = 0; x < length; x++) to[target + x] += weight * from[source + x];
      }
    }
  }
}
