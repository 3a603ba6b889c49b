export { differentiate } from "./differentiate.ts";
export type { GradientContext, GradientRule } from "./gradient-context.ts";
export { GRADIENT_LIMITS } from "./gradient-limits.ts";
export { GRADIENT_RULES, type GradientRules, hasGradient } from "./gradient-rules.ts";
export { inspectNetwork, type NetworkInspection, type StepCost } from "./inspect-network.ts";
export { crossEntropyAndDice } from "./losses.ts";
export { stepScalars } from "./optimisers.ts";
export {
  buildForwardStep,
  buildGradientStep,
  buildOptimiserStep,
  buildTrainingStep,
  networkParameters,
  STEP,
  type TrainingStep,
  type TrainingStepOptions,
  withParameters,
} from "./training-step.ts";
