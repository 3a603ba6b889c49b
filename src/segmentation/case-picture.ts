/**
 * A patient's slice as people look at it: the scan in grey, the reference's outline and the prediction's drawn over
 * it. Rows of pictures go side by side into one image.
 */
import type { Triple } from "../imaging/index.ts";

/** RGB rows, 8 bits a channel. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

export interface SliceView {
  /** One channel on the grid of the label maps, x fastest. */
  readonly image: Float32Array;
  readonly dims: Triple;
  readonly slice: number;
  /** Label maps in classes; each class is outlined in its colour. */
  readonly labelMap?: Uint8Array;
}

type Colour = readonly [number, number, number];

/** Necrotic core, oedema, enhancing tumour. */
export const CLASS_COLOURS: readonly (Colour | undefined)[] = [
  undefined,
  [255, 92, 80],
  [80, 220, 120],
  [80, 170, 255],
];
/** A view's height in pixels comes near this, by whole enlargement. */
const VIEW_HEIGHT = 240;

/** The axial slice with the most tumour. */
export function fullestSlice(labelMap: Uint8Array, dims: Triple): number {
  const area = dims[0] * dims[1];
  let [best, most] = [Math.floor(dims[2] / 2), 0];
  for (let z = 0; z < dims[2]; z++) {
    let count = 0;
    for (let i = z * area; i < (z + 1) * area; i++) if (labelMap[i] !== 0) count++;
    if (count > most) [best, most] = [z, count];
  }
  return best;
}

/**
 * Axial slices side by side, each cut to what is in it and enlarged, left and right as the volume holds them.
 * All views must be of one grid.
 */
export function drawSlices(views: readonly SliceView[]): Picture {
  const frame = filledFrame(views);
  const scale = Math.max(1, Math.round(VIEW_HEIGHT / frame.height));
  const width = views.length * frame.width * scale;
  const height = frame.height * scale;
  const pixels = new Uint8Array(3 * width * height);
  views.forEach((view, i) => drawView(view, frame, scale, pixels, width, i * frame.width * scale));
  return { width, height, pixels };
}

interface Frame {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const MARGIN = 2;

/** The part of the slices that holds anything in any view, with a margin. */
function filledFrame(views: readonly SliceView[]): Frame {
  const [nx, ny] = views[0].dims;
  let [left, right, top, bottom] = [nx, -1, ny, -1];
  for (const { image, slice } of views) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0; x < nx; x++) {
        if (image[(slice * ny + y) * nx + x] === 0) continue;
        [left, right] = [Math.min(left, x), Math.max(right, x)];
        [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
      }
    }
  }
  if (right < 0) return { x: 0, y: 0, width: nx, height: ny };
  const [x, y] = [Math.max(0, left - MARGIN), Math.max(0, top - MARGIN)];
  return { x, y, width: Math.min(nx, right + 1 + MARGIN) - x, height: Math.min(ny, bottom + 1 + MARGIN) - y };
}

function drawView(
  { image, dims, slice, labelMap }: SliceView,
  frame: Frame,
  scale: number,
  pixels: Uint8Array,
  width: number,
  left: number,
): void {
  const [nx, ny] = dims;
  const start = slice * nx * ny;
  const [low, high] = greyRange(image.subarray(start, start + nx * ny));
  const classAt = (x: number, y: number): number =>
    labelMap === undefined || x < 0 || y < 0 || x >= nx || y >= ny ? 0 : labelMap[start + y * nx + x];
  for (let py = 0; py < frame.height * scale; py++) {
    for (let px = 0; px < frame.width * scale; px++) {
      const [x, y] = [frame.x + Math.floor(px / scale), frame.y + Math.floor(py / scale)];
      const grey = Math.max(0, Math.min(255, (255 * (image[start + y * nx + x] - low)) / (high - low)));
      const own = classAt(x, y);
      const beside = (at: number, step: number): number =>
        (at % scale === 0 ? -1 : at % scale === scale - 1 ? 1 : 0) * step;
      const onEdge = own !== 0 && (classAt(x + beside(px, 1), y) !== own || classAt(x, y + beside(py, 1)) !== own);
      const colour = onEdge ? CLASS_COLOURS[own] : undefined;
      const at = 3 * (py * width + left + px);
      for (let c = 0; c < 3; c++) pixels[at + c] = colour?.[c] ?? grey;
    }
  }
}

/** From zero, or the smallest value, to the 99.5th percentile of what is not background. */
export function greyRange(values: Float32Array): readonly [number, number] {
  const inside = values.filter((v) => v !== 0).toSorted();
  if (inside.length === 0) return [0, 1];
  const low = Math.min(0, inside[Math.floor(inside.length * 0.005)]);
  const high = inside[Math.floor((inside.length - 1) * 0.995)];
  return high > low ? [low, high] : [low, low + 1];
}
