/** Small volumes, cases and folders for tests, built from nothing but numbers. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import { type Affine, type Modality, type Triple, type Volume, type VoxelArray, writeNifti } from "../index.ts";

export const BRATS_AFFINE: Affine = [-1, 0, 0, 0, 0, -1, 0, 239, 0, 0, 1, 0, 0, 0, 0, 1];

export function volumeOf<A extends VoxelArray>(dims: Triple, data: A, affine: Affine = BRATS_AFFINE): Volume<A> {
  return { dims, data, affineVoxelToRas: affine };
}

const folders: string[] = [];
// Here, where the file is read: within a test or a hook it is too late to ask for it.
afterAll(() => Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true }))));

/** A folder of its own, removed at the end of the test file. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "consilium-imaging-"));
  folders.push(folder);
  return folder;
}

export type SampleImages = Record<Modality, Volume>;

/** Four modalities with a bright ball of "brain" in a dark box, each of its own contrast. */
export function sampleImages(dims: Triple = [12, 10, 8], affine: Affine = BRATS_AFFINE): SampleImages {
  const image = (contrast: number): Volume => {
    const data = new Int16Array(dims[0] * dims[1] * dims[2]);
    insideBall(dims, (index) => {
      data[index] = 100 * contrast + ((index * 7919) % 97);
    });
    return volumeOf(dims, data, affine);
  };
  return { t1: image(3), t1ce: image(4), t2: image(5), flair: image(6) };
}

/** Classes in nested boxes in the middle: 2 around 1 around 3. */
export function sampleClasses(dims: Triple = [12, 10, 8], affine: Affine = BRATS_AFFINE): Volume<Uint8Array> {
  const data = new Uint8Array(dims[0] * dims[1] * dims[2]);
  const middle = dims.map((size) => (size - 1) / 2);
  for (let index = 0; index < data.length; index++) {
    const [x, y, z] = coordinates(index, dims);
    const distance = Math.max(Math.abs(x - middle[0]), Math.abs(y - middle[1]), Math.abs(z - middle[2]));
    data[index] = distance < 1 ? 3 : distance < 2 ? 1 : distance < 3 ? 2 : 0;
  }
  return volumeOf(dims, data, affine);
}

export function coordinates(index: number, dims: Triple): Triple {
  return [index % dims[0], Math.floor(index / dims[0]) % dims[1], Math.floor(index / (dims[0] * dims[1]))];
}

function insideBall(dims: Triple, visit: (index: number) => void): void {
  for (let index = 0; index < dims[0] * dims[1] * dims[2]; index++) {
    const from = coordinates(index, dims).map((at, axis) => (at - (dims[axis] - 1) / 2) / (dims[axis] / 2 - 0.5));
    if (Math.hypot(...from) < 1) visit(index);
  }
}

/** Writes a case in the layout of 2018 to 2021; `seg` holds label values of the file, not classes. */
export async function writeSampleCase(
  dataset: string,
  id: string,
  images: Partial<SampleImages> = sampleImages(),
  seg?: Volume,
  nameOf: (role: string) => string = (role) => `${id}_${role}.nii.gz`,
): Promise<string> {
  const folder = join(dataset, id);
  await mkdir(folder, { recursive: true });
  for (const [role, volume] of Object.entries(images)) await writeNifti(join(folder, nameOf(role)), volume);
  if (seg !== undefined) await writeNifti(join(folder, nameOf("seg")), seg);
  return folder;
}

/** Rows of an affine as the oracle writes them: 12 numbers. */
export function fullAffine(rows: readonly number[]): Affine {
  return [...rows, 0, 0, 0, 1];
}

/** True where two arrays hold the same bits; much faster than toEqual over millions of voxels. */
export function sameBits(a: VoxelArray | undefined, b: VoxelArray | undefined): boolean {
  if (a === undefined || b === undefined || a.constructor !== b.constructor) return false;
  const bytesOf = (array: VoxelArray): Buffer => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  return bytesOf(a).equals(bytesOf(b));
}

export function expectSameVolume(actual: Volume | undefined, expected: Volume | undefined): void {
  expect(actual?.dims).toEqual(expected?.dims);
  expect(actual?.affineVoxelToRas).toEqual(expected?.affineVoxelToRas);
  expect(sameBits(actual?.data, expected?.data)).toBe(true);
}
