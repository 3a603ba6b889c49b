/** A trained model applied to a patient: from a case's files to the label map on the grid that they came on. */
import {
  type CaseFiles,
  type LabelConvention,
  loadCase,
  spacingMmOf,
  type Triple,
  type Volume,
} from "../imaging/index.ts";
import { openForwardSession } from "../runtime/index.ts";
import { segmentLoadedCase } from "./evaluate-case.ts";
import type { Model } from "./model-folder.ts";

export interface Segmentation {
  /** Classes on the case's own grid. */
  readonly labelMap: Volume<Uint8Array>;
  /** Millilitres by region. */
  readonly volumesMl: Readonly<Record<string, number>>;
}

export interface Segmenter {
  segment(
    files: CaseFiles,
    convention: LabelConvention,
    onWindow?: (done: number, total: number) => void,
  ): Promise<Segmentation>;
  close(): Promise<void>;
}

const OVERLAP = 0.5;
const CUBIC_MM_PER_ML = 1000;

/** One session for as many cases as come; memory is the network's at one patch, and one case. */
export async function openSegmenter({ description, network, parameters }: Model, threads: number): Promise<Segmenter> {
  const { task, patch } = description;
  const [width, height, depth] = patch;
  const session = await openForwardSession(network, [1, task.channels.length, depth, height, width], { threads });
  const window = { patch: patch as Triple, channels: session.classes, outputs: task.outputs, overlap: OVERLAP };
  return {
    async segment(files, convention, onWindow) {
      const loaded = await loadCase(files, convention);
      const predict = (image: Float32Array): Promise<Float32Array> => session.run(image, parameters.data);
      const labelMap = await segmentLoadedCase(loaded, task, window, predict, onWindow);
      return { labelMap, volumesMl: regionVolumes(labelMap, task.regions) };
    },
    close: () => session.close(),
  };
}

function regionVolumes(
  labelMap: Volume<Uint8Array>,
  regions: Readonly<Record<string, readonly number[]>>,
): Record<string, number> {
  const counts = new Float64Array(256);
  for (const label of labelMap.data) counts[label]++;
  const voxelMl = spacingMmOf(labelMap.affineVoxelToRas).reduce((product, side) => product * side, 1) / CUBIC_MM_PER_ML;
  return Object.fromEntries(
    Object.entries(regions).map(([name, classes]) => [name, voxelMl * classes.reduce((sum, k) => sum + counts[k], 0)]),
  );
}
