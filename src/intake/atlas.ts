/**
 * The space that intake brings every case to: a brain without skull, and the grid of BraTS (240 x 240 x 155 voxels of
 * 1 mm, LPS) around it.
 *
 * The site names an atlas of its own (a skull-stripped T1 such as SRI24 or MNI152), or takes the product's: the median
 * of phantoms, which is nobody's brain and needs no licence. It lies where BraTS's brains lie, but its anatomy is
 * coarse: cases of several sites lie more alike with one named atlas.
 */
import { basename } from "node:path";
import { ConsiliumError, sha256 } from "../base/index.ts";
import {
  BRAIN_ML,
  type Grid,
  makePhantom,
  phantomGrid,
  readNifti,
  reorient,
  spacingMmOf,
  type Triple,
  type Volume,
} from "../imaging/index.ts";

export interface Atlas {
  /** For people. */
  readonly name: string;
  /** Of the voxels, so that cases brought to different atlases are told apart. */
  readonly digest: string;
  /** Zero outside the brain. */
  readonly brain: Volume<Float32Array>;
  /** What cases are resampled onto. */
  readonly grid: Grid;
}

const PHANTOMS = 5;
const PHANTOM_SPACING_MM = 2;

/** Its name, which changes when the atlas does. */
export const OWN_ATLAS = `median of ${PHANTOMS} phantoms`;

/** The product's own atlas: the same bytes every time. */
export function ownAtlas(): Atlas {
  const images = Array.from({ length: PHANTOMS }, (_, caseIndex) =>
    normalised(makePhantom({ seed: 20, caseIndex, siteIndex: caseIndex, spacingMm: PHANTOM_SPACING_MM }).t1.data),
  );
  const { dims, affineVoxelToRas } = phantomGrid(PHANTOM_SPACING_MM);
  const middle = PHANTOMS >> 1;
  const data = Float32Array.from(images[0], (_, i) => images.map((image) => image[i]).sort((a, b) => a - b)[middle]);
  return atlasOf(OWN_ATLAS, { dims, data, affineVoxelToRas }, phantomGrid(1));
}

/** Each phantom's brain at the same mean. */
function normalised(data: Int16Array): Float32Array {
  let [sum, count] = [0, 0];
  for (const value of data) {
    if (value === 0) continue;
    sum += value;
    count++;
  }
  return Float32Array.from(data, (value) => (1000 * value * count) / sum);
}

/**
 * A site's atlas: a skull-stripped T1 as NIfTI. On the grid of BraTS, in whatever orientation, it gives the grid; any
 * other gets a grid of that size around its brain.
 * @throws ConsiliumError `intensity-invalid` where what is not zero cannot be a brain alone, and those of readNifti.
 */
export async function readAtlas(path: string): Promise<Atlas> {
  const { volume } = await readNifti(path);
  const turned = reorient({ ...volume, data: Float32Array.from(volume.data) }, "LPS");
  const spacing = spacingMmOf(turned.affineVoxelToRas);
  const voxelMl = spacing.reduce((product, side) => product * side, 1) / 1000;
  const ml = voxelMl * turned.data.reduce((count, value) => count + (value > 0 ? 1 : 0), 0);
  if (ml < BRAIN_ML[0] || ml > BRAIN_ML[1]) {
    throw new ConsiliumError("intensity-invalid", {
      subject: basename(path),
      expected: `an atlas without skull: ${BRAIN_ML[0]} to ${BRAIN_ML[1]} ml above zero`,
      actual: `${ml.toFixed(0)} ml`,
      hint: "Set everything outside the atlas's brain to zero.",
    });
  }
  const own = phantomGrid(1);
  const isBrats = turned.dims.every((n, a) => n === own.dims[a]) && spacing.every((s) => Math.abs(s - 1) < 1e-3);
  return atlasOf(basename(path), turned, isBrats ? turned : gridAround(turned));
}

function atlasOf(name: string, brain: Volume<Float32Array>, { dims, affineVoxelToRas }: Grid): Atlas {
  const { data } = brain;
  const digest = sha256(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return { name, digest, brain, grid: { dims, affineVoxelToRas } };
}

/** The middle of the brain's box in the middle of the grid. */
function gridAround({ dims, data, affineVoxelToRas: m }: Volume<Float32Array>): Grid {
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];
  for (let i = 0; i < data.length; i++) {
    if (data[i] <= 0) continue;
    const at = [i % dims[0], Math.floor(i / dims[0]) % dims[1], Math.floor(i / (dims[0] * dims[1]))];
    at.forEach((x, axis) => {
      low[axis] = Math.min(low[axis], x);
      high[axis] = Math.max(high[axis], x);
    });
  }
  const middle = low.map((x, axis) => (x + high[axis]) / 2) as unknown as Triple;
  const [x, y, z] = [0, 4, 8].map((r) => m[r] * middle[0] + m[r + 1] * middle[1] + m[r + 2] * middle[2] + m[r + 3]);
  const size = phantomGrid(1).dims;
  const half = size.map((n) => (n - 1) / 2);
  return {
    dims: size,
    affineVoxelToRas: [
      -1,
      0,
      0,
      Math.round(x + half[0]),
      0,
      -1,
      0,
      Math.round(y + half[1]),
      0,
      0,
      1,
      Math.round(z - half[2]),
      0,
      0,
      0,
      1,
    ],
  };
}
