/** The training step that a study declares. */
import type { Study } from "../study/index.ts";
import type { Objective } from "./losses.ts";
import type { TrainingStepOptions } from "./training-step.ts";

export function objectiveOfStudy({ task, training }: Study): Objective {
  const { loss, deepSupervision } = training;
  return {
    loss,
    ...(task.outputs === "regions" && { regions: Object.values(task.regions) }),
    ...(deepSupervision !== undefined && { deepSupervision }),
  };
}

/** @param inputShape [N, C, ...]. */
export function stepOptionsOfStudy(study: Study, inputShape: readonly number[]): TrainingStepOptions {
  const { optimiser, parameterGroups, clipNorm, proximal, averageDecay, accumulate } = study.training;
  return {
    inputShape,
    optimiser,
    objective: objectiveOfStudy(study),
    parameterGroups,
    proximal,
    averageDecay,
    accumulate,
    ...(clipNorm !== undefined && { clipNorm }),
  };
}
