/**
 * `consilium/training`: gradients, losses and optimisers as transformations of graphs.
 *
 * `differentiate` is a pure function from graph to graph; `buildTrainingStep` makes a network's forward graph, a loss
 * and an optimiser into one graph of ordinary inference operators, which `consilium/runtime` runs, and so does any
 * other ONNX runtime. What is exported here is stable: it changes with a note in CHANGELOG.md.
 *
 * ```js
 * import { encodeOnnx } from "consilium/graph";
 * import { buildTrainingStep } from "consilium/training";
 *
 * const optimiser = { kind: "sgd", learningRate: 0.01, momentum: 0.9, nesterov: true, weightDecay: 0 };
 * const step = buildTrainingStep(network, { inputShape: [1, 4, 64, 64, 64], optimiser });
 * const bytes = encodeOnnx(step.graph); // inputs and outputs are named in STEP
 * ```
 */
export { ConsiliumError, type ErrorCode, type ErrorFields } from "../base/index.ts";
export type { LossSpec, OptimiserSpec, ParameterGroupSpec } from "../study/index.ts";
export { differentiate } from "./differentiate.ts";
export type { GradientContext, GradientRule } from "./gradient-context.ts";
export { GRADIENT_RULES, type GradientRules, hasGradient } from "./gradient-rules.ts";
export { inspectNetwork, type NetworkInspection, type StepCost } from "./inspect-network.ts";
export { CROSS_ENTROPY_AND_DICE, type Objective, objectiveLoss } from "./losses.ts";
export {
  type Lowerings,
  type LoweringTable,
  loweringsDigest,
  loweringsOf,
  parseLoweringTable,
  SHIPPED_LOWERINGS,
} from "./lowering-table.ts";
export { networkParameters, withParameters } from "./network-parameters.ts";
export { statePerParameter, stepScalars } from "./optimisers.ts";
export { STEP } from "./step-names.ts";
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
