/** A prediction brought back to the grid that the case came on, and measured there. */
import { ConsiliumError } from "../base/index.ts";
import {
  type CaseFiles,
  type LabelConvention,
  type LoadedCase,
  loadCase,
  prepareCase,
  restoreProbabilities,
  spacingMmOf,
  type Volume,
} from "../imaging/index.ts";
import type { Study } from "../study/index.ts";
import { evaluateLabelMaps, type RegionScores } from "./metrics.ts";
import { decisionOf, type Predict, predictVolume, type SlidingWindow } from "./sliding-window.ts";

/** The label map of a case on its own grid, in classes. */
export async function segmentLoadedCase(
  loaded: LoadedCase,
  task: Study["task"],
  window: SlidingWindow,
  predict: Predict,
  onWindow?: (done: number, total: number) => void,
): Promise<Volume<Uint8Array>> {
  const { image, dims, geometry } = prepareCase(loaded, { spacingMm: task.spacingMm, channels: task.channels });
  const probabilities = await predictVolume(image, dims, task.channels.length, window, predict, onWindow);
  return restoreProbabilities(probabilities, window.channels, geometry, decisionOf(task));
}

export async function evaluateOnOwnGrid(
  files: CaseFiles,
  convention: LabelConvention,
  task: Study["task"],
  window: SlidingWindow,
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
