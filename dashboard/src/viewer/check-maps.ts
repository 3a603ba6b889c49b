/**
 * What a file must be before it is shown: NIfTI; and a map before it is painted or measured: values whose meaning was
 * declared, on the grid of the map it is compared with. Anything else is refused, since a wrong map looks like a right one.
 */
import type { Trouble } from "../trouble.ts";

export type Enhancing = 3 | 4;

/** How far a corner may lie from where the other map has it. */
const GRID_TOLERANCE_VOXELS = 0.1;
const KNOWN_CLASSES = 4;

/** `magic` of NIfTI-1 and NIfTI-2 in one file, and where it stands. */
const MAGICS = [
  { at: 344, magic: "n+1\0" },
  { at: 4, magic: "n+2\0" },
] as const;

/** @throws a Trouble for bytes that are no NIfTI file */
export function checkNifti(bytes: ArrayBuffer, name: string): void {
  const textAt = (at: number): string => String.fromCharCode(...new Uint8Array(bytes.slice(at, at + 4)));
  if (!MAGICS.some(({ at, magic }) => textAt(at) === magic)) throw noNifti(name);
}

/**
 * Classes of a file's values: 0 background, 1 necrotic core, 2 oedema, 3 enhancing tumour.
 * @param enhancing the value that enhancing tumour has in the file
 * @throws a Trouble for a value that is none of the declared ones
 */
export function classesOf(values: ArrayLike<number>, enhancing: Enhancing, name: string): Uint8Array {
  const classes = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value === enhancing) classes[i] = KNOWN_CLASSES - 1;
    else if (value === 0 || value === 1 || value === 2) classes[i] = value;
    else throw unknownValue(value, enhancing, name);
  }
  return classes;
}

export interface MapGrid {
  /** Voxels along three axes. */
  readonly dims: readonly number[];
  /** Rows of voxel to mm. */
  readonly affine: readonly (readonly number[])[];
}

/** @throws a Trouble where voxels of the two maps are not the same places */
export function checkSameGrid(first: MapGrid, second: MapGrid, name: string): void {
  const sizes = second.dims.join(" x ");
  if (first.dims.join(" x ") !== sizes) throw otherGrid(`${first.dims.join(" x ")} voxels`, sizes, name);
  const voxelMm = Math.min(...[0, 1, 2].map((column) => Math.hypot(...first.affine.map((row) => row[column]))));
  const apartMm = Math.max(...cornersOf(first).map((corner, i) => distance(corner, cornersOf(second)[i])));
  if (apartMm <= GRID_TOLERANCE_VOXELS * voxelMm) return;
  throw otherGrid("voxels in the same places", `a corner ${apartMm.toPrecision(3)} mm away`, name);
}

function cornersOf({ dims, affine }: MapGrid): readonly (readonly number[])[] {
  return Array.from({ length: 8 }, (_, corner) => {
    const voxel = [...dims.map((size, axis) => ((corner >> axis) & 1) * (size - 1)), 1];
    return affine.map((row) => row.reduce((sum, cell, i) => sum + cell * voxel[i], 0));
  });
}

function distance(a: readonly number[], b: readonly number[]): number {
  return Math.hypot(...a.map((each, i) => each - b[i]));
}

function noNifti(name: string): Trouble {
  return {
    code: "nifti-corrupt",
    subject: name,
    expected: "a NIfTI file, packed by gzip or not",
    actual: "another",
    hint: "The other files are shown; export this one again.",
  };
}

function unknownValue(value: number, enhancing: Enhancing, name: string): Trouble {
  return {
    code: "label-unknown",
    subject: name,
    expected: `0, 1, 2 and ${enhancing}, as “Enhancing tumour is ${enhancing}” says`,
    actual: String(value),
    hint: `Choose ${enhancing === 3 ? 4 : 3} if the map is written so; another value has no meaning here.`,
  };
}

function otherGrid(expected: string, actual: string, name: string): Trouble {
  return {
    code: "geometry-mismatch",
    subject: name,
    expected: `${expected}, as in the other map`,
    actual,
    hint: "Resample one of them to the other's grid, or open them one after the other.",
  };
}
