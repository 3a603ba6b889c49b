/**
 * A picture of cases side by side: one row a case with T1, T1 with gadolinium, T2, FLAIR and the classes in colour
 * over FLAIR, each through the axial plane that shows most tumour. Grey is the z-score from -2.5 to 3.5.
 */
import { MODALITIES, type Modality } from "../../study/index.ts";
import { encodePng } from "../png.ts";
import type { Volume } from "../volume.ts";

export interface MontageCase extends Readonly<Record<Modality, Volume>> {
  /** Class indices. */
  readonly labelMap: Volume;
}

const COLOURS: readonly (readonly [number, number, number])[] = [
  [0, 0, 0],
  [220, 60, 60],
  [70, 170, 80],
  [240, 210, 70],
];
const TILES = MODALITIES.length + 1;

/**
 * @param cases all of the same grid.
 * @param columns cases beside each other in a row of the picture.
 * @returns a PNG file.
 */
export function montagePng(cases: readonly MontageCase[], columns = 1): Uint8Array {
  const frame = commonFrame(cases);
  const tileWidth = frame.right - frame.left;
  const tileHeight = frame.bottom - frame.top;
  const width = tileWidth * TILES * columns;
  const height = tileHeight * Math.ceil(cases.length / columns);
  const pixels = new Uint8Array(3 * width * height);
  cases.forEach((one, index) => {
    const originX = (index % columns) * TILES * tileWidth;
    const originY = Math.floor(index / columns) * tileHeight;
    const plane = fullestPlane(one.labelMap);
    const [nx, ny] = one.labelMap.dims;
    const greys = MODALITIES.map((modality) => greyScale(one[modality]));
    for (let y = 0; y < tileHeight; y++) {
      for (let x = 0; x < tileWidth; x++) {
        const voxel = x + frame.left + nx * (y + frame.top + ny * plane);
        for (let tile = 0; tile < TILES; tile++) {
          const grey = greys[Math.min(tile, MODALITIES.length - 1)](voxel);
          const label = tile === TILES - 1 ? Number(one.labelMap.data[voxel]) : 0;
          const at = 3 * (originX + tile * tileWidth + x + width * (originY + y));
          for (let c = 0; c < 3; c++) pixels[at + c] = label > 0 ? 0.45 * grey + 0.55 * COLOURS[label][c] : grey;
        }
      }
    }
  });
  return encodePng(width, height, pixels);
}

interface Frame {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** The smallest rectangle in the plane that holds the brains of all cases, with a margin. */
function commonFrame(cases: readonly MontageCase[]): Frame {
  const [nx, ny] = cases[0].t1.dims;
  const frame = { left: nx, right: 0, top: ny, bottom: 0 };
  for (const { t1 } of cases) {
    for (let n = 0; n < t1.data.length; n++) {
      if (t1.data[n] === 0) continue;
      const x = n % nx;
      const y = Math.floor(n / nx) % ny;
      if (x < frame.left) frame.left = x;
      if (x >= frame.right) frame.right = x + 1;
      if (y < frame.top) frame.top = y;
      if (y >= frame.bottom) frame.bottom = y + 1;
    }
  }
  return {
    left: Math.max(0, frame.left - 2),
    right: Math.min(nx, frame.right + 2),
    top: Math.max(0, frame.top - 2),
    bottom: Math.min(ny, frame.bottom + 2),
  };
}

function fullestPlane(labelMap: Volume): number {
  const area = labelMap.dims[0] * labelMap.dims[1];
  const counts = new Float64Array(labelMap.dims[2]);
  for (let n = 0; n < labelMap.data.length; n++) if (labelMap.data[n] > 0) counts[Math.floor(n / area)]++;
  return counts.indexOf(counts.reduce((best, count) => Math.max(best, count), 0));
}

/** Grey value of a voxel, 0 outside the brain. */
function greyScale({ data }: Volume): (voxel: number) => number {
  let count = 0;
  let sum = 0;
  let squares = 0;
  for (let n = 0; n < data.length; n++) {
    if (data[n] === 0) continue;
    count++;
    sum += data[n];
    squares += data[n] * data[n];
  }
  const mean = sum / count;
  const deviation = Math.sqrt(squares / count - mean * mean) || 1;
  return (voxel) => {
    if (data[voxel] === 0) return 0;
    return Math.round(Math.min(1, Math.max(0, ((data[voxel] - mean) / deviation + 2.5) / 6)) * 255);
  };
}
