/**
 * A patient's scan in three views through the tumour, as radiologists look at it: axial, coronal and sagittal, the
 * patient's right on the left of the picture, the front up (axial) or on the left (sagittal), the head up.
 *
 * Invariants: millimetres are as long along every axis whatever the voxels' shape; outlines are drawn on the borders of
 * classes; nothing of the scan is smoothed but its enlargement (bilinear).
 */
import { reorient, spacingMmOf, type Triple, type Volume } from "../imaging/index.ts";
import { CLASS_COLOURS, greyRange, type Picture } from "./case-picture.ts";

export const VIEW_NAMES = ["axial", "coronal", "sagittal"] as const;
export type ViewName = (typeof VIEW_NAMES)[number];

export interface CaseView extends Picture {
  readonly name: ViewName;
  /** Of the cut, in the order of the LPS grid, counted from 1, and of how many. */
  readonly slice: number;
  readonly slices: number;
}

/** Axis cut, axis across, axis down, and whether the last is turned over; axes of the LPS grid. */
const CUTS: Readonly<Record<ViewName, { cut: 0 | 1 | 2; across: 0 | 1 | 2; down: 0 | 1 | 2; upsideDown: boolean }>> = {
  axial: { cut: 2, across: 0, down: 1, upsideDown: false },
  coronal: { cut: 1, across: 0, down: 2, upsideDown: true },
  sagittal: { cut: 0, across: 1, down: 2, upsideDown: true },
};

const VIEW_SIDE = 320;
const MARGIN_VOXELS = 3;

/**
 * @param image one channel; zero is no tissue.
 * @param labelMap classes on the same grid.
 * @returns the three views, each through the slice with the most tumour; of a case without any, through the middle.
 */
export function drawCaseViews(image: Volume<Float32Array>, labelMap: Volume<Uint8Array>): CaseView[] {
  const scan = reorient(image, "LPS");
  const labels = reorient(labelMap, "LPS");
  const frame = tissueBox(scan);
  const at =
    slicesOfMostTumour(labels) ??
    (frame.low.map((low, a) => Math.floor((low + frame.high[a]) / 2)) as unknown as Triple);
  const spacing = spacingMmOf(scan.affineVoxelToRas);
  const extents = frame.high.map((high, a) => (high - frame.low[a] + 1) * spacing[a]);
  const pixelsPerMm = VIEW_SIDE / Math.max(...extents);
  const range = greyRange(scan.data);
  return VIEW_NAMES.map((name) => drawView(name, scan, labels, frame, at, pixelsPerMm, range));
}

interface Frame {
  readonly low: readonly number[];
  readonly high: readonly number[];
}

function tissueBox({ data, dims }: Volume<Float32Array>): Frame {
  const low = [...dims];
  const high = [-1, -1, -1];
  for (let i = 0, z = 0; z < dims[2]; z++) {
    for (let y = 0; y < dims[1]; y++) {
      for (let x = 0; x < dims[0]; x++, i++) {
        if (data[i] === 0) continue;
        for (const [axis, value] of [x, y, z].entries()) {
          if (value < low[axis]) low[axis] = value;
          if (value > high[axis]) high[axis] = value;
        }
      }
    }
  }
  if (high[0] < 0) return { low: [0, 0, 0], high: dims.map((size) => size - 1) };
  return {
    low: low.map((value) => Math.max(0, value - MARGIN_VOXELS)),
    high: high.map((value, a) => Math.min(dims[a] - 1, value + MARGIN_VOXELS)),
  };
}

/** For each axis the slice across it with the most tumour; undefined without tumour. */
function slicesOfMostTumour({ data, dims }: Volume<Uint8Array>): Triple | undefined {
  const counts = dims.map((size) => new Float64Array(size));
  let found = false;
  for (let i = 0, z = 0; z < dims[2]; z++) {
    for (let y = 0; y < dims[1]; y++) {
      for (let x = 0; x < dims[0]; x++, i++) {
        if (data[i] === 0) continue;
        found = true;
        counts[0][x]++;
        counts[1][y]++;
        counts[2][z]++;
      }
    }
  }
  if (!found) return undefined;
  const [x, y, z] = counts.map((list) => list.indexOf(Math.max(...list)));
  return [x, y, z];
}

function drawView(
  name: ViewName,
  scan: Volume<Float32Array>,
  labels: Volume<Uint8Array>,
  { low, high }: Frame,
  at: Triple,
  pixelsPerMm: number,
  [darkest, brightest]: readonly [number, number],
): CaseView {
  const { cut, across, down, upsideDown } = CUTS[name];
  const { dims } = scan;
  const strides = [1, dims[0], dims[0] * dims[1]];
  const spacing = spacingMmOf(scan.affineVoxelToRas);
  const perVoxel = [across, down].map((axis) => pixelsPerMm * spacing[axis]);
  const width = Math.max(1, Math.round((high[across] - low[across] + 1) * perVoxel[0]));
  const height = Math.max(1, Math.round((high[down] - low[down] + 1) * perVoxel[1]));
  const base = at[cut] * strides[cut];
  const clamp = (value: number, axis: number): number => Math.min(dims[axis] - 1, Math.max(0, value));
  const placeOf = (px: number, py: number): readonly [number, number] => {
    const u = low[across] + (px + 0.5) / perVoxel[0] - 0.5;
    const v = (py + 0.5) / perVoxel[1] - 0.5;
    return [u, upsideDown ? high[down] - v : low[down] + v];
  };
  const labelAt = (px: number, py: number): number => {
    const [u, v] = placeOf(px, py);
    return labels.data[
      base + clamp(Math.round(u), across) * strides[across] + clamp(Math.round(v), down) * strides[down]
    ];
  };
  const valueAt = (u: number, v: number): number => {
    const [u0, v0] = [Math.floor(u), Math.floor(v)];
    const [fu, fv] = [u - u0, v - v0];
    const voxel = (a: number, b: number): number =>
      scan.data[base + clamp(a, across) * strides[across] + clamp(b, down) * strides[down]];
    const upper = voxel(u0, v0) * (1 - fu) + voxel(u0 + 1, v0) * fu;
    return upper * (1 - fv) + (voxel(u0, v0 + 1) * (1 - fu) + voxel(u0 + 1, v0 + 1) * fu) * fv;
  };
  const pixels = new Uint8Array(3 * width * height);
  for (let py = 0, to = 0; py < height; py++) {
    for (let px = 0; px < width; px++, to += 3) {
      const own = labelAt(px, py);
      const onEdge =
        own !== 0 &&
        (labelAt(px - 1, py) !== own ||
          labelAt(px + 1, py) !== own ||
          labelAt(px, py - 1) !== own ||
          labelAt(px, py + 1) !== own);
      const colour = onEdge ? CLASS_COLOURS[own] : undefined;
      const grey = (255 * (valueAt(...placeOf(px, py)) - darkest)) / (brightest - darkest);
      for (let c = 0; c < 3; c++) pixels[to + c] = colour?.[c] ?? Math.max(0, Math.min(255, grey));
    }
  }
  return { name, width, height, pixels, slice: at[cut] + 1, slices: dims[cut] };
}
