/**
 * From a file's tags to a `DicomImage`. Enhanced multi-frame objects say place and scale by frame or for all frames
 * in functional groups (PS3.3, C.7.6.16); older objects say them once.
 */
import { basename } from "node:path";
import type { DataSet, Element } from "dicom-parser";
import { type ConsiliumError, LIMITS, sha256 } from "../../base/index.ts";
import type { Triple } from "../volume.ts";
import { corrupt, type FileKind, pixelElement, readDicomHeader } from "./dicom-file.ts";
import type { DicomFrame, DicomImage, PixelLayout, SequenceTags } from "./dicom-image.ts";

const IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2";
const DEFLATED = "1.2.840.10008.1.2.1.99";
const UNDEFINED_LENGTH = 0xffffffff;

/** Why a file is passed over: it is no image, or no readable file of DICOM. */
export type PassedOver = Exclude<FileKind, "dicom"> | "noImage";

/**
 * @throws ConsiliumError `dicom-corrupt` for a file whose tags break off or contradict themselves, `limit-exceeded`.
 */
export async function readDicomImage(path: string): Promise<DicomImage | PassedOver> {
  const subject = basename(path);
  const header = await readDicomHeader(path);
  if (typeof header === "string") return header;
  const { dataSet, fileBytes } = header;
  const pixels = pixelElement(dataSet);
  if (pixels === undefined) return "noImage";
  const layout = layoutOf(dataSet, subject);
  const frames = framesOf(dataSet, subject);
  const problem = pixelProblem(layout, frames.length, pixels, fileBytes, subject);
  const text = (tag: string): string => dataSet.string(tag)?.trim() ?? "";
  const patient = text("x00100020");
  return {
    path,
    sopClass: text("x00080016"),
    sopInstance: text("x00080018"),
    series: text("x0020000e"),
    study: text("x0020000d"),
    frameOfReference: text("x00200052"),
    ...(patient !== "" && { patientDigest: sha256(`${patient}\0${text("x00100021")}`) }),
    modality: text("x00080060"),
    layout,
    frames,
    tags: tagsOf(dataSet),
    ...(problem && { problem }),
  };
}

/** Pixels that are fewer than declared, or that the file ends within. Coded ones show their end when they are read. */
function pixelProblem(
  layout: PixelLayout,
  frames: number,
  pixels: Element,
  fileBytes: number,
  subject: string,
): ConsiliumError | undefined {
  if (pixels.length === UNDEFINED_LENGTH || pixels.hadUndefinedLength) return undefined;
  const expected = (frames * layout.rows * layout.columns * layout.bitsAllocated) / 8;
  if (layout.samplesPerPixel === 1 && pixels.length < Math.floor(expected)) {
    return corrupt(subject, `${expected} bytes of pixels`, String(pixels.length));
  }
  if (layout.transferSyntax !== DEFLATED && pixels.dataOffset + pixels.length > fileBytes) {
    return corrupt(subject, `${pixels.length} bytes of pixels`, String(Math.max(0, fileBytes - pixels.dataOffset)));
  }
  return undefined;
}

function layoutOf(dataSet: DataSet, subject: string): PixelLayout {
  const number = (tag: string, name: string): number => {
    const value = dataSet.uint16(tag);
    if (value === undefined) throw corrupt(subject, `${name} beside pixels`, "none");
    return value;
  };
  const bitsAllocated = number("x00280100", "Bits Allocated");
  return {
    transferSyntax: dataSet.string("x00020010")?.trim() ?? IMPLICIT_LITTLE_ENDIAN,
    rows: number("x00280010", "Rows"),
    columns: number("x00280011", "Columns"),
    samplesPerPixel: dataSet.uint16("x00280002") ?? 1,
    bitsAllocated,
    bitsStored: dataSet.uint16("x00280101") ?? bitsAllocated,
    signed: dataSet.uint16("x00280103") === 1,
    photometric: dataSet.string("x00280004")?.trim() ?? "",
  };
}

function framesOf(dataSet: DataSet, subject: string): DicomFrame[] {
  const declared = dataSet.intString("x00280008");
  const count = declared === undefined || Number.isNaN(declared) ? 1 : declared;
  if (!(count >= 1 && count <= LIMITS.slicesPerSeries)) {
    throw corrupt(subject, `1 to ${LIMITS.slicesPerSeries} frames`, String(count));
  }
  const shared = itemsOf(dataSet, "x52009229")[0];
  const perFrame = itemsOf(dataSet, "x52009230");
  if (perFrame.length > 0 && perFrame.length !== count) {
    throw corrupt(subject, `functional groups of ${count} frames`, String(perFrame.length));
  }
  return Array.from({ length: count }, (_, index) => {
    const places = [perFrame[index], shared].filter((place) => place !== undefined);
    return frameOf(index, places, dataSet, count === 1 || perFrame.length === 0);
  });
}

/** `plain`: the data set itself may say what no functional group says. */
function frameOf(index: number, groups: readonly DataSet[], dataSet: DataSet, plain: boolean): DicomFrame {
  const within = (sequence: string): DataSet | undefined => {
    for (const group of groups) {
      const [item] = itemsOf(group, sequence);
      if (item !== undefined) return item;
    }
    return plain ? dataSet : undefined;
  };
  const position = numbers(within("x00209113"), "x00200032", 3);
  const orientation = numbers(within("x00209116"), "x00200037", 6);
  const spacing = numbers(within("x00289110"), "x00280030", 2);
  const scaling = within("x00289145");
  const echo = numbers(within("x00189114"), groups.length > 0 ? "x00189082" : "x00180081", 1);
  return {
    index,
    ...(position && { positionMm: position as unknown as Triple }),
    ...(orientation && { orientation }),
    ...(spacing && { pixelSpacingMm: spacing as unknown as readonly [number, number] }),
    slope: numbers(scaling, "x00281053", 1)?.[0] ?? 1,
    intercept: numbers(scaling, "x00281052", 1)?.[0] ?? 0,
    ...(echo && { echoTimeMs: echo[0] }),
  };
}

function tagsOf(dataSet: DataSet): SequenceTags {
  const text = (tag: string): string => dataSet.string(tag)?.trim() ?? "";
  const list = (tag: string): string[] =>
    text(tag)
      .toUpperCase()
      .split("\\")
      .filter((part) => part !== "");
  const shared = itemsOf(dataSet, "x52009229")[0];
  const timing = shared && itemsOf(shared, "x00189112")[0];
  const modifier = shared && itemsOf(shared, "x00189115")[0];
  const repetition = numbers(dataSet, "x00180080", 1) ?? numbers(timing, "x00180080", 1);
  // Inversion Times of enhanced objects is binary (FD).
  const inversion = numbers(dataSet, "x00180082", 1) ?? numbers(modifier, "x00189079", 1);
  const agent = itemsOf(dataSet, "x00180012")[0];
  const series = dataSet.intString("x00200011");
  return {
    description: text("x0008103e"),
    protocol: text("x00181030"),
    sequenceName: text("x00180024") || text("x00189005"),
    scanningSequence: list("x00180020"),
    imageType: list("x00080008"),
    contrastAgent: text("x00180010") || (agent?.string("x00080104")?.trim() ?? ""),
    ...(repetition && { repetitionTimeMs: repetition[0] }),
    ...(inversion && { inversionTimeMs: inversion[0] }),
    ...(series !== undefined && { seriesNumber: series }),
  };
}

function itemsOf(dataSet: DataSet | undefined, tag: string): DataSet[] {
  const items = dataSet?.elements[tag]?.items ?? [];
  return items.flatMap(({ dataSet: item }) => (item === undefined ? [] : [item]));
}

/** Elements whose values are binary doubles (FD), whatever the file's VR encoding. */
const BINARY_DOUBLES: ReadonlySet<string> = new Set(["x00189082", "x00189079"]);

/** At least `count` finite numbers, or undefined. */
function numbers(dataSet: DataSet | undefined, tag: string, count: number): readonly number[] | undefined {
  if (dataSet?.elements[tag] === undefined) return undefined;
  const values = Array.from({ length: count }, (_, i) =>
    BINARY_DOUBLES.has(tag) ? dataSet.double(tag, i) : dataSet.floatString(tag, i),
  );
  return values.every((value) => value !== undefined && Number.isFinite(value)) ? (values as number[]) : undefined;
}
