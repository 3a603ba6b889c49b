/**
 * What an object made from a series (a Segmentation, a structure set) takes over from it. The only place that reads a
 * patient's name: it goes into a file for the same archive, and nowhere else.
 */
import type { DataSet } from "dicom-parser";
import type { SourceSeries } from "../dicom-write/source-series.ts";
import { uidOfName } from "../dicom-write/source-tags.ts";
import { decodeText } from "./decode-text.ts";
import { corrupt, readDicomHeader } from "./dicom-file.ts";
import type { FrameStack } from "./stack-frames.ts";

/**
 * @returns slices in the order of the stack.
 * @throws ConsiliumError `dicom-corrupt` where the first file lacks what the object must refer to.
 */
export async function readSourceSeries({ frames }: FrameStack): Promise<SourceSeries> {
  const [first] = frames;
  const header = await readDicomHeader(first.image.path);
  const { orientation } = first.frame;
  const { series, study, frameOfReference } = first.image;
  if (typeof header === "string" || orientation === undefined || series === "" || study === "") {
    throw corrupt("series", "identifiers of study and series, and an orientation", "a file without them");
  }
  const { dataSet } = header;
  const text = textReader(dataSet);
  const several = frames.some(({ frame }) => frame.index > 0);
  return {
    patient: {
      name: text("x00100010"),
      id: text("x00100020"),
      birthDate: text("x00100030"),
      sex: text("x00100040"),
    },
    study: {
      instanceUid: study,
      date: text("x00080020"),
      time: text("x00080030"),
      id: text("x00200010"),
      accessionNumber: text("x00080050"),
      referringPhysician: text("x00080090"),
    },
    seriesInstanceUid: series,
    frameOfReferenceUid: frameOfReference === "" ? ownFrameOfReference(series) : frameOfReference,
    positionReferenceIndicator: text("x00201040"),
    orientation,
    slices: frames.map(({ image, frame }) => {
      if (frame.positionMm === undefined) throw corrupt("series", "a position for every slice", "none");
      return {
        sopClassUid: image.sopClass,
        sopInstanceUid: image.sopInstance,
        position: frame.positionMm,
        ...(several && { frame: frame.index + 1 }),
      };
    }),
  };
}

/**
 * Of a series whose files name none: places in millimetres need one (Frame of Reference UID is of type 1, PS3.3, C.7.4.1,
 * and in a structure set C.8.8.5), and share it with nothing but what is made from the same series.
 */
function ownFrameOfReference(series: string): string {
  return uidOfName(`consilium frame of reference of ${series}`);
}

function textReader(dataSet: DataSet): (tag: string) => string {
  const terms = bytesOf(dataSet, "x00080005");
  const characterSet = terms === undefined ? "" : Buffer.from(terms).toString("latin1").replaceAll("\0", "");
  return (tag) => decodeText(bytesOf(dataSet, tag) ?? new Uint8Array(), characterSet);
}

function bytesOf({ elements, byteArray }: DataSet, tag: string): Uint8Array | undefined {
  const element = elements[tag];
  return element && byteArray.subarray(element.dataOffset, element.dataOffset + element.length);
}
