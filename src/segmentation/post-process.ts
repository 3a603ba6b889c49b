/**
 * Rules that a model declares for its label maps (`task.postProcessing`), so that they are part of what was measured.
 *
 * - Connected tumour below a volume becomes background: specks that no reader would outline.
 * - Enhancing tumour below a volume in the whole case becomes necrotic core, as the winner of BraTS 2020 did (Isensee
 *   et al. 2021, arXiv:2011.00848, section 2.3): in a tumour without enhancement a few voxels cost the whole score.
 *
 * Components are of tumour of any class, with 26 neighbours. The first rule comes first.
 */
import { spacingMmOf, type Volume } from "../imaging/index.ts";
import type { Study } from "../study/index.ts";
import { connectedComponents } from "./connected-components.ts";

export type PostProcessing = NonNullable<Study["task"]["postProcessing"]>;

const NECROTIC_CORE = 1;
const ENHANCING = 3;

/** Classes in, classes out; the volume itself where no rule changes it. */
export function postProcess(labelMap: Volume<Uint8Array>, rules: PostProcessing = {}): Volume<Uint8Array> {
  const { smallestTumourMm3 = 0, smallestEnhancingMm3 = 0 } = rules;
  if (smallestTumourMm3 === 0 && smallestEnhancingMm3 === 0) return labelMap;
  const voxelMm3 = spacingMmOf(labelMap.affineVoxelToRas).reduce((product, side) => product * side, 1);
  const data = labelMap.data.slice();
  if (smallestTumourMm3 > 0) dropSmallComponents(data, labelMap.dims, smallestTumourMm3 / voxelMm3);
  if (smallestEnhancingMm3 > 0) dropLittleEnhancement(data, smallestEnhancingMm3 / voxelMm3);
  return { ...labelMap, data };
}

function dropSmallComponents(data: Uint8Array, dims: Volume["dims"], leastVoxels: number): void {
  const mask = data.map((label) => (label === 0 ? 0 : 1));
  const { count, runs, ofRun } = connectedComponents(mask, dims);
  const sizes = new Float64Array(count + 1);
  for (const [run, component] of ofRun.entries()) sizes[component] += runs.lengths[run];
  for (const [run, component] of ofRun.entries()) {
    if (sizes[component] < leastVoxels) data.fill(0, runs.starts[run], runs.starts[run] + runs.lengths[run]);
  }
}

function dropLittleEnhancement(data: Uint8Array, leastVoxels: number): void {
  let voxels = 0;
  for (const label of data) if (label === ENHANCING) voxels++;
  if (voxels >= leastVoxels) return;
  for (let i = 0; i < data.length; i++) if (data[i] === ENHANCING) data[i] = NECROTIC_CORE;
}
