/** A prediction brought back to the grid that the case came on, and measured there. */
import { ConsiliumError } from "../base/index.ts";
import {
  type CaseFiles,
  type LabelConvention,
  type LoadedCase,
  loadCase,
  midSagittalX,
  prepareCase,
  restoreProbabilities,
  spacingMmOf,
  type Triple,
  type Volume,
} from "../imaging/index.ts";
import type { Study } from "../study/index.ts";
import { evaluateLabelMaps, type RegionScores } from "./metrics.ts";
import { type Predict, predictVolume, type SlidingWindow } from "./sliding-window.ts";

/** Windows as a model asks for them: centred on the mid-sagittal plane where it compares the brain's sides. */
export interface CaseWindow extends Omit<SlidingWindow, "midlineX"> {
  readonly centred: boolean;
}

/** The label map of a case on its own grid, in classes; background wherever every scan is zero, outside the brain. */
export async function segmentLoadedCase(
  loaded: LoadedCase,
  task: Study["task"],
  window: CaseWindow,
  predict: Predict,
  onWindow?: (done: number, total: number) => void,
): Promise<Volume<Uint8Array>> {
  const { spacingMm, channels } = task;
  const { image, brain, dims, geometry } = prepareCase(loaded, { spacingMm, channels });
  const placed = placedWindow(window, brain, dims);
  const probabilities = await predictVolume(image, dims, channels.length, placed, predict, onWindow);
  const labelMap = restoreProbabilities(probabilities, window.classes, geometry);
  const scans = loaded.channels.map(({ data }) => data);
  for (let i = 0; i < labelMap.data.length; i++) {
    if (labelMap.data[i] !== 0 && scans.every((scan) => scan[i] === 0)) labelMap.data[i] = 0;
  }
  return labelMap;
}

function placedWindow({ centred, ...window }: CaseWindow, brain: Uint8Array, dims: Triple): SlidingWindow {
  return centred ? { ...window, midlineX: midSagittalX(brain, dims) } : window;
}

export async function evaluateOnOwnGrid(
  files: CaseFiles,
  convention: LabelConvention,
  task: Study["task"],
  window: CaseWindow,
  predict: Predict,
): Promise<Record<string, RegionScores>> {
  const loaded = await loadCase(files, convention);
  const reference = loaded.labelMap;
  if (reference === undefined) throw labelMapMissing(files.id);
  const { data, dims, affineVoxelToRas } = await segmentLoadedCase(loaded, task, window, predict);
  return evaluateLabelMaps(data, reference.data, dims, spacingMmOf(affineVoxelToRas), task.regions);
}

export function labelMapMissing(caseId: string): ConsiliumError {
  return new ConsiliumError("label-unknown", {
    subject: `case ${caseId}`,
    expected: "a label map, to train or to be evaluated on",
    actual: "none",
    hint: "Add the case's _seg file, or leave the case out.",
  });
}
