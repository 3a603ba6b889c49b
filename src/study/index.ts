export {
  areAlternatives,
  CHOICES,
  type ChoiceName,
  EXCLUSIONS,
  exclusionBetween,
  NEEDS,
  needAgainst,
} from "./combinations.ts";
export { describePostProcessing, describeStudy, MODALITY_NAMES } from "./describe-study.ts";
export { hasMatrix, isEvaluated } from "./evaluated-rounds.ts";
export { type FindFile, type LoadedStudy, loadStudyFile, loadStudyText } from "./load-study.ts";
export { networkOutputs, networkStrides } from "./network-shape.ts";
export { inRegionOrder, orderedRegions, withOrderedRegions } from "./ordered-regions.ts";
export { parseStudy, studyFromBytes, studyHash, studyToBytes } from "./parse-study.ts";
export { outputChannels, regionClasses } from "./region-outputs.ts";
export {
  MODALITIES,
  type Modality,
  type NetworkSpec,
  ofAxis,
  type Study,
  studySchema,
} from "./schema.ts";
export { type CellRange, LEAST_PATIENTS, type StatisticsSpec } from "./statistics-schema.ts";
export { itemsPerStep, leastSteps, stepsOfRound } from "./steps-of-round.ts";
export { checkPatchFits, checkStudyConsistency, leastNeighbourShares, type NetworkFacts } from "./study-consistency.ts";
export { type StudyChange, studyDifference } from "./study-difference.ts";
export type {
  AugmentationSpec,
  LossSpec,
  OptimiserSpec,
  ParameterGroupSpec,
  TrainingSpec,
} from "./training-schema.ts";
export { siteTrains } from "./training-sites.ts";
