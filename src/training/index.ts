export { differentiate } from "./differentiate.ts";
export { crossEntropyAndDice } from "./losses.ts";
export { stepScalars } from "./optimisers.ts";
export {
  buildForwardStep,
  buildTrainingStep,
  networkParameters,
  STEP,
  type TrainingStep,
  type TrainingStepOptions,
  withParameters,
} from "./training-step.ts";
