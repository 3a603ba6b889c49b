/**
 * DICOM files on disk (PS3.10) as data sets, by dicom-parser: implicit and explicit VR, little and big endian,
 * deflated. A header is read from the file's beginning alone where that suffices, so that a scan of a hospital's
 * folder does not read every pixel.
 *
 * Fail closed: what ends before it should is refused, never filled up; what is no DICOM file is told apart from one
 * that is broken, and from one that is locked in another container.
 */
import { open, readFile } from "node:fs/promises";
import { basename } from "node:path";
import dicomParser, { type DataSet, type Element } from "dicom-parser";
import { ConsiliumError, LIMITS } from "../../base/index.ts";

export const PIXEL_DATA = "x7fe00010";
const HEADER_BYTES = 64 << 10;
const PREFIX_OFFSET = 128;

/** What a file's first bytes say about it. */
export type FileKind = "dicom" | "encrypted" | "other";

/** DER of the object identifiers of CMS enveloped data, by which secure DICOM files begin (PS3.15, annex D). */
const CMS_ENVELOPED = Buffer.from("06092a864886f70d010703", "hex");

export function fileKind(head: Uint8Array): FileKind {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  if (bytes.toString("latin1", PREFIX_OFFSET, PREFIX_OFFSET + 4) === "DICM") return "dicom";
  return bytes.subarray(0, 32).includes(CMS_ENVELOPED) ? "encrypted" : "other";
}

export interface DicomHeader {
  readonly dataSet: DataSet;
  readonly fileBytes: number;
}

/**
 * Everything before the pixels; the pixel element stands among the elements by place and length.
 * @returns the kind of file where it is no DICOM file.
 * @throws ConsiliumError `dicom-corrupt`, `limit-exceeded`, or an error of the file system.
 */
export async function readDicomHeader(path: string): Promise<DicomHeader | Exclude<FileKind, "dicom">> {
  const subject = basename(path);
  const file = await open(path, "r");
  let head: Buffer;
  let fileBytes: number;
  try {
    fileBytes = (await file.stat()).size;
    head = Buffer.alloc(Math.min(fileBytes, HEADER_BYTES));
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    head = head.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
  const kind = fileKind(head);
  if (kind !== "dicom") return kind;
  checkSize(fileBytes, subject);
  const whole = head.length === fileBytes;
  try {
    return { dataSet: parse(head, subject, PIXEL_DATA), fileBytes };
  } catch (error) {
    if (whole) throw error;
  }
  return { dataSet: parse(await readFile(path), subject, PIXEL_DATA), fileBytes };
}

/** The whole file. @throws ConsiliumError `dicom-corrupt`, `limit-exceeded`, or an error of the file system. */
export async function readDicomFile(path: string): Promise<DataSet> {
  const bytes = await readFile(path);
  checkSize(bytes.length, basename(path));
  return parse(bytes, basename(path));
}

function checkSize(bytes: number, subject: string): void {
  if (bytes <= LIMITS.dicomFileBytes) return;
  throw new ConsiliumError("limit-exceeded", {
    subject,
    expected: `a file of at most ${LIMITS.dicomFileBytes} bytes`,
    actual: String(bytes),
    hint: "Export the series as single-frame files.",
  });
}

function parse(bytes: Uint8Array, subject: string, untilTag?: string): DataSet {
  try {
    return dicomParser.parseDicom(bytes, untilTag === undefined ? {} : { untilTag });
  } catch (cause) {
    const message =
      cause instanceof Error ? cause.message : String((cause as { exception?: string }).exception ?? cause);
    throw corrupt(subject, "a DICOM file that ends where its elements do", message, cause);
  }
}

export function corrupt(subject: string, expected: string, actual: string, cause?: unknown): ConsiliumError {
  return new ConsiliumError("dicom-corrupt", {
    subject,
    expected,
    actual,
    hint: "The file is damaged or was cut off: export it again from its source.",
    cause,
  });
}

/** The element of pixels, or undefined in a file without an image. */
export function pixelElement(dataSet: DataSet): Element | undefined {
  return dataSet.elements[PIXEL_DATA] as Element | undefined;
}
