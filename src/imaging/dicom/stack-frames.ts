/**
 * From the frames of a series to one grid: slices in order along their normal, and the affine that places them
 * (PS3.3, C.7.6.2.1.1; LPS turned to RAS). Oblique and anisotropic grids are kept as they are. What no regular grid
 * holds is refused: missing slices, unequal gaps, slices that slide sideways, several images at one place.
 */
import { ConsiliumError } from "../../base/index.ts";
import type { Affine, Triple } from "../volume.ts";
import type { DicomFrame, DicomImage } from "./dicom-image.ts";

export interface PlacedFrame {
  readonly image: DicomImage;
  readonly frame: DicomFrame;
}

export interface FrameStack {
  /** In the order of the third voxel axis. */
  readonly frames: readonly PlacedFrame[];
  readonly dims: Triple;
  readonly affineVoxelToRas: Affine;
}

/** Fewer are a localiser, or single pictures. */
const MIN_SLICES = 10;
/** Scanners round positions to hundredths of millimetres at worst. */
const ROUNDING_MM = 0.01;
/** Part of a gap by which gaps may differ beyond rounding. */
const GAP_TOLERANCE = 0.02;

/**
 * @param frames of one series, orientation, size and spacing.
 * @param subject the series in words that name no patient.
 * @throws ConsiliumError `series-refused`, `series-incomplete`, `geometry-invalid`.
 */
export function stackFrames(frames: readonly PlacedFrame[], subject: string): FrameStack {
  const placed = frames.map(({ image, frame }) => ({ image, frame, at: placeOf(frame, subject) }));
  if (placed.length < MIN_SLICES) {
    throw new ConsiliumError("series-refused", {
      subject,
      expected: `at least ${MIN_SLICES} parallel slices`,
      actual: String(placed.length),
      hint: "Localisers and single pictures are no volume; nothing is to be done.",
    });
  }
  const { orientation, pixelSpacingMm } = placed[0].at;
  const [row, column] = [orientation.slice(0, 3), orientation.slice(3, 6)] as unknown as [Triple, Triple];
  checkOrthonormal(row, column, subject);
  const normal: Triple = [
    row[1] * column[2] - row[2] * column[1],
    row[2] * column[0] - row[0] * column[2],
    row[0] * column[1] - row[1] * column[0],
  ];
  const sorted = placed
    .map((entry) => ({ ...entry, height: dot(entry.at.positionMm, normal) }))
    .sort((a, b) => a.height - b.height);
  checkGaps(
    sorted.map(({ height }) => height),
    subject,
  );
  const [first, last] = [sorted[0].at.positionMm, sorted[sorted.length - 1].at.positionMm];
  const step = first.map((start, axis) => (last[axis] - start) / (sorted.length - 1)) as unknown as Triple;
  checkLine(
    sorted.map(({ at }) => at.positionMm),
    step,
    normal,
    subject,
  );
  const [betweenRows, betweenColumns] = pixelSpacingMm;
  const lps = [0, 1, 2].map((axis) => [
    row[axis] * betweenColumns,
    column[axis] * betweenRows,
    step[axis],
    first[axis],
  ]);
  const affineVoxelToRas = [...lps[0].map(negated), ...lps[1].map(negated), ...lps[2], 0, 0, 0, 1];
  const { rows, columns } = placed[0].image.layout;
  return {
    frames: sorted.map(({ image, frame }) => ({ image, frame })),
    dims: [columns, rows, sorted.length],
    affineVoxelToRas,
  };
}

type Place = Required<Pick<DicomFrame, "positionMm" | "orientation" | "pixelSpacingMm">>;

function placeOf({ positionMm, orientation, pixelSpacingMm }: DicomFrame, subject: string): Place {
  if (positionMm && orientation && pixelSpacingMm) return { positionMm, orientation, pixelSpacingMm };
  throw new ConsiliumError("series-refused", {
    subject,
    expected: "position, orientation and pixel spacing of every slice",
    actual: "an image without its place in the patient",
    hint: "Screenshots and two-dimensional images are no volume; export the original series.",
  });
}

/** Subtracting from zero never leaves a negative zero. */
const negated = (x: number): number => 0 - x;
const dot = (a: Triple, b: Triple): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const mm = (x: number): string => `${Number(x.toFixed(3))} mm`;

function checkOrthonormal(row: Triple, column: Triple, subject: string): void {
  const [rr, cc, rc] = [Math.hypot(...row), Math.hypot(...column), dot(row, column)];
  if (Math.abs(rr - 1) < 1e-3 && Math.abs(cc - 1) < 1e-3 && Math.abs(rc) < 1e-3) return;
  throw new ConsiliumError("geometry-invalid", {
    subject,
    expected: "directions of rows and columns of length 1, at right angles",
    actual: `lengths ${rr.toPrecision(4)} and ${cc.toPrecision(4)}, cosine ${rc.toPrecision(3)}`,
    hint: "Export the series again from its source.",
  });
}

function checkGaps(heights: readonly number[], subject: string): void {
  const gaps = heights.slice(1).map((height, i) => height - heights[i]);
  const median = [...gaps].sort((a, b) => a - b)[gaps.length >> 1];
  const twice = gaps.findIndex((gap) => gap < Math.max(ROUNDING_MM, 0.1 * median));
  if (twice >= 0) {
    throw new ConsiliumError("series-refused", {
      subject,
      expected: "one image at every place",
      actual: `several at slice ${twice + 1} of ${heights.length}`,
      hint: "Series over time, of several contrasts or exported twice are to be split or left out.",
    });
  }
  const odd = gaps.findIndex((gap) => Math.abs(gap - median) > 2 * ROUNDING_MM + GAP_TOLERANCE * median);
  if (odd < 0) return;
  const ratio = gaps[odd] / median;
  const missing = Math.round(ratio) - 1;
  if (missing >= 1 && Math.abs(ratio - Math.round(ratio)) < 0.1) {
    throw new ConsiliumError("series-incomplete", {
      subject,
      expected: `slices every ${mm(median)}`,
      actual: `${missing} missing after slice ${odd + 1} of ${heights.length}`,
      hint: "Export the series again, whole.",
    });
  }
  throw new ConsiliumError("geometry-invalid", {
    subject,
    expected: `equal gaps between slices, ${mm(median)} as most are`,
    actual: `${mm(gaps[odd])} after slice ${odd + 1} of ${heights.length}`,
    hint: "Slices of unequal gaps are no regular grid: resample them elsewhere, or leave the case out.",
  });
}

/** Slices must lie above each other: a tilted gantry or a moving table shears the grid. */
function checkLine(positions: readonly Triple[], step: Triple, normal: Triple, subject: string): void {
  const gap = Math.hypot(...step);
  const slant = Math.acos(Math.min(1, dot(step, normal) / gap));
  const allowed = 2 * ROUNDING_MM + GAP_TOLERANCE * gap;
  const [first] = positions;
  const off = positions.map((p, k) => Math.hypot(...p.map((x, axis) => x - first[axis] - k * step[axis])));
  const worst = Math.max(...off);
  if (slant <= 1e-2 && worst <= allowed) return;
  throw new ConsiliumError("geometry-invalid", {
    subject,
    expected: "slices right above each other, along a line",
    actual:
      slant > 1e-2
        ? `a stack slanted by ${((slant * 180) / Math.PI).toFixed(2)} degrees`
        : `a slice ${mm(worst)} off the line`,
    hint: "Resample the series onto a straight grid elsewhere, or leave the case out.",
  });
}
