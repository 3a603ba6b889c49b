export {
  type ByScan,
  type ChosenSeries,
  chooseSeries,
  judgeSeries,
  readSeriesOverrules,
  type SeriesOverrules,
  type SeriesVerdict,
  scansOf,
} from "./choose-series.ts";
export { readDicomHeader } from "./dicom-file.ts";
export type { DicomImage, SequenceTags } from "./dicom-image.ts";
export { readSourceSeries } from "./read-source-series.ts";
export { readStack } from "./read-stack.ts";
export { MIN_CONFIDENCE } from "./recognise-modality.ts";
export { type DicomScan, type DicomSeries, type DicomStudy, scanDicomFolder } from "./scan-series.ts";
export { type FrameStack, stackFrames } from "./stack-frames.ts";
