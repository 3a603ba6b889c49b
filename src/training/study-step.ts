/** The training step that a study declares. */
import { networkOutputs, type Study } from "../study/index.ts";
import type { Objective } from "./losses.ts";
import type { TrainingStepOptions } from "./training-step.ts";

/** Outputs of a network with deep supervision count half as much with each level (Isensee et al. 2021), 1 in all. */
export function objectiveOfStudy({ task, training, network }: Study): Objective {
  const { loss } = training;
  const outputs = networkOutputs(network) ?? 1;
  const halving = Array.from({ length: outputs }, (_, i) => 2 ** -i / (2 - 2 ** (1 - outputs)));
  const deepSupervision = training.deepSupervision ?? (outputs > 1 ? halving : undefined);
  return {
    loss,
    ...(task.outputs === "regions" && { regions: Object.values(task.regions) }),
    ...(deepSupervision !== undefined && { deepSupervision }),
  };
}

/** @param inputShape [N, C, ...]. */
export function stepOptionsOfStudy(study: Study, inputShape: readonly number[]): TrainingStepOptions {
  const { optimiser, parameterGroups, clipNorm, proximal, averageDecay, controlVariate } = study.training;
  return {
    inputShape,
    optimiser,
    objective: objectiveOfStudy(study),
    parameterGroups,
    proximal,
    averageDecay,
    controlVariate,
    ...(clipNorm !== undefined && { clipNorm }),
  };
}
