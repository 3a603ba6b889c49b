export {
  type CaseFigure,
  type CaseFigures,
  figuresOfCases,
  type ScoredCase,
  type WorstSites,
  worstSites,
  worstTenthInWords,
} from "./case-figures.ts";
export { CLASS_COLOURS, drawSlices, fullestSlice, type Picture, type SliceView } from "./case-picture.ts";
export { type CaseReportInput, renderCaseReport } from "./case-report.ts";
export type { CaseTally } from "./case-tally.ts";
export {
  type ComparedCase,
  type ComparedFigure,
  type Comparison,
  compareModels,
  type FigureSummary,
} from "./compare-models.ts";
export {
  type EnginePool,
  type EnginePoolOptions,
  type LocalWorkOptions,
  openEnginePool,
  openLocalWork,
} from "./engine-pool.ts";
export { LESION_RULES, type LesionRulesName, type LesionScores } from "./lesion-wise.ts";
export { withRunningStatistics } from "./local-round.ts";
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
export { type MeasureOptions, measureLabelMaps, type RegionMeasures, USUAL_MEASURES } from "./measure-case.ts";
export type { RegionScores, Regions } from "./metrics.ts";
export {
  type CaseRegionScores,
  type RegionMeans,
  type RegionSums,
  type ScoreSummary,
  summariseScores,
  sumScores,
} from "./metrics-summary.ts";
export {
  type CardFacts,
  type CardFigures,
  cardFigures,
  cardFiguresOfMeans,
  type MeanFigures,
  siteCardFigures,
} from "./model-card.ts";
export { type Model, type ModelDescription, type NewModel, readModelFolder, writeModelFolder } from "./model-folder.ts";
export type { ModelSigner, VerifiedSigner } from "./model-signature.ts";
export { pairedChange, type RegionChange } from "./paired-change.ts";
export {
  openSegmenter,
  type Segmentation,
  type Segmenter,
  type SegmenterOptions,
  type VolumeSpread,
} from "./segment-case.ts";
export { structuresOf } from "./structures.ts";
