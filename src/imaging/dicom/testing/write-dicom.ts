/** Writes single-frame MR images as explicit little-endian DICOM files, to test reading on series of any kind. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { spacingMmOf, type Volume } from "../../volume.ts";

/** Text by tag such as "00100020"; replaces what the writer says by itself. */
export type Tags = Readonly<Record<string, string>>;

const VR: Readonly<Record<string, string>> = {
  "00080005": "CS",
  "00080008": "CS",
  "00080016": "UI",
  "00080018": "UI",
  "00080020": "DA",
  "00080050": "SH",
  "00080060": "CS",
  "00080080": "LO",
  "00080090": "PN",
  "00081010": "SH",
  "00081030": "LO",
  "0008103e": "LO",
  "00081070": "PN",
  "00091010": "LO",
  "00100010": "PN",
  "00100020": "LO",
  "00100030": "DA",
  "00101000": "LO",
  "00101040": "LO",
  "00104000": "LT",
  "00180010": "LO",
  "00180020": "CS",
  "00181030": "LO",
  "00180080": "DS",
  "00180081": "DS",
  "00180082": "DS",
  "0020000d": "UI",
  "0020000e": "UI",
  "00200011": "IS",
  "00200032": "DS",
  "00200037": "DS",
  "00200052": "UI",
  "00204000": "LT",
  "00280002": "US",
  "00280004": "CS",
  "00280010": "US",
  "00280011": "US",
  "00280030": "DS",
  "00280100": "US",
  "00280101": "US",
  "00280102": "US",
  "00280103": "US",
  "00281052": "DS",
  "00281053": "DS",
};

function element(tag: string, vr: string, value: Buffer): Buffer {
  const padded = value.length % 2 === 0 ? value : Buffer.concat([value, Buffer.from(vr === "UI" ? "\0" : " ")]);
  const head = Buffer.alloc(vr === "OW" || vr === "OB" ? 12 : 8);
  head.writeUInt16LE(Number.parseInt(tag.slice(0, 4), 16), 0);
  head.writeUInt16LE(Number.parseInt(tag.slice(4), 16), 2);
  head.write(vr, 4, "latin1");
  if (head.length === 12) head.writeUInt32LE(padded.length, 8);
  else head.writeUInt16LE(padded.length, 6);
  return Buffer.concat([head, padded]);
}

function textElement(tag: string, text: string): Buffer {
  const vr = VR[tag];
  if (vr === undefined) throw new Error(`the writer knows no tag ${tag}`);
  if (vr !== "US") return element(tag, vr, Buffer.from(text, "utf8"));
  const value = Buffer.alloc(2);
  value.writeUInt16LE(Number(text));
  return element(tag, vr, value);
}

/** One file: a preamble, the transfer syntax, the tags in order, the pixels. */
export function dicomFile(tags: Tags, pixels: Buffer): Buffer {
  const syntax = element("00020010", "UI", Buffer.from("1.2.840.10008.1.2.1"));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(syntax.length);
  const body = Object.keys(tags)
    .sort()
    .map((tag) => textElement(tag, tags[tag]));
  return Buffer.concat([
    Buffer.alloc(128),
    Buffer.from("DICM"),
    element("00020000", "UL", length),
    syntax,
    ...body,
    element("7fe00010", "OW", pixels),
  ]);
}

export interface SeriesOptions {
  readonly uid: string;
  readonly study: string;
  readonly tags?: Tags;
  /** Of one slice; replaces those of the series. */
  readonly tagsOfSlice?: (slice: number) => Tags;
}

/** A volume of integers from 0 to 65535 as a series, one file a slice. @returns the paths of the files. */
export async function writeSeries(dir: string, volume: Volume, options: SeriesOptions): Promise<string[]> {
  await mkdir(dir, { recursive: true });
  const { dims, data, affineVoxelToRas: m } = volume;
  const spacing = spacingMmOf(m);
  const cosines = [0, 1].flatMap((c) => [-m[c], -m[4 + c], m[8 + c]].map((x) => x / spacing[c]));
  const decimal = (x: number): string => x.toFixed(8).slice(0, 16);
  const paths: string[] = [];
  for (let k = 0; k < dims[2]; k++) {
    const position = [-(m[3] + k * m[2]), -(m[7] + k * m[6]), m[11] + k * m[10]];
    const pixels = Buffer.alloc(2 * dims[0] * dims[1]);
    for (let i = 0; i < dims[0] * dims[1]; i++) {
      pixels.writeUInt16LE(Math.max(0, Math.min(65535, Math.round(data[k * dims[0] * dims[1] + i]))), 2 * i);
    }
    const tags: Tags = {
      "00080008": "ORIGINAL\\PRIMARY\\M",
      "00080016": "1.2.840.10008.5.1.4.1.1.4",
      "00080018": `${options.uid}.${k + 1}`,
      "00080060": "MR",
      "00100010": "Someone^Real",
      "00100020": "4711",
      "0020000d": options.study,
      "0020000e": options.uid,
      "00200032": position.map(decimal).join("\\"),
      "00200037": cosines.map(decimal).join("\\"),
      "00280002": "1",
      "00280004": "MONOCHROME2",
      "00280010": String(dims[1]),
      "00280011": String(dims[0]),
      "00280030": `${decimal(spacing[1])}\\${decimal(spacing[0])}`,
      "00280100": "16",
      "00280101": "16",
      "00280102": "15",
      "00280103": "0",
      ...options.tags,
      ...options.tagsOfSlice?.(k),
    };
    const path = join(dir, `IM${k + 1}`);
    await writeFile(path, dicomFile(tags, pixels));
    paths.push(path);
  }
  return paths;
}
