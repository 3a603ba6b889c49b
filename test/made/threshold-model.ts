/**
 * A model folder whose network is one convolution of 1 x 1 x 1: what is bright in T1 with contrast is enhancing tumour,
 * what is bright in FLAIR alone is oedema. It finds a good part of a phantom's tumour, so that a result's place can be
 * checked without training.
 */
import { attr, float32Tensor, type Graph } from "../../src/graph/index.ts";
import type { Modality } from "../../src/imaging/index.ts";
import { writeModelFolder } from "../../src/segmentation/index.ts";
import { parseStudy } from "../../src/study/index.ts";
import { networkParameters } from "../../src/training/index.ts";

/** z-scores from which a voxel is taken for tumour. */
const [ENHANCING, OEDEMA] = [2.5, 1.3];

const WEIGHTS = [
  [0, 0, 0, 0],
  [0, 0, 0, 0],
  [0, 0, 0, 4],
  [0, 6, 0, 0],
].flat();
const NEVER = -100;

const network: Graph = {
  name: "threshold",
  opset: 17,
  inputs: [{ name: "image", dtype: "float32", shape: ["N", 4, "D", "H", "W"] }],
  outputs: [{ name: "logits", dtype: "float32", shape: ["N", 4, "D", "H", "W"] }],
  initializers: new Map([
    ["weight", float32Tensor([4, 4, 1, 1, 1], WEIGHTS)],
    ["bias", float32Tensor([4], [0, NEVER, -4 * OEDEMA, -6 * ENHANCING])],
  ]),
  nodes: [
    {
      opType: "Conv",
      name: "logits",
      inputs: ["image", "weight", "bias"],
      outputs: ["logits"],
      attributes: { kernel_shape: attr.ints([1, 1, 1]) },
    },
  ],
};

export async function writeThresholdModel(dir: string, mayMiss?: readonly Modality[]): Promise<void> {
  const study = parseStudy({
    schema: "consilium.study/1",
    name: "Thresholds",
    task: { spacingMm: 3, postProcessing: { smallestTumourMm3: 2000 }, ...(mayMiss && { mayMiss }) },
    network: { kind: "onnx", file: "threshold.onnx" },
    training: {
      optimiser: { kind: "sgd", learningRate: 0.1 },
      patch: [32, 32, 32],
      stepsPerRound: 1,
      ...(mayMiss && { augmentation: { channelDropout: 0.2 } }),
    },
    rounds: { count: 1 },
  });
  const lineage = { kind: "one institution", studyHash: null, which: "untrained", parent: null } as const;
  const parameters = networkParameters(network);
  const evaluation = { on: "nothing", figures: null } as const;
  const facts = { sites: [], round: null, gradientSteps: 0, evaluation, lineage };
  await writeModelFolder(dir, { study, network, parameters, facts });
}
