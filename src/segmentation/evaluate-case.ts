/** A prediction brought back to the grid that the case came on, and measured there. */
import { ConsiliumError } from "../base/index.ts";
import { type CaseFiles, type LabelConvention, loadCase, spacingMmOf } from "../imaging/index.ts";
import type { Study } from "../study/index.ts";
import { evaluateLabelMaps, type RegionScores } from "./metrics.ts";
import { type CaseWindow, predictCase } from "./predict-case.ts";
import type { Predict } from "./sliding-window.ts";

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
  const { labelMap } = await predictCase(loaded, { task, members: [{ window, predict }] });
  const { data, dims, affineVoxelToRas } = labelMap;
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
