/**
 * Contact sheets: the four scans beside each other, each through three planes, with the outline of a mask. Every tile
 * is sampled in millimetres, so that scans of any grid are seen to one scale, and left is the patient's right.
 */
import {
  type Affine,
  applyAffine,
  encodePng,
  type Grid,
  resampleOnto,
  type Triple,
  type Volume,
} from "../imaging/index.ts";
import { UNMOVED } from "./align-case.ts";

export interface SheetColumn {
  readonly scan: Volume<Float32Array>;
  /** From the sheet's space to the scan's. */
  readonly motion: Affine;
  /** RAS mm, where the planes meet. */
  readonly centre: Triple;
  /** In the sheet's space. */
  readonly tumour?: Volume<Uint8Array>;
  readonly outline?: { readonly mask: Volume<Float32Array>; readonly motion: Affine };
}

const TILE = 150;
const FIELD_MM = 240;
const STEP_MM = FIELD_MM / TILE;
const OUTLINE = [255, 70, 60] as const;
const TUMOUR = [255, 210, 40] as const;

/** @returns a PNG file: a column for each scan; axial, coronal and sagittal planes below each other. */
export function contactSheet(columns: readonly SheetColumn[]): Uint8Array {
  const [width, height] = [TILE * columns.length, TILE * 3];
  const pixels = new Uint8Array(3 * width * height);
  const inTumour = columns.map(({ tumour }) => tumour && shareOf(tumour));
  for (const [c, { scan, motion, centre, outline }] of columns.entries()) {
    const tiles = planesThrough(centre).map((plane) => resampleOnto(scan, plane, motion).data);
    const [dark, bright] = windowOf(tiles);
    for (const [p, plane] of planesThrough(centre).entries()) {
      const edges = outline && edgesOf(resampleOnto(outline.mask, plane, outline.motion).data);
      const drawn = inTumour[c] && edgesOf(resampleOnto(inTumour[c], plane, UNMOVED).data);
      for (let i = 0; i < TILE * TILE; i++) {
        const at = 3 * ((p * TILE + Math.floor(i / TILE)) * width + c * TILE + (i % TILE));
        const grey = Math.max(0, Math.min(255, (255 * (tiles[p][i] - dark)) / (bright - dark)));
        const colour = drawn?.[i] === 1 ? TUMOUR : edges?.[i] === 1 ? OUTLINE : [grey, grey, grey];
        pixels.set(colour, at);
      }
    }
  }
  return encodePng(width, height, pixels);
}

/** The middle of a scan's grid. */
export function middleOf({ dims, affineVoxelToRas }: Grid): Triple {
  return applyAffine(affineVoxelToRas, dims.map((n) => (n - 1) / 2) as unknown as Triple);
}

/** Axial seen from below, coronal from the front, sagittal from the left. */
function planesThrough([x, y, z]: Triple): Grid[] {
  const [s, half] = [STEP_MM, FIELD_MM / 2];
  const dims: Triple = [TILE, TILE, 1];
  return [
    { dims, affineVoxelToRas: [-s, 0, 0, x + half, 0, -s, 0, y + half, 0, 0, 1, z, 0, 0, 0, 1] },
    { dims, affineVoxelToRas: [-s, 0, 0, x + half, 0, 0, 1, y, 0, -s, 0, z + half, 0, 0, 0, 1] },
    { dims, affineVoxelToRas: [0, 0, 1, x, -s, 0, 0, y + half, 0, -s, 0, z + half, 0, 0, 0, 1] },
  ];
}

function windowOf(tiles: readonly Float32Array[]): readonly [number, number] {
  const values = Float32Array.from(tiles.flatMap((tile) => [...tile]).filter((value) => value !== 0)).sort();
  const at = (part: number): number => values[Math.floor(part * (values.length - 1))] ?? 0;
  const [dark, bright] = [Math.min(0, at(0.02)), at(0.995)];
  return bright > dark ? [dark, bright] : [dark, dark + 1];
}

function shareOf({ dims, affineVoxelToRas, data }: Volume<Uint8Array>): Volume<Float32Array> {
  return { dims, affineVoxelToRas, data: Float32Array.from(data, (label) => (label === 0 ? 0 : 1)) };
}

function edgesOf(shares: Float32Array): Uint8Array {
  const inside = (i: number): boolean => shares[i] >= 0.5;
  return Uint8Array.from(shares, (_, i) =>
    inside(i) && !(inside(i - 1) && inside(i + 1) && inside(i - TILE) && inside(i + TILE)) ? 1 : 0,
  );
}
