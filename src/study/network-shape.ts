/** What a study's network section says of the network's shape, and where its lists do not fit each other. */
import type { NetworkSpec } from "./schema.ts";
import type { StudyProblem } from "./study-problems.ts";

type Strides = readonly [number, number, number];

/** The factors by which a patch's sides along x, y, z must divide, where the study alone tells them. */
export function networkStrides(network: NetworkSpec): Strides | undefined {
  switch (network.kind) {
    case "onnx":
      return undefined;
    case "segresnet3d": {
      const stride = 2 ** (network.encoderBlocks.length - 1);
      return [stride, stride, stride];
    }
    case "unet3d": {
      const { stem, levels } = network;
      const strides = network.strides ?? Array.from({ length: levels - 1 }, (): Strides => [2, 2, 2]);
      const along = (axis: number): number => strides.reduce((product, stride) => product * stride[axis], stem);
      return [along(0), along(1), along(2)];
    }
    default:
      return network satisfies never;
  }
}

/** Outputs that can be trained, where the study alone tells them. */
export function networkOutputs(network: NetworkSpec): number | undefined {
  if (network.kind === "onnx") return undefined;
  return network.kind === "unet3d" && network.deepSupervision ? network.levels - 1 : 1;
}

export function networkShapeProblems(network: NetworkSpec): StudyProblem[] {
  if (network.kind === "unet3d") return unetProblems(network);
  return network.kind === "segresnet3d" ? segResNetProblems(network) : [];
}

function unetProblems(network: NetworkSpec & { kind: "unet3d" }): StudyProblem[] {
  const { levels, baseFeatures, maxFeatures, features, kernels, strides, encoderBlocks, deepSupervision } = network;
  const problems: StudyProblem[] = [];
  if (features === undefined && baseFeatures > maxFeatures) {
    problems.push({
      path: "network.baseFeatures",
      expected: `at most network.maxFeatures (${maxFeatures})`,
      actual: String(baseFeatures),
      hint: "Raise maxFeatures or lower baseFeatures.",
    });
  }
  const lists = { features, kernels, encoderBlocks, strides } as const;
  for (const [key, list] of Object.entries(lists)) {
    const length = key === "strides" ? levels - 1 : levels;
    if (list === undefined || list.length === length) continue;
    problems.push({
      path: `network.${key}`,
      expected: `${length} entries, one for each level${key === "strides" ? " but the first" : ""}`,
      actual: String(list.length),
      hint: `network.levels is ${levels}: let the list fit it.`,
    });
  }
  if (kernels?.some((kernel) => kernel.some((side) => side % 2 === 0))) {
    problems.push({
      path: "network.kernels",
      expected: "odd sides",
      actual: kernels.map((kernel) => kernel.join(" x ")).join(", "),
      hint: "A kernel needs a middle: take 1, 3, 5 or 7.",
    });
  }
  if (deepSupervision && (network.stem > 1 || network.detail)) {
    problems.push({
      path: "network.deepSupervision",
      expected: "false where network.stem is above 1 or network.detail is set",
      actual: "true",
      hint: "Coarser levels of such a network see blocks of voxels already: train the finest output alone.",
    });
  }
  return problems;
}

function segResNetProblems(network: NetworkSpec & { kind: "segresnet3d" }): StudyProblem[] {
  const { baseFeatures, encoderBlocks, decoderBlocks, groups } = network;
  const problems: StudyProblem[] = [];
  if (baseFeatures % groups !== 0) {
    problems.push({
      path: "network.groups",
      expected: `a divisor of network.baseFeatures (${baseFeatures})`,
      actual: String(groups),
      hint: "Every group has the same number of channels.",
    });
  }
  if (decoderBlocks.length !== encoderBlocks.length - 1) {
    problems.push({
      path: "network.decoderBlocks",
      expected: `${encoderBlocks.length - 1} entries, one fewer than network.encoderBlocks`,
      actual: String(decoderBlocks.length),
      hint: "The decoder has a level for each of the encoder's but the coarsest.",
    });
  }
  return problems;
}
