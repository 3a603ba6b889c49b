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
const CLASS_COLOURS: readonly (Colour | undefined)[] = [undefined, [255, 92, 80], [80, 220, 120], [80, 170, 255]];
const ENLARGEMENT = 2;

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

/** Axial slices side by side, each enlarged twice, in the patient's own left-right as the volume holds it. */
export function drawSlices(views: readonly SliceView[]): Picture {
  const height = Math.max(...views.map(({ dims }) => dims[1])) * ENLARGEMENT;
  const width = views.reduce((sum, { dims }) => sum + dims[0] * ENLARGEMENT, 0);
  const pixels = new Uint8Array(3 * width * height);
  let left = 0;
  for (const view of views) {
    drawView(view, pixels, width, left);
    left += view.dims[0] * ENLARGEMENT;
  }
  return { width, height, pixels };
}

function drawView({ image, dims, slice, labelMap }: SliceView, pixels: Uint8Array, width: number, left: number): void {
  const [nx, ny] = dims;
  const start = slice * nx * ny;
  const [low, high] = greyRange(image.subarray(start, start + nx * ny));
  const classAt = (x: number, y: number): number =>
    labelMap === undefined || x < 0 || y < 0 || x >= nx || y >= ny ? 0 : labelMap[start + y * nx + x];
  for (let py = 0; py < ny * ENLARGEMENT; py++) {
    for (let px = 0; px < nx * ENLARGEMENT; px++) {
      const [x, y] = [Math.floor(px / ENLARGEMENT), Math.floor(py / ENLARGEMENT)];
      const grey = Math.max(0, Math.min(255, (255 * (image[start + y * nx + x] - low)) / (high - low)));
      const own = classAt(x, y);
      const [dx, dy] = [px % ENLARGEMENT === 0 ? -1 : 1, py % ENLARGEMENT === 0 ? -1 : 1];
      const onEdge = own !== 0 && (classAt(x + dx, y) !== own || classAt(x, y + dy) !== own);
      const colour = onEdge ? CLASS_COLOURS[own] : undefined;
      const at = 3 * (py * width + left + px);
      for (let c = 0; c < 3; c++) pixels[at + c] = colour?.[c] ?? grey;
    }
  }
}

/** From zero, or the smallest value, to the 99.5th percentile of what is not background. */
function greyRange(values: Float32Array): readonly [number, number] {
  const inside = values.filter((v) => v !== 0).toSorted();
  if (inside.length === 0) return [0, 1];
  const low = Math.min(0, inside[Math.floor(inside.length * 0.005)]);
  const high = inside[Math.floor((inside.length - 1) * 0.995)];
  return high > low ? [low, high] : [low, low + 1];
}
