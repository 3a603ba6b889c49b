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
export { inspectModel, type ModelInspection, type Obstacle } from "./inspect-model.ts";
export type { StepHooks } from "./moved-parameters.ts";
export { readOnnxFile } from "./read-onnx-file.ts";
export type { Batch } from "./training-batch.ts";
export {
  openTrainingSession,
  type StepResult,
  type TrainingSession,
  type TrainingSessionOptions,
} from "./training-session.ts";
export { type VectorLosses, type Verification, verifyModel } from "./verify-model.ts";
