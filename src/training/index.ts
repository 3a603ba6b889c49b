export { inferenceForm, runningMeansOf, withBatchStatistics } from "./batch-statistics.ts";
export { convInputGradient, convWeightGradient } from "./convolution-gradients.ts";
export type { ConvolutionShape } from "./convolution-shape.ts";
export { differentiate } from "./differentiate.ts";
export type { DropoutMask } from "./dropout.ts";
export type { GradientContext, GradientRule } from "./gradient-context.ts";
export { GRADIENT_LIMITS } from "./gradient-limits.ts";
export { GRADIENT_RULES, type GradientRules, hasGradient } from "./gradient-rules.ts";
export { inspectNetwork, type NetworkInspection, type StepCost } from "./inspect-network.ts";
export { CROSS_ENTROPY_AND_DICE, type Objective, objectiveLoss } from "./losses.ts";
export {
  type InputLowering,
  type Lowerings,
  type LoweringTable,
  loweringsDigest,
  loweringsOf,
  parseLoweringTable,
  SHIPPED_LOWERINGS,
  shapeKey,
  USUAL_LOWERINGS,
  type WeightLowering,
} from "./lowering-table.ts";
export { networkParameters, withParameters } from "./network-parameters.ts";
export { applyUpdate, statePerParameter, stepScalars, type UpdateSettings, type UpdateValues } from "./optimisers.ts";
export { type ParameterTreatment, parameterTreatments } from "./parameter-groups.ts";
export { learningRateAt } from "./schedules.ts";
export {
  closeSharedVectors,
  nextControl,
  openSharedVectors,
  type SharedStart,
  type SiteControl,
  siteControl,
  withSharedVectors,
} from "./shared-vectors.ts";
export { STEP } from "./step-names.ts";
export { objectiveOfStudy, stepOptionsOfStudy } from "./study-step.ts";
export {
  buildForwardStep,
  buildGradientStep,
  buildOptimiserStep,
  buildTrainingStep,
  type GradientStepOptions,
  type OptimiserStepOptions,
  type TrainingStep,
  type TrainingStepOptions,
} from "./training-step.ts";
