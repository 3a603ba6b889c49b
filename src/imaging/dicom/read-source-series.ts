/**
 * What an object made from a series (a Segmentation, a structure set) takes over from it. The only place that reads a
 * patient's name: it goes into a file for the same archive, and nowhere else.
 */
import type { DataSet } from "dicom-parser";
import type { SourceSeries } from "../dicom-write/source-series.ts";
import { corrupt, readDicomHeader } from "./dicom-file.ts";
import type { FrameStack } from "./stack-frames.ts";

/** Labels of the encodings behind DICOM's defined terms (PS3.3, C.12.1.1.2), without and with code extensions. */
const ENCODINGS: Readonly<Record<string, string>> = {
  "": "latin1",
  "ISO_IR 6": "latin1",
  "ISO_IR 100": "latin1",
  "ISO_IR 101": "iso-8859-2",
  "ISO_IR 109": "iso-8859-3",
  "ISO_IR 110": "iso-8859-4",
  "ISO_IR 144": "iso-8859-5",
  "ISO_IR 127": "iso-8859-6",
  "ISO_IR 126": "iso-8859-7",
  "ISO_IR 138": "iso-8859-8",
  "ISO_IR 148": "windows-1254",
  "ISO_IR 203": "iso-8859-15",
  "ISO_IR 166": "windows-874",
  "ISO_IR 13": "shift_jis",
  "ISO 2022 IR 87": "iso-2022-jp",
  "ISO 2022 IR 149": "euc-kr",
  "ISO 2022 IR 58": "gb18030",
  "ISO_IR 192": "utf-8",
  GB18030: "gb18030",
  GBK: "gbk",
};

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
    frameOfReferenceUid: frameOfReference,
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

function textReader(dataSet: DataSet): (tag: string) => string {
  // Of several values the last that is known is the widest: code extensions begin with plain ASCII.
  const terms = (dataSet.string("x00080005") ?? "").split("\\").map((term) => term.trim());
  const plain = (term: string): string =>
    ENCODINGS[term] ?? ENCODINGS[term.replace("ISO 2022 IR", "ISO_IR")] ?? "utf-8";
  const decoder = new TextDecoder(plain(terms[terms.length - 1]));
  return (tag) => {
    const element = dataSet.elements[tag];
    if (element === undefined) return "";
    const bytes = dataSet.byteArray.subarray(element.dataOffset, element.dataOffset + element.length);
    return decoder
      .decode(bytes)
      .replace(/[\0 ]+$/, "")
      .trim();
  };
}
