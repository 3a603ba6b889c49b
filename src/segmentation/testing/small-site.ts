/** A site of two tiny cases on disk, and a network with a norm over the batch and dropped values to train there. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createRandom } from "../../base/index.ts";
import {
  type Attributes,
  attr,
  float32Tensor,
  type Graph,
  type GraphNode,
  type OpType,
  type Tensor,
  tensorOf,
} from "../../graph/index.ts";
import { type CaseFiles, type Volume, writeNifti } from "../../imaging/index.ts";
import type { SiteData } from "../local-work.ts";

const SIDE = 12;
const AFFINE = [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

/** Balls of brain with a tumour, in one channel each of T1 and FLAIR. */
export async function writeSmallSite(folder: string, siteId = "north"): Promise<SiteData> {
  const cases = await Promise.all(["Case_1", "Case_2"].map((id, i) => writeCase(join(folder, id), id, i + 1)));
  return { siteId, trainingCases: cases, validationCases: cases.slice(0, 1), convention: "brats2021" };
}

async function writeCase(folder: string, id: string, seed: number): Promise<CaseFiles> {
  await mkdir(folder, { recursive: true });
  const random = createRandom(seed, "small site");
  const [scan, labels] = [new Float32Array(SIDE ** 3), new Uint8Array(SIDE ** 3)];
  for (let i = 0; i < scan.length; i++) {
    const at = [i % SIDE, Math.floor(i / SIDE) % SIDE, Math.floor(i / SIDE ** 2)];
    const distance = Math.hypot(...at.map((v) => v - SIDE / 2));
    if (distance > SIDE / 2) continue;
    labels[i] = distance < 2 ? 4 : distance < 3 ? 2 : 0;
    scan[i] = 100 + 40 * labels[i] + 5 * random.normal();
  }
  const write = async (name: string, data: Volume["data"]): Promise<string> => {
    const path = join(folder, `${id}_${name}.nii.gz`);
    await writeNifti(path, { dims: [SIDE, SIDE, SIDE], data, affineVoxelToRas: AFFINE });
    return path;
  };
  const [t1, flair, labelMap] = [await write("t1", scan), await write("flair", scan), await write("seg", labels)];
  return { id, subject: id, folder, images: { t1, flair }, labelMap };
}

/** A convolution, a norm with the batch's statistics, dropped values, and a convolution to four classes. */
export function smallNetwork(): Graph {
  const random = createRandom(5, "small network");
  const draw = (length: number): Float32Array => Float32Array.from({ length }, () => 0.5 * random.normal());
  const pads = { pads: attr.ints([1, 1, 1, 1, 1, 1]) };
  const node = (opType: OpType, inputs: string[], outputs: string[], attributes: Attributes = {}): GraphNode => ({
    opType,
    name: outputs[0],
    inputs,
    outputs,
    attributes,
  });
  return {
    name: "small",
    opset: 17,
    inputs: [{ name: "image", dtype: "float32", shape: ["N", 2, "D", "H", "W"] }],
    outputs: [{ name: "logits", dtype: "float32", shape: ["N", 4, "D", "H", "W"] }],
    initializers: new Map<string, Tensor>([
      ["first.weight", float32Tensor([3, 2, 3, 3, 3], draw(162))],
      ["norm.weight", float32Tensor([3], [1, 1, 1])],
      ["norm.bias", float32Tensor([3], [0, 0, 0])],
      ["norm.running_mean", float32Tensor([3], [0, 0, 0])],
      ["norm.running_var", float32Tensor([3], [1, 1, 1])],
      ["/ratio", float32Tensor([], [0.25])],
      ["/training", tensorOf("bool", [], [1])],
      ["last.weight", float32Tensor([4, 3, 1, 1, 1], draw(12))],
    ]),
    nodes: [
      node("Conv", ["image", "first.weight"], ["hidden"], pads),
      node(
        "BatchNormalization",
        ["hidden", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"],
        ["normal", "nextMean", "nextVariance"],
        { training_mode: attr.int(1), momentum: attr.float(0.9) },
      ),
      node("Dropout", ["normal", "/ratio", "/training"], ["kept"]),
      node("Conv", ["kept", "last.weight"], ["logits"]),
    ],
  };
}
