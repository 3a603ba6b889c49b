/**
 * The stored values of a file's frames (PS3.5, section 8), as integers of `bitsStored` bits: bits above, in which old
 * scanners kept overlays, are cut off, and the sign is carried up. Nothing is rescaled here.
 */
import { basename } from "node:path";
import dicomParser, { type DataSet, type Element } from "dicom-parser";
import { ConsiliumError } from "../../base/index.ts";
import { corrupt, pixelElement, readDicomFile } from "./dicom-file.ts";
import type { DicomImage, PixelLayout } from "./dicom-image.ts";
import { pixelCoding } from "./transfer-syntaxes.ts";

export type StoredValues = Int32Array | Uint32Array;

/**
 * @returns frames in the file's order, rows from the top, [rows, columns] each.
 * @throws ConsiliumError `dicom-corrupt`, `dicom-unsupported`, `limit-exceeded`.
 */
export async function readFrames(image: Pick<DicomImage, "path" | "layout" | "frames">): Promise<StoredValues[]> {
  const { layout, frames } = image;
  const subject = basename(image.path);
  checkLayout(layout, subject);
  const coding = pixelCoding(layout.transferSyntax, subject);
  const dataSet = await readDicomFile(image.path);
  const element = pixelElement(dataSet);
  if (element === undefined) throw corrupt(subject, "pixels", "none");
  const bytes = (layout.rows * layout.columns * layout.bitsAllocated) / 8;
  const result: StoredValues[] = [];
  for (const { index } of frames) {
    if (coding.kind === "native") {
      const from = element.dataOffset + index * bytes;
      const end = Math.min(element.dataOffset + element.length, dataSet.byteArray.length);
      if (from + bytes > end) throw corrupt(subject, `${frames.length} frames of ${bytes} bytes`, "fewer bytes");
      result.push(toIntegers(dataSet.byteArray.subarray(from, from + bytes), layout, coding.littleEndian));
    } else {
      const coded = codedFrame(dataSet, element, index, frames.length, subject);
      result.push(toIntegers(await coding.decode(coded, layout, subject), layout, true));
    }
  }
  return result;
}

function checkLayout(layout: PixelLayout, subject: string): void {
  const refuse = (expected: string, actual: string): never => {
    throw new ConsiliumError("dicom-unsupported", {
      subject,
      expected,
      actual,
      hint: "Intake takes scans as the scanner made them, not pictures of them.",
    });
  };
  if (layout.samplesPerPixel !== 1) refuse("one sample a pixel", `${layout.samplesPerPixel}: a colour image`);
  if (layout.photometric.startsWith("PALETTE")) refuse("grey values", "a palette of colours");
  if (![8, 16, 32].includes(layout.bitsAllocated)) refuse("8, 16 or 32 bits a pixel", String(layout.bitsAllocated));
  if (!(layout.bitsStored >= 1 && layout.bitsStored <= layout.bitsAllocated)) {
    refuse(`1 to ${layout.bitsAllocated} bits stored`, String(layout.bitsStored));
  }
}

/** Frames lie in fragments (PS3.5, A.4): one each, or as an offset table or the codestreams' ends tell. */
function codedFrame(dataSet: DataSet, element: Element, frame: number, frames: number, subject: string): Uint8Array {
  const fragments = element.fragments ?? [];
  const short = fragments.some(({ position, length }) => position + length > dataSet.byteArray.length);
  if (fragments.length < frames || short) {
    throw corrupt(subject, `${frames} compressed frames`, `${fragments.length} fragments${short ? ", cut off" : ""}`);
  }
  try {
    if (fragments.length === frames)
      return dicomParser.readEncapsulatedPixelDataFromFragments(dataSet, element, frame, 1) as Uint8Array;
    if (frames === 1) {
      return dicomParser.readEncapsulatedPixelDataFromFragments(dataSet, element, 0, fragments.length) as Uint8Array;
    }
    const table = element.basicOffsetTable?.length
      ? element.basicOffsetTable
      : dicomParser.createJPEGBasicOffsetTable(dataSet, element);
    return dicomParser.readEncapsulatedImageFrame(dataSet, element, frame, table) as Uint8Array;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw corrupt(subject, `compressed frame ${frame + 1}`, message, cause);
  }
}

function toIntegers(
  bytes: Uint8Array,
  { bitsAllocated, bitsStored, signed }: PixelLayout,
  littleEndian: boolean,
): StoredValues {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = bitsAllocated / 8;
  const count = bytes.length / size;
  const out = !signed && bitsStored === 32 ? new Uint32Array(count) : new Int32Array(count);
  const shift = 32 - bitsStored;
  for (let i = 0; i < out.length; i++) {
    const raw =
      size === 1 ? bytes[i] : size === 2 ? view.getUint16(2 * i, littleEndian) : view.getInt32(4 * i, littleEndian);
    out[i] = signed ? (raw << shift) >> shift : (raw << shift) >>> shift;
  }
  return out;
}
