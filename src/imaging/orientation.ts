/**
 * Orientation of voxel axes, and turning volumes between the 48 of them without interpolation.
 *
 * A code such as "LPS" says where each voxel axis leads as its index grows: x to the patient's Left, y Posterior,
 * z Superior (nibabel's aff2axcodes; BraTS is LPS). An oblique affine has the code of the closest axes; its angles
 * stay in the affine, which always describes the voxels as they lie.
 */
import { ConsiliumError, invariant } from "../base/index.ts";
import { checkAffine } from "./affine.ts";
import { type Affine, spacingMmOf, type Triple, type Volume, type VoxelArray } from "./volume.ts";

/** Three letters, one of each pair L/R, P/A, I/S. */
export type Orientation = string;

const LETTERS = ["LR", "PA", "IS"] as const;
const PERMUTATIONS: readonly Triple[] = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];

/** Every code, in a fixed order. */
export const ORIENTATIONS: readonly Orientation[] = PERMUTATIONS.flatMap((axes) =>
  Array.from({ length: 8 }, (_, signs) => axes.map((axis, i) => LETTERS[axis][(signs >> i) & 1]).join("")),
);

/** @throws ConsiliumError `geometry-invalid` for a degenerate affine. */
export function orientationOf(affine: Affine, subject = "affine"): Orientation {
  checkAffine(affine, subject);
  const spacing = spacingMmOf(affine);
  const cosine = (world: number, voxel: number): number => affine[4 * world + voxel] / spacing[voxel];
  let best: Triple = PERMUTATIONS[0];
  let bestFit = Number.NEGATIVE_INFINITY;
  for (const worldOf of PERMUTATIONS) {
    const fit = worldOf.reduce((sum, world, voxel) => sum + Math.abs(cosine(world, voxel)), 0);
    if (fit > bestFit + 1e-9) [best, bestFit] = [worldOf, fit];
  }
  return best.map((world, voxel) => LETTERS[world][cosine(world, voxel) > 0 ? 1 : 0]).join("");
}

interface AxisChoice {
  /** Axis of the source that feeds this axis of the result. */
  readonly source: number;
  readonly flipped: boolean;
}

/** @throws ConsiliumError `geometry-invalid` for text that is no orientation. */
function parseOrientation(code: Orientation): { world: number; positive: boolean }[] {
  if (!ORIENTATIONS.includes(code)) {
    throw new ConsiliumError("geometry-invalid", {
      subject: "orientation",
      expected: "three letters, one of each pair L/R, P/A, I/S, such as LPS",
      actual: JSON.stringify(code),
      hint: "Name one of the 48 orientations.",
    });
  }
  return [...code].map((letter) => {
    const world = LETTERS.findIndex((pair) => pair.includes(letter));
    return { world, positive: LETTERS[world][1] === letter };
  });
}

function axisChoices(from: Orientation, to: Orientation): AxisChoice[] {
  const source = parseOrientation(from);
  return parseOrientation(to).map(({ world, positive }) => {
    const index = source.findIndex((axis) => axis.world === world);
    return { source: index, flipped: source[index].positive !== positive };
  });
}

/**
 * The same voxels in another order, with the affine that keeps each where it was in the patient.
 * Returns the volume itself where it is in that order already; else a copy.
 */
export function reorient<A extends VoxelArray>(volume: Volume<A>, to: Orientation): Volume<A> {
  const from = orientationOf(volume.affineVoxelToRas);
  if (from === to) {
    parseOrientation(to);
    return volume;
  }
  const choices = axisChoices(from, to);
  const { dims, data, affineVoxelToRas: affine } = volume;
  const outDims = choices.map(({ source }) => dims[source]) as unknown as Triple;
  const result = affine.slice();
  for (let row = 0; row < 12; row += 4) {
    let origin = affine[row + 3];
    for (let axis = 0; axis < 3; axis++) {
      const { source, flipped } = choices[axis];
      const step = affine[row + source];
      // Subtracting from zero never leaves a negative zero.
      result[row + axis] = flipped ? 0 - step : step;
      if (flipped) origin += step * (dims[source] - 1);
    }
    result[row + 3] = origin;
  }
  return { dims: outDims, data: permuted(data, dims, choices), affineVoxelToRas: result };
}

/**
 * Brings data in orientation `from` back to a grid of known orientation, dims and affine, which it must fit exactly.
 * Used to return results to the very header that a case came with.
 */
export function reorientOnto<A extends VoxelArray>(
  data: A,
  from: Orientation,
  fromDims: Triple,
  target: { readonly dims: Triple; readonly affineVoxelToRas: Affine },
): Volume<A> {
  const choices = axisChoices(from, orientationOf(target.affineVoxelToRas));
  invariant(
    choices.every(({ source }, axis) => fromDims[source] === target.dims[axis]),
    "a grid with the target's dims",
  );
  const identity = choices.every(({ source, flipped }, axis) => source === axis && !flipped);
  const { dims, affineVoxelToRas } = target;
  return { dims, data: identity ? data : permuted(data, fromDims, choices), affineVoxelToRas };
}

function permuted<A extends VoxelArray>(data: A, dims: Triple, choices: readonly AxisChoice[]): A {
  const out = new (data.constructor as new (length: number) => A)(data.length);
  const strides = [1, dims[0], dims[0] * dims[1]];
  const [x, y, z] = choices.map(({ source, flipped }) => ({
    size: dims[source],
    step: flipped ? -strides[source] : strides[source],
    start: flipped ? (dims[source] - 1) * strides[source] : 0,
  }));
  let to = 0;
  for (let k = 0; k < z.size; k++) {
    for (let j = 0; j < y.size; j++) {
      let at = x.start + y.start + z.start + k * z.step + j * y.step;
      for (let i = 0; i < x.size; i++) {
        out[to++] = data[at];
        at += x.step;
      }
    }
  }
  return out;
}
