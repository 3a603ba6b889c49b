/** Coarser voxels as means of whole blocks: for estimates that need no detail, never for what is handed on. */
import type { Affine, Triple, Volume } from "./volume.ts";
import { spacingMmOf, voxelCount } from "./volume.ts";

/** Blocks as large as fit into `mm` along each axis; voxels that are that large already stay. What fills no block is cut. */
export function blockAverage({ dims, data, affineVoxelToRas }: Volume<Float32Array>, mm: number): Volume<Float32Array> {
  const spacing = spacingMmOf(affineVoxelToRas);
  const [fx, fy, fz] = spacing.map((s, axis) => Math.min(dims[axis], Math.max(1, Math.floor(mm / s + 0.01))));
  const outDims: Triple = [Math.floor(dims[0] / fx), Math.floor(dims[1] / fy), Math.floor(dims[2] / fz)];
  const out = new Float32Array(voxelCount(outDims));
  const share = 1 / (fx * fy * fz);
  for (let z = 0; z < outDims[2] * fz; z++) {
    for (let y = 0; y < outDims[1] * fy; y++) {
      const from = (z * dims[1] + y) * dims[0];
      const to = (Math.floor(z / fz) * outDims[1] + Math.floor(y / fy)) * outDims[0];
      for (let x = 0; x < outDims[0]; x++) {
        for (let i = 0; i < fx; i++) out[to + x] += share * data[from + x * fx + i];
      }
    }
  }
  const affine: number[] = [...affineVoxelToRas];
  for (const row of [0, 4, 8]) {
    [fx, fy, fz].forEach((factor, axis) => {
      affine[row + 3] += (affineVoxelToRas[row + axis] * (factor - 1)) / 2;
      affine[row + axis] *= factor;
    });
  }
  return { dims: outDims, data: out, affineVoxelToRas: affine as Affine };
}
