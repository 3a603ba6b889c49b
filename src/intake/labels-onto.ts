/** Label maps onto another grid through a rigid motion. */
import { type Affine, type Grid, resampleOnto, type Volume } from "../imaging/index.ts";

/**
 * Each label's share is interpolated, and the largest wins where together they have at least half: borders come out
 * smooth on finer grids.
 * @param gridToMap where a point of the grid's space lies in the label map's.
 */
export function labelsOnto(labelMap: Volume<Uint8Array>, grid: Grid, gridToMap: Affine): Volume<Uint8Array> {
  const labels = [...new Set(labelMap.data)].filter((label) => label !== 0).sort((a, b) => a - b);
  const size = grid.dims[0] * grid.dims[1] * grid.dims[2];
  const best = new Float32Array(size);
  const tumour = new Float32Array(size);
  const data = new Uint8Array(size);
  for (const label of labels) {
    const indicator = { ...labelMap, data: Float32Array.from(labelMap.data, (value) => (value === label ? 1 : 0)) };
    const share = resampleOnto(indicator, grid, gridToMap).data;
    for (let i = 0; i < size; i++) {
      tumour[i] += share[i];
      if (share[i] <= best[i]) continue;
      best[i] = share[i];
      data[i] = label;
    }
  }
  for (let i = 0; i < size; i++) if (tumour[i] < 0.5) data[i] = 0;
  return { dims: grid.dims, affineVoxelToRas: grid.affineVoxelToRas, data };
}
