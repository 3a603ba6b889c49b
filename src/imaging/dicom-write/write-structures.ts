/**
 * Regions of a label map as outlines: an RT Structure Set (PS3.3, A.19 and C.8.8), one structure a region, with closed
 * planar contours on the slices of the series that was looked at. Holes are contours of their own: what is enclosed an
 * odd number of times is inside.
 *
 * Contours run along the edges of voxels: the area that they enclose is that of the label map, to the voxel.
 */
import { outlinesOfSlice } from "../outline-slice.ts";
import type { Affine, Triple, Volume } from "../volume.ts";
import { type DataSet, encodeDicom } from "./encode-dicom.ts";
import type { SourceSeries } from "./source-series.ts";
import { dateAndTime, newUid, patientAndStudy, reference, sequence, text } from "./source-tags.ts";
import { checkedGrid, type SegmentationAbout } from "./write-segmentation.ts";

export interface Structure {
  /** Of the region, at most 64 characters. */
  readonly name: string;
  readonly colour: Triple;
  /** Labels that belong to it. */
  readonly classes: readonly number[];
}

const STRUCTURE_SET_STORAGE = "1.2.840.10008.5.1.4.1.1.481.3";
const STUDY_COMPONENT = "1.2.840.10008.3.1.2.3.1";
/** Decimals of a millimetre. */
const DECIMALS = 3;

/**
 * @param labelMap classes on the grid of the series, as for `encodeSegmentation`.
 * @returns the bytes of a DICOM file.
 * @throws ConsiliumError `geometry-mismatch`; `limit-exceeded` for an outline of more corners than an element holds.
 */
export function encodeStructures(
  labelMap: Volume<Uint8Array>,
  structures: readonly Structure[],
  source: SourceSeries,
  about: SegmentationAbout,
): Uint8Array {
  checkedGrid(labelMap, source);
  const { date, time } = dateAndTime(about.madeAtMs);
  const series: DataSet = {
    "0020000e": text("UI", source.seriesInstanceUid),
    "30060016": sequence(...source.slices.map(reference)),
  };
  const study: DataSet = {
    "00081150": text("UI", STUDY_COMPONENT),
    "00081155": text("UI", source.study.instanceUid),
    "30060014": sequence(series),
  };
  return encodeDicom({
    ...patientAndStudy(source),
    "00080005": text("CS", "ISO_IR 192"),
    "00080016": text("UI", STRUCTURE_SET_STORAGE),
    "00080018": text("UI", newUid()),
    "00080060": text("CS", "RTSTRUCT"),
    "00080070": text("LO", "Consilium"),
    "0008103e": text("LO", "Tumour regions by a model: research only"),
    "00081070": text("PN", ""),
    "00081090": text("LO", "Consilium"),
    "00181020": text("LO", about.softwareVersion),
    "0020000e": text("UI", newUid()),
    "00200011": { vr: "IS", value: [901] },
    "00200052": text("UI", source.frameOfReferenceUid),
    "00201040": text("LO", source.positionReferenceIndicator),
    "30060002": text("SH", "TUMOUR"),
    "30060006": text("LT", `Research only. Drawn by ${about.algorithmName}, checked by nobody.`),
    "30060008": text("DA", date),
    "30060009": text("TM", time),
    "30060010": sequence({ "00200052": text("UI", source.frameOfReferenceUid), "30060012": sequence(study) }),
    "30060020": sequence(...structures.map((structure, i) => roiOf(structure, i + 1, source))),
    "30060039": sequence(...structures.map((structure, i) => contoursOf(structure, i + 1, labelMap, source))),
    "30060080": sequence(
      ...structures.map((_, i) => ({
        "30060082": { vr: "IS" as const, value: [i + 1] },
        "30060084": { vr: "IS" as const, value: [i + 1] },
        "300600a4": text("CS", ""),
        "300600a6": text("PN", ""),
      })),
    ),
    "300e0002": text("CS", "UNAPPROVED"),
  });
}

function roiOf({ name }: Structure, number: number, { frameOfReferenceUid }: SourceSeries): DataSet {
  return {
    "30060022": { vr: "IS", value: [number] },
    "30060024": text("UI", frameOfReferenceUid),
    "30060026": text("LO", name),
    "30060036": text("CS", "AUTOMATIC"),
  };
}

function contoursOf(
  { colour, classes }: Structure,
  number: number,
  { dims, data, affineVoxelToRas }: Volume<Uint8Array>,
  { slices }: SourceSeries,
): DataSet {
  const [nx, ny] = dims;
  const contours = slices.flatMap((slice, k) => {
    const plane = data.subarray(k * nx * ny, (k + 1) * nx * ny);
    if (!classes.some((label) => plane.includes(label))) return [];
    const inside = (x: number, y: number): boolean => classes.includes(plane[y * nx + x]);
    return outlinesOfSlice(inside, nx, ny).map((corners) => ({
      "30060016": sequence(reference(slice)),
      "30060042": text("CS", "CLOSED_PLANAR"),
      "30060046": { vr: "IS" as const, value: [corners.length] },
      "30060050": { vr: "DS" as const, value: corners.flatMap(([x, y]) => placeLps(affineVoxelToRas, [x, y, k])) },
    }));
  });
  return {
    "3006002a": { vr: "IS", value: [...colour] },
    ...(contours.length > 0 && { "30060040": sequence(...contours) }),
    "30060084": { vr: "IS", value: [number] },
  };
}

function placeLps(m: Affine, [x, y, z]: Triple): number[] {
  const row = (r: number): number => m[r] * x + m[r + 1] * y + m[r + 2] * z + m[r + 3];
  return [-row(0), -row(4), row(8)].map((mm) => Number(mm.toFixed(DECIMALS)));
}
