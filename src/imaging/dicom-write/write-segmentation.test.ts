import { expect, test } from "vitest";
import { exampleLabelMap, exampleSeries } from "../testing/example-series.ts";
import { cielabOf } from "./cielab.ts";
import { encodeDicom } from "./encode-dicom.ts";
import { encodeSegmentation } from "./write-segmentation.ts";

// That it means what it says to others is checked by highdicom: bench/oracle/dicom_segmentation.py.

type Parsed = Map<string, Buffer | Parsed[]>;

/** Explicit VR Little Endian by PS3.5, 7.1.2: written anew here, so that it does not share the writer's slips. */
function parse(bytes: Buffer): Parsed {
  const found: Parsed = new Map();
  let last = "";
  for (let at = 0; at < bytes.length; ) {
    const tag = [0, 2]
      .map((o) =>
        bytes
          .readUInt16LE(at + o)
          .toString(16)
          .padStart(4, "0"),
      )
      .join("");
    expect(tag > last).toBe(true);
    last = tag;
    const vr = bytes.toString("latin1", at + 4, at + 6);
    const long = ["OB", "OW", "SQ", "UN"].includes(vr);
    const length = long ? bytes.readUInt32LE(at + 8) : bytes.readUInt16LE(at + 6);
    const start = at + (long ? 12 : 8);
    expect(length % 2).toBe(0);
    const value = bytes.subarray(start, start + length);
    expect(value.length).toBe(length);
    found.set(tag, vr === "SQ" ? items(value) : value);
    at = start + length;
  }
  return found;
}

function items(bytes: Buffer): Parsed[] {
  const list: Parsed[] = [];
  for (let at = 0; at < bytes.length; ) {
    expect([bytes.readUInt16LE(at), bytes.readUInt16LE(at + 2)]).toEqual([0xfffe, 0xe000]);
    const length = bytes.readUInt32LE(at + 4);
    list.push(parse(bytes.subarray(at + 8, at + 8 + length)));
    at += 8 + length;
  }
  return list;
}

const text = (set: Parsed, tag: string): string => (set.get(tag) as Buffer).toString("utf8").replace(/[ \0]+$/, "");
const nested = (set: Parsed, ...tags: string[]): Parsed[] =>
  tags.reduce<Parsed[]>((sets, tag) => sets.flatMap((one) => one.get(tag) as Parsed[]), [set]);

const about = { algorithmName: "Model", softwareVersion: "1", madeAtMs: 0 };
const labelMap = exampleLabelMap();
const series = exampleSeries();

test("patient, study, frame of reference and every slice are those of the series", () => {
  const file = Buffer.from(encodeSegmentation(labelMap, series, about));
  expect(file.toString("latin1", 128, 132)).toBe("DICM");
  const metaLength = file.readUInt32LE(132 + 8);
  const set = parse(file.subarray(144 + metaLength));
  expect(text(set, "00100010")).toBe("Müller^Łucja");
  expect(text(set, "00080005")).toBe("ISO_IR 192");
  expect(text(set, "0020000d")).toBe(series.study.instanceUid);
  expect(text(set, "00200052")).toBe(series.frameOfReferenceUid);
  const [referenced] = nested(set, "00081115");
  expect(text(referenced, "0020000e")).toBe(series.seriesInstanceUid);
  expect(nested(referenced, "0008114a").map((one) => text(one, "00081155"))).toEqual(
    series.slices.map(({ sopInstanceUid }) => sopInstanceUid),
  );
  for (const frame of nested(set, "52009230")) {
    const [position] = nested(frame, "00209113");
    const [source] = nested(frame, "00089124", "00082112");
    const slice = series.slices.find(({ sopInstanceUid }) => sopInstanceUid === text(source, "00081155"));
    expect(text(position, "00200032").split("\\").map(Number)).toEqual([...(slice?.position ?? [])]);
  }
});

test("each voxel's bit is set in its own segment's frame and nowhere else; empty frames are left out", () => {
  const file = Buffer.from(encodeSegmentation(labelMap, series, about));
  const set = parse(file.subarray(144 + file.readUInt32LE(140)));
  const frames = nested(set, "52009230");
  // Three slices of four hold necrosis and enhancement, two of them oedema.
  expect(Number(text(set, "00280008"))).toBe(frames.length);
  expect(frames).toHaveLength(8);
  const pixels = set.get("7fe00010") as Buffer;
  const area = labelMap.dims[0] * labelMap.dims[1];
  const rebuilt = new Uint8Array(labelMap.data.length);
  for (const [f, frame] of frames.entries()) {
    const segment = (nested(frame, "0062000a")[0].get("0062000b") as Buffer).readUInt16LE();
    const uid = text(nested(frame, "00089124", "00082112")[0], "00081155");
    const slice = series.slices.findIndex(({ sopInstanceUid }) => sopInstanceUid === uid);
    for (let i = 0; i < area; i++) {
      const bit = f * area + i;
      if ((pixels[bit >> 3] >> (bit & 7)) & 1) rebuilt[slice * area + i] += segment;
    }
  }
  expect(rebuilt).toEqual(labelMap.data);
});

test("a segment says in which colour to show it, where its class has one", () => {
  const colour = [255, 92, 80] as const;
  const file = Buffer.from(encodeSegmentation(labelMap, series, about, [undefined, undefined, colour]));
  const segments = nested(parse(file.subarray(144 + file.readUInt32LE(140))), "00620002");
  const said = segments.map((one) => one.get("0062000d") as Buffer | undefined);
  expect([said[0], said[2]]).toEqual([undefined, undefined]);
  expect([0, 2, 4].map((at) => said[1]?.readUInt16LE(at))).toEqual(cielabOf(colour));
});

test("a map of no tumour is an object of one empty frame", () => {
  const empty = { ...labelMap, data: new Uint8Array(labelMap.data.length) };
  const file = Buffer.from(encodeSegmentation(empty, series, about));
  const set = parse(file.subarray(144 + file.readUInt32LE(140)));
  expect(nested(set, "52009230")).toHaveLength(1);
  expect((set.get("7fe00010") as Buffer).every((byte) => byte === 0)).toBe(true);
});

test("a map that lies elsewhere than the series is refused", () => {
  const moved = labelMap.affineVoxelToRas.map((value, i) => (i === 11 ? value + 0.5 : value));
  expect(() => encodeSegmentation({ ...labelMap, affineVoxelToRas: moved }, series, about)).toThrow(/0.50 mm off/);
  const mirrored = { ...series, orientation: series.orientation.map((value) => -value) };
  expect(() => encodeSegmentation(labelMap, mirrored, about)).toThrow(/another orientation/);
  const fewer = { ...series, slices: series.slices.slice(1) };
  expect(() => encodeSegmentation(labelMap, fewer, about)).toThrow(/the 3 slices/);
});

test("a value that its length cannot say is refused", () => {
  const long = { "00080016": { vr: "UI", value: ["1"] }, "00080018": { vr: "UI", value: ["1"] } } as const;
  const set = { ...long, "00100010": { vr: "PN", value: ["x".repeat(70_000)] } } as const;
  expect(() => encodeDicom(set)).toThrow(/at most 65535 bytes/);
});
