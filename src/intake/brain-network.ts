/**
 * A network of the site's choice instead of the classical brain extraction: an ONNX file with one input
 * [1, 1, D, H, W] of fixed size and one output of the same size with 1 channel (a probability or a logit would both
 * be cut at 0.5, so it must be a probability) or 2 (background, brain: the larger counts).
 *
 * It sees T1 in LPS order, its voxels at the spacing that the site names, the head's middle in the middle of the grid,
 * z-scored over what is not zero.
 */
import { ConsiliumError } from "../base/index.ts";
import { encodeOnnx, type Graph } from "../graph/index.ts";
import {
  applyAffine,
  checkBrainVolume,
  resampleOnto,
  spacingMmOf,
  type Triple,
  type Volume,
} from "../imaging/index.ts";
import { openModelSession, readOnnxFile } from "../runtime/index.ts";
import { type BrainFinder, maskOnto, UNMOVED } from "./align-case.ts";

export interface BrainNetwork {
  readonly find: BrainFinder;
  close(): Promise<void>;
}

/** @throws ConsiliumError `shape-mismatch` for another interface, and those of reading a network. */
export async function openBrainNetwork(path: string, spacingMm: number, threads: number): Promise<BrainNetwork> {
  const network = readOnnxFile(path);
  const { name, shape } = onlyInput(network);
  const [depth, height, width] = shape.slice(2);
  const session = await openModelSession(encodeOnnx(network), network.name, { threads });
  const dims: Triple = [width, height, depth];
  return {
    async find(scan, subject) {
      const grid = gridAround(scan, dims, spacingMm);
      const image = zScored(resampleOnto(scan, grid, UNMOVED).data);
      const results = await session.run({ [name]: { dtype: "float32", shape, data: image } }, "brain extraction");
      const answer = Object.values(results)[0];
      const brain = { ...grid, data: brainOf(answer, image.length) };
      const { data } = maskOnto(brain, scan, UNMOVED);
      const voxelMl = spacingMmOf(scan.affineVoxelToRas).reduce((product, side) => product * side, 1) / 1000;
      checkBrainVolume(voxelMl * data.reduce((sum, inside) => sum + inside, 0), subject);
      return data;
    },
    close: () => session.close(),
  };
}

function onlyInput({ inputs, outputs, name, initializers }: Graph): { name: string; shape: number[] } {
  const fed = inputs.filter((input) => !initializers.has(input.name));
  const shape = fed[0]?.shape ?? [];
  const fixed = shape.every((size) => typeof size === "number");
  if (fed.length === 1 && outputs.length === 1 && fixed && shape.length === 5 && shape[0] === 1 && shape[1] === 1) {
    return { name: fed[0].name, shape: shape as number[] };
  }
  throw new ConsiliumError("shape-mismatch", {
    subject: `brain network ${name}`,
    expected: "one input [1, 1, D, H, W] of fixed size, and one output",
    actual: `${fed.length} inputs, the first [${shape.join(", ")}], ${outputs.length} outputs`,
    hint: "Export the network with these sizes.",
  });
}

function gridAround({ dims, affineVoxelToRas }: Volume, size: Triple, spacingMm: number) {
  const middle = applyAffine(affineVoxelToRas, dims.map((n) => (n - 1) / 2) as unknown as Triple);
  const half = size.map((n) => ((n - 1) / 2) * spacingMm);
  const s = spacingMm;
  return {
    dims: size,
    affineVoxelToRas: [
      -s,
      0,
      0,
      middle[0] + half[0],
      0,
      -s,
      0,
      middle[1] + half[1],
      0,
      0,
      s,
      middle[2] - half[2],
      0,
      0,
      0,
      1,
    ],
  };
}

function zScored(data: Float32Array): Float32Array {
  const some = data.filter((value) => value !== 0);
  const mean = some.reduce((sum, value) => sum + value, 0) / Math.max(1, some.length);
  const deviation =
    Math.sqrt(some.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, some.length)) || 1;
  return data.map((value) => (value === 0 ? 0 : (value - mean) / deviation));
}

function brainOf(answer: Float32Array, voxels: number): Float32Array {
  if (answer.length === voxels) return Float32Array.from(answer, (value) => (value >= 0.5 ? 1 : 0));
  if (answer.length === 2 * voxels) {
    return Float32Array.from({ length: voxels }, (_, i) => (answer[voxels + i] > answer[i] ? 1 : 0));
  }
  throw new ConsiliumError("shape-mismatch", {
    subject: "brain network",
    expected: `${voxels} or ${2 * voxels} values`,
    actual: String(answer.length),
    hint: "Its output must have the input's size, with 1 or 2 channels.",
  });
}
