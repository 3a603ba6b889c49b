export {
  type ChosenSeries,
  chooseSeries,
  judgeSeries,
  readSeriesOverrules,
  type SeriesOverrules,
  type SeriesVerdict,
} from "./choose-series.ts";
export type { DicomImage, SequenceTags } from "./dicom-image.ts";
export { readStack } from "./read-stack.ts";
export { type DicomScan, type DicomSeries, type DicomStudy, scanDicomFolder } from "./scan-series.ts";
export { type FrameStack, stackFrames } from "./stack-frames.ts";
