export { type ForwardSession, openForwardSession } from "./forward-session.ts";
export { type GradientSession, openGradientSession } from "./gradient-session.ts";
export {
  type FeedTensor,
  type GraphSession,
  openGraphSession,
  openModelSession,
  runRecord,
  type SessionOptions,
} from "./graph-session.ts";
export { declaredShape, inspectModel, type ModelInspection, type Obstacle } from "./inspect-model.ts";
export type { StepHooks } from "./moved-parameters.ts";
export {
  type ModelProfile,
  type NodeCost,
  type OperatorCost,
  type ProfileOptions,
  profileModel,
} from "./profile-model.ts";
export { readOnnxFile } from "./read-onnx-file.ts";
export type { Batch } from "./training-batch.ts";
export {
  openTrainingSession,
  type StepResult,
  type TrainingSession,
  type TrainingSessionOptions,
} from "./training-session.ts";
export { type MeasuredGradient, type TunedLowerings, type TuneOptions, tuneLowerings } from "./tune-lowerings.ts";
export { type VectorLosses, type Verification, verifyModel } from "./verify-model.ts";
