/**
 * Writes DICOM files (PS3.10): preamble, file meta information, and a data set in Explicit VR Little Endian (PS3.5,
 * 7.1.2 and annex A.2). Elements go out in rising order of tags, values padded to even length, sequences and items with
 * their lengths written out. Text is UTF-8 (ISO_IR 192); whoever makes a data set says so in (0008,0005).
 */
import { ConsiliumError, invariant } from "../../base/index.ts";

export type DataSet = Readonly<Record<string, DicomElement>>;

/** Keyed by tag as eight hexadecimal digits, such as "00080060". */
export type DicomElement =
  | { readonly vr: TextVr; readonly value: readonly string[] }
  | { readonly vr: "US"; readonly value: readonly number[] }
  | { readonly vr: "UL"; readonly value: readonly number[] }
  | { readonly vr: "DS" | "IS"; readonly value: readonly number[] }
  /** Tags as eight hexadecimal digits. */
  | { readonly vr: "AT"; readonly value: readonly string[] }
  | { readonly vr: "OB"; readonly value: Uint8Array }
  | { readonly vr: "SQ"; readonly value: readonly DataSet[] };

type TextVr = "CS" | "DA" | "LO" | "PN" | "SH" | "TM" | "UI" | "LT";

const EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1";
/** Under 2.25: a UUID (PS3.5, annex B.2), fixed for this product. */
const IMPLEMENTATION = "2.25.140834914735241203977161327733806119937";
/** VRs with a length of 32 bits behind two reserved bytes (PS3.5, table 7.1-1). */
const LONG = new Set(["OB", "SQ"]);
const MAX_SHORT = 0xffff;

/** @throws ConsiliumError `limit-exceeded` for a value longer than its VR's length can say. */
export function encodeDicom(dataSet: DataSet): Uint8Array {
  const uid = (tag: string): string => {
    const element = dataSet[tag];
    invariant(element?.vr === "UI", `a UID in element ${tag}`);
    return element.value[0];
  };
  const meta = encodeDataSet({
    "00020001": { vr: "OB", value: Uint8Array.of(0, 1) },
    "00020002": { vr: "UI", value: [uid("00080016")] },
    "00020003": { vr: "UI", value: [uid("00080018")] },
    "00020010": { vr: "UI", value: [EXPLICIT_LITTLE_ENDIAN] },
    "00020012": { vr: "UI", value: [IMPLEMENTATION] },
  });
  const length = encodeDataSet({ "00020000": { vr: "UL", value: [meta.length] } });
  return Buffer.concat([Buffer.alloc(128), Buffer.from("DICM"), length, meta, encodeDataSet(dataSet)]);
}

function encodeDataSet(dataSet: DataSet): Buffer {
  const tags = Object.keys(dataSet).sort();
  return Buffer.concat(tags.flatMap((tag) => encodeElement(tag, dataSet[tag])));
}

function encodeElement(tag: string, element: DicomElement): Buffer[] {
  const value = encodeValue(element);
  const long = LONG.has(element.vr);
  if (!long && value.length > MAX_SHORT) {
    throw new ConsiliumError("limit-exceeded", {
      subject: `DICOM element ${tag}`,
      expected: `at most ${MAX_SHORT} bytes`,
      actual: String(value.length),
      hint: "Shorten the value.",
    });
  }
  const head = Buffer.alloc(long ? 12 : 8);
  encodeTag(tag).copy(head);
  head.write(element.vr, 4, "latin1");
  if (long) head.writeUInt32LE(value.length, 8);
  else head.writeUInt16LE(value.length, 6);
  return [head, value];
}

function encodeTag(tag: string): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16LE(Number.parseInt(tag.slice(0, 4), 16), 0);
  bytes.writeUInt16LE(Number.parseInt(tag.slice(4), 16), 2);
  return bytes;
}

function encodeValue(element: DicomElement): Buffer {
  switch (element.vr) {
    case "SQ":
      return Buffer.concat(element.value.flatMap(encodeItem));
    case "OB":
      return padded(Buffer.from(element.value), 0);
    case "US":
      return Buffer.from(Uint16Array.from(element.value).buffer);
    case "UL":
      return Buffer.from(Uint32Array.from(element.value).buffer);
    case "AT":
      return Buffer.concat(element.value.map(encodeTag));
    case "DS":
    case "IS":
      return padded(Buffer.from(element.value.map(decimal).join("\\"), "latin1"), 0x20);
    case "UI":
      return padded(Buffer.from(element.value.join("\\"), "latin1"), 0);
    default:
      return padded(Buffer.from(element.value.join("\\"), "utf8"), 0x20);
  }
}

function encodeItem(item: DataSet): Buffer[] {
  const content = encodeDataSet(item);
  const head = Buffer.alloc(8);
  encodeTag("fffee000").copy(head);
  head.writeUInt32LE(content.length, 4);
  return [head, content];
}

function padded(bytes: Buffer, pad: number): Buffer {
  return bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.of(pad)]);
}

/** A decimal string of at most 16 characters (PS3.5, 6.2), as exact as that allows. */
function decimal(value: number): string {
  const plain = String(value);
  if (plain.length <= 16) return plain;
  for (let digits = 15; digits > 0; digits--) {
    const text = value.toPrecision(digits);
    if (text.length <= 16) return text;
  }
  return value.toExponential(8);
}
