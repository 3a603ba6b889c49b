export { MODALITIES, type Modality } from "../study/index.ts";
export { applyAffine, cornerDistanceMm, invertAffine, multiplyAffines } from "./affine.ts";
export { writeFileAtomically } from "./atomic-file.ts";
export { withoutBias } from "./bias-field.ts";
export { blockAverage } from "./block-average.ts";
export { BRAIN_ML, checkBrainVolume, type ExtractedBrain, extractBrain } from "./brain/index.ts";
export { type CaseFileName, type CaseFileRole, caseFileName, parseCaseFileName, subjectOfCase } from "./case-names.ts";
export {
  type CheckedCase,
  checkDataset,
  type DatasetCheck,
  measuredCases,
  type NegativeScan,
} from "./check-dataset.ts";
export { readTable, type TableRow } from "./csv.ts";
export type { CaseFiles, CaseProblem, Dataset, ScanOptions } from "./dataset.ts";
export { MANIFEST_NAME, type ManifestRow, manifestText } from "./dataset-manifest.ts";
export type { Decision } from "./decide-classes.ts";
export {
  type ByScan,
  type ChosenSeries,
  chooseSeries,
  type DicomScan,
  type DicomSeries,
  type DicomStudy,
  type FrameStack,
  judgeSeries,
  MIN_CONFIDENCE,
  readDicomHeader,
  readSeriesOverrules,
  readSourceSeries,
  readStack,
  type SeriesOverrules,
  type SeriesVerdict,
  scanDicomFolder,
  scansOf,
  stackFrames,
} from "./dicom/index.ts";
export type { SourceSeries } from "./dicom-write/source-series.ts";
export { encodeSegmentation, type SegmentationAbout } from "./dicom-write/write-segmentation.ts";
export { encodeStructures, type Structure } from "./dicom-write/write-structures.ts";
export { findOutliers, type Outlier } from "./find-outliers.ts";
export { type LabelConvention, labelsToClasses } from "./label-convention.ts";
export { checkCase, type LoadedCase, loadCase } from "./load-case.ts";
export { MEASURES } from "./measure-case.ts";
export { midSagittalX } from "./midline.ts";
export { encodeNifti, type NiftiImage, type NiftiOptions, parseNifti } from "./nifti-codec.ts";
export { readNifti, writeNifti } from "./nifti-file.ts";
export type { NiftiHeader } from "./nifti-header.ts";
export type { NiftiType } from "./nifti-types.ts";
export { type Orientation, orientationOf, reorient } from "./orientation.ts";
export {
  bestThresholdDice,
  type CohortOptions,
  type CohortProgress,
  type MontageCase,
  makePhantom,
  montagePng,
  type Phantom,
  type PhantomOptions,
  phantomCaseId,
  phantomGrid,
  type Scanner,
  siteScanner,
  type ThresholdCase,
  type ThresholdDice,
  writeCohort,
} from "./phantom/index.ts";
export { encodePng } from "./png.ts";
export { type PreparedCase, type PrepareOptions, prepareCase } from "./prepare-case.ts";
export type { PreparedGeometry } from "./prepared-geometry.ts";
export {
  type Grid,
  invertRigid,
  type Registration,
  type RegistrationOptions,
  type RigidParameters,
  registerRigid,
  resampleOnto,
  rigidDifference,
  rigidMatrix,
} from "./registration/index.ts";
export { restoreLabelMap, restoreProbabilities, writeLabelMap } from "./restore-case.ts";
export { scanDataset } from "./scan-dataset.ts";
export { type Affine, spacingMmOf, type Triple, type Volume, type VoxelArray, voxelCount } from "./volume.ts";
