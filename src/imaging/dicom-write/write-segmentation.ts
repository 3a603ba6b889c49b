/**
 * A label map as a DICOM Segmentation object (PS3.3, A.51 and C.8.20): binary segments, one for each class, on the very
 * grid of the series that was looked at, with the series' patient, study and frame of reference, and for each frame
 * the slice that it lies on.
 *
 * Invariants
 * - The label map's grid must be the series' own, slice by slice; nothing is resampled or shifted here.
 * - Frames without a voxel are left out (PS3.3, C.8.20.2); of a map without any, one empty frame stays, since an object
 *   must have one.
 * - Segments carry the algorithm's name and the type AUTOMATIC: no reader drew them.
 */
import { ConsiliumError } from "../../base/index.ts";
import type { Triple, Volume } from "../volume.ts";
import { cielabOf } from "./cielab.ts";
import { type DataSet, encodeDicom } from "./encode-dicom.ts";
import type { SourceSeries } from "./source-series.ts";
import { dateAndTime, newUid, patientAndStudy, reference, sequence, text } from "./source-tags.ts";

export interface SegmentationAbout {
  /** Of the model, at most 64 characters. */
  readonly algorithmName: string;
  readonly softwareVersion: string;
  readonly madeAtMs: number;
}

interface Code {
  readonly value: string;
  readonly meaning: string;
}

const SEGMENTS: readonly { label: string; type: Code }[] = [
  { label: "Necrotic core", type: { value: "6574001", meaning: "Necrosis" } },
  { label: "Oedema", type: { value: "79654002", meaning: "Edema" } },
  { label: "Enhancing tumour", type: { value: "108369006", meaning: "Neoplasm" } },
];
const ABNORMAL: Code = { value: "49755003", meaning: "Morphologically Abnormal Structure" };
const SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4";
const TOLERANCE_MM = 0.01;

/**
 * @param labelMap classes 0 to 3; columns along x, rows along y, slices along z of the source series.
 * @param colours sRGB by class, for a viewer to show its segment in; its own where there is none.
 * @returns the bytes of a DICOM file.
 * @throws ConsiliumError `geometry-mismatch` where the map does not lie on the series' slices.
 */
export function encodeSegmentation(
  labelMap: Volume<Uint8Array>,
  source: SourceSeries,
  about: SegmentationAbout,
  colours: readonly (Triple | undefined)[] = [],
): Uint8Array {
  const { spacing, thickness } = checkedGrid(labelMap, source);
  const [columns, rows] = labelMap.dims;
  const frames = framesOf(labelMap);
  const { date, time } = dateAndTime(about.madeAtMs);
  const dimensions = newUid();
  return encodeDicom({
    ...patientAndStudy(source),
    "00080005": text("CS", "ISO_IR 192"),
    "00080008": text("CS", "DERIVED", "PRIMARY"),
    "00080016": text("UI", SEGMENTATION_STORAGE),
    "00080018": text("UI", newUid()),
    "00080023": text("DA", date),
    "00080033": text("TM", time),
    "00080060": text("CS", "SEG"),
    "00080070": text("LO", "Consilium"),
    "0008103e": text("LO", "Tumour labels by a model: research only"),
    "00081090": text("LO", "Consilium"),
    "00081115": sequence({
      "0008114a": sequence(...instancesOf(source)),
      "0020000e": text("UI", source.seriesInstanceUid),
    }),
    "00181000": text("LO", "none"),
    "00181020": text("LO", about.softwareVersion),
    "0020000e": text("UI", newUid()),
    "00200011": { vr: "IS", value: [900] },
    "00200013": { vr: "IS", value: [1] },
    "00200052": text("UI", source.frameOfReferenceUid),
    "00201040": text("LO", source.positionReferenceIndicator),
    "00209221": sequence({ "00209164": text("UI", dimensions) }),
    "00209222": sequence(dimension(dimensions, "0062000b", "0062000a"), dimension(dimensions, "00200032", "00209113")),
    "00280002": { vr: "US", value: [1] },
    "00280004": text("CS", "MONOCHROME2"),
    "00280008": { vr: "IS", value: [frames.length] },
    "00280010": { vr: "US", value: [rows] },
    "00280011": { vr: "US", value: [columns] },
    "00280100": { vr: "US", value: [1] },
    "00280101": { vr: "US", value: [1] },
    "00280102": { vr: "US", value: [0] },
    "00280103": { vr: "US", value: [0] },
    "00282110": text("CS", "00"),
    "00620001": text("CS", "BINARY"),
    "00620002": sequence(...SEGMENTS.map((_, k) => segmentOf(k, about.algorithmName, colours[k + 1]))),
    "00700080": text("CS", "TUMOUR"),
    "00700081": text("LO", "Research only, drawn by a model"),
    "00700084": text("PN", "Consilium"),
    "52009229": sequence({
      "00209116": sequence({ "00200037": { vr: "DS", value: source.orientation } }),
      "00289110": sequence({
        "00180050": { vr: "DS", value: [thickness] },
        "00180088": { vr: "DS", value: [thickness] },
        "00280030": { vr: "DS", value: spacing },
      }),
    }),
    "52009230": sequence(...frames.map((frame) => frameOf(frame, source))),
    "7fe00010": { vr: "OB", value: packed(labelMap, frames) },
  });
}

/** Each file once, however many frames it holds. */
function instancesOf({ slices }: SourceSeries): DataSet[] {
  const files = new Map(slices.map((slice) => [slice.sopInstanceUid, slice]));
  return [...files.values()].map(({ frame: _, ...file }) => reference(file));
}

interface Frame {
  /** From 1. */
  readonly segment: number;
  readonly slice: number;
}

function framesOf({ data, dims }: Volume<Uint8Array>): Frame[] {
  const area = dims[0] * dims[1];
  const frames = SEGMENTS.flatMap((_, k) =>
    Array.from({ length: dims[2] }, (_slice, slice) => ({ segment: k + 1, slice })).filter(({ segment, slice }) =>
      data.subarray(slice * area, (slice + 1) * area).includes(segment),
    ),
  );
  return frames.length > 0 ? frames : [{ segment: 1, slice: 0 }];
}

/** One bit a voxel, the first in the lowest bit, frames joined without gaps (PS3.5, 8.1.1). */
function packed({ data, dims }: Volume<Uint8Array>, frames: readonly Frame[]): Uint8Array {
  const area = dims[0] * dims[1];
  const bits = new Uint8Array(Math.ceil((frames.length * area) / 8));
  for (const [f, { segment, slice }] of frames.entries()) {
    for (let i = 0, bit = f * area; i < area; i++, bit++) {
      if (data[slice * area + i] === segment) bits[bit >> 3] |= 1 << (bit & 7);
    }
  }
  return bits;
}

function frameOf({ segment, slice }: Frame, { slices }: SourceSeries): DataSet {
  const seen = slices[slice];
  return {
    "00089124": sequence({
      "00082112": sequence({
        ...reference(seen),
        "0028135a": text("CS", "YES"),
        "0040a170": sequence(coded("DCM", { value: "121322", meaning: "Source image for image processing operation" })),
      }),
      "00089215": sequence(coded("DCM", { value: "113076", meaning: "Segmentation" })),
    }),
    "00209111": sequence({ "00209157": { vr: "UL", value: [segment, slice + 1] } }),
    "00209113": sequence({ "00200032": { vr: "DS", value: seen.position } }),
    "0062000a": sequence({ "0062000b": { vr: "US", value: [segment] } }),
  };
}

function segmentOf(k: number, algorithm: string, colour: Triple | undefined): DataSet {
  const { label, type } = SEGMENTS[k];
  return {
    "00620003": sequence(coded("SCT", ABNORMAL)),
    "00620004": { vr: "US", value: [k + 1] },
    "00620005": text("LO", label),
    "00620008": text("CS", "AUTOMATIC"),
    "00620009": text("LO", algorithm),
    ...(colour && { "0062000d": { vr: "US", value: cielabOf(colour) } as const }),
    "0062000f": sequence(coded("SCT", type)),
  };
}

function dimension(organisation: string, pointer: string, group: string): DataSet {
  return {
    "00209164": text("UI", organisation),
    "00209165": { vr: "AT", value: [pointer] },
    "00209167": { vr: "AT", value: [group] },
  };
}

function coded(scheme: string, { value, meaning }: Code): DataSet {
  return { "00080100": text("SH", value), "00080102": text("SH", scheme), "00080104": text("LO", meaning) };
}

/** @returns row and column spacing, and the distance of slices, mm. */
export function checkedGrid(
  { dims, affineVoxelToRas: m }: Volume<Uint8Array>,
  { slices, orientation }: SourceSeries,
): { readonly spacing: readonly [number, number]; readonly thickness: number } {
  const columnOf = (c: number): Triple => [-m[c], -m[4 + c], m[8 + c]];
  const [across, down, along, origin] = [0, 1, 2, 3].map(columnOf);
  const lengthOf = (v: Triple): number => Math.hypot(...v);
  const unit = (v: Triple): number[] => v.map((value) => value / lengthOf(v));
  const turned = [...unit(across), ...unit(down)].some((value, i) => Math.abs(value - orientation[i]) > 1e-3);
  const off = slices.map(({ position }, k) =>
    Math.hypot(...position.map((value, axis) => value - origin[axis] - k * along[axis])),
  );
  if (slices.length === dims[2] && !turned && Math.max(...off) <= TOLERANCE_MM) {
    return { spacing: [lengthOf(down), lengthOf(across)], thickness: lengthOf(along) };
  }
  throw new ConsiliumError("geometry-mismatch", {
    subject: "label map",
    expected: `the ${slices.length} slices of its series, in their order and orientation`,
    actual: turned ? "another orientation" : `${dims[2]} slices, at most ${Math.max(...off).toFixed(2)} mm off`,
    hint: "Bring the label map back to the grid of the series first.",
  });
}
