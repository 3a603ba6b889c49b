/**
 * The one interpolation of intake: an image onto another grid through a rigid motion, linear, with nothing (0) beyond
 * its edge. Values keep within those of the image, so that none becomes negative by it.
 */
import { invertAffine, multiplyAffines } from "../affine.ts";
import { type Affine, type Triple, type Volume, voxelCount } from "../volume.ts";

export interface Grid {
  readonly dims: Triple;
  readonly affineVoxelToRas: Affine;
}

/**
 * @param gridToImage rigid, RAS mm: where a point of the grid's space lies in the image's space.
 * @returns values on the grid.
 */
export function resampleOnto(image: Volume<Float32Array>, grid: Grid, gridToImage: Affine): Volume<Float32Array> {
  const m = multiplyAffines(invertAffine(image.affineVoxelToRas), multiplyAffines(gridToImage, grid.affineVoxelToRas));
  const out = new Float32Array(voxelCount(grid.dims));
  const [nx, ny, nz] = image.dims;
  const [dy, dz] = [nx, nx * ny];
  const { data } = image;
  let to = 0;
  for (let k = 0; k < grid.dims[2]; k++) {
    for (let j = 0; j < grid.dims[1]; j++) {
      let x = m[1] * j + m[2] * k + m[3];
      let y = m[5] * j + m[6] * k + m[7];
      let z = m[9] * j + m[10] * k + m[11];
      for (let i = 0; i < grid.dims[0]; i++, to++, x += m[0], y += m[4], z += m[8]) {
        // Half a voxel around the outermost centres belongs to the image.
        if (!(x > -0.5 && y > -0.5 && z > -0.5 && x < nx - 0.5 && y < ny - 0.5 && z < nz - 0.5)) continue;
        const [cx, cy, cz] = [clamp(x, nx), clamp(y, ny), clamp(z, nz)];
        const [a, b, c] = [
          Math.min(cx | 0, Math.max(0, nx - 2)),
          Math.min(cy | 0, Math.max(0, ny - 2)),
          Math.min(cz | 0, Math.max(0, nz - 2)),
        ];
        const [u, v, w] = [cx - a, cy - b, cz - c];
        const at = c * dz + b * dy + a;
        const [sx, sy, sz] = [nx > 1 ? 1 : 0, ny > 1 ? dy : 0, nz > 1 ? dz : 0];
        const p = data[at] + u * (data[at + sx] - data[at]);
        const q = data[at + sy] + u * (data[at + sy + sx] - data[at + sy]);
        const r = data[at + sz] + u * (data[at + sz + sx] - data[at + sz]);
        const s = data[at + sz + sy] + u * (data[at + sz + sy + sx] - data[at + sz + sy]);
        const front = p + v * (q - p);
        out[to] = front + w * (r + v * (s - r) - front);
      }
    }
  }
  return { dims: grid.dims, data: out, affineVoxelToRas: grid.affineVoxelToRas };
}

function clamp(value: number, size: number): number {
  return value < 0 ? 0 : value > size - 1 ? size - 1 : value;
}
