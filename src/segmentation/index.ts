export { drawSlices, fullestSlice, type Picture, type SliceView } from "./case-picture.ts";
export {
  type EnginePool,
  type EnginePoolOptions,
  type LocalWorkOptions,
  openEnginePool,
  openLocalWork,
} from "./engine-pool.ts";
export {
  type CaseScores,
  EVALUATION,
  type EvaluateRequest,
  type LocalWork,
  type SiteData,
  type TrainRequest,
  type TrainResult,
  type WorkProgress,
} from "./local-work.ts";
export { evaluateLabelMaps, type RegionScores, type Regions } from "./metrics.ts";
export {
  type CaseRegionScores,
  type RegionMeans,
  type RegionSums,
  type ScoreSummary,
  summariseScores,
  sumScores,
} from "./metrics-summary.ts";
export { type Model, type ModelDescription, type NewModel, readModelFolder, writeModelFolder } from "./model-folder.ts";
export { openSegmenter, type Segmentation, type Segmenter } from "./segment-case.ts";
export { stepsOfRound } from "./site-engine.ts";
