/** Losses of logits whose channels are classes that exclude each other. */
import { attr, float32Tensor, type GraphBuilder, tensorOf } from "../graph/index.ts";
import type { LossSpec } from "../study/index.ts";
import { diceTerm } from "./dice-term.ts";
import { reduce, reshape, withScalar } from "./gradient-context.ts";
import { type SoftmaxParts, softmaxParts } from "./softmax-parts.ts";

export type ClassLoss = Exclude<LossSpec, { kind: `region${string}` }>;

/** Below this the sum of weights is taken to be this, so that a batch without a counted voxel has a loss of zero. */
const LEAST_WEIGHT = 1e-12;

interface ClassTarget {
  /** [N, K, ...]; zero everywhere in a voxel that does not count. */
  readonly oneHot: string;
  /** 1 where a voxel counts, [N, 1, ...]; undefined where all do. */
  readonly kept: string | undefined;
}

/**
 * @param logits [N, K, ...].
 * @param labels uint8 classes [N, ...].
 * @returns the name of a scalar [].
 */
export function classLoss(b: GraphBuilder, loss: ClassLoss, logits: string, labels: string): string {
  const parts = softmaxParts(b, logits);
  const target = classTarget(b, labels, b.shape(logits)[1], loss.ignoreLabel);
  const terms: string[] = [];
  if (loss.kind === "crossEntropy" || loss.kind === "crossEntropyAndDice") {
    terms.push(crossEntropy(b, parts, target, loss.classWeights));
  }
  if (loss.kind === "focal" || loss.kind === "focalAndDice") {
    terms.push(focal(b, parts, target, loss.gamma, loss.classWeights));
  }
  if ("dice" in loss) {
    const p = target.kept === undefined ? parts.probabilities : b.emit("Mul", [parts.probabilities, target.kept]);
    const counted = Array.from({ length: b.shape(logits)[1] }, (_, k) => k > 0 || loss.dice.background);
    terms.push(diceTerm(b, p, target.oneHot, loss.dice, counted));
  }
  return terms.reduce((left, right) => b.emit("Add", [left, right]));
}

/** Mean over counted voxels of -w_y log p_y, divided by the mean of w_y (as PyTorch's weighted mean). */
function crossEntropy(
  b: GraphBuilder,
  parts: SoftmaxParts,
  target: ClassTarget,
  classWeights: readonly number[] | undefined,
): string {
  const voxels = voxelCrossEntropy(b, parts, target);
  const weights = voxelWeights(b, target, classWeights);
  if (weights === undefined) return mean(b, voxels);
  const total = b.emit("Max", [sumOf(b, weights), b.scalar(LEAST_WEIGHT)]);
  return b.emit("Div", [sumOf(b, b.emit("Mul", [voxels, weights])), total]);
}

/** Mean over counted voxels of -w_y (1 - p_y)^gamma log p_y (Lin et al. 2017, equation 5). */
function focal(
  b: GraphBuilder,
  parts: SoftmaxParts,
  target: ClassTarget,
  gamma: number,
  classWeights: readonly number[] | undefined,
): string {
  const voxels = voxelCrossEntropy(b, parts, target);
  // rounding may leave p_y a little above 1, where a power would be no number
  const missed = b.emit("Relu", [b.emit("Sub", [b.scalar(1), b.emit("Exp", [b.emit("Neg", [voxels])])])]);
  const focused = b.emit("Mul", [voxels, withScalar(b, "Pow", missed, gamma)]);
  const weights = voxelWeights(b, target, classWeights);
  if (weights === undefined) return mean(b, focused);
  const sum = sumOf(b, b.emit("Mul", [focused, weights]));
  if (target.kept === undefined) return withScalar(b, "Mul", sum, 1 / count(b, voxels));
  return b.emit("Div", [sum, b.emit("Max", [sumOf(b, target.kept), b.scalar(1)])]);
}

/** -log p_y, [N, 1, ...]. */
function voxelCrossEntropy(b: GraphBuilder, { shifted, logSum }: SoftmaxParts, { oneHot }: ClassTarget): string {
  return b.emit("Sub", [logSum, reduce(b, "ReduceSum", b.emit("Mul", [shifted, oneHot]), [1])]);
}

/** w_y of each voxel, [N, 1, ...]; undefined where all are 1. */
function voxelWeights(
  b: GraphBuilder,
  { oneHot, kept }: ClassTarget,
  classWeights: readonly number[] | undefined,
): string | undefined {
  if (classWeights === undefined) return kept;
  const shape = b.shape(oneHot).map((_, axis) => (axis === 1 ? classWeights.length : 1));
  const weights = b.constant(float32Tensor(shape, Float32Array.from(classWeights)));
  return reduce(b, "ReduceSum", b.emit("Mul", [oneHot, weights]), [1]);
}

function classTarget(b: GraphBuilder, labels: string, classes: number, ignoreLabel: number | undefined): ClassTarget {
  const [batch, ...spatial] = b.shape(labels);
  const column = b.emit("Cast", [reshape(b, labels, [batch, 1, ...spatial])], { to: attr.int(6) });
  const numbers = tensorOf(
    "int32",
    [1, classes, ...spatial.map(() => 1)],
    Array.from({ length: classes }, (_, k) => k),
  );
  const oneHot = b.emit("Cast", [b.emit("Equal", [column, b.constant(numbers)])], { to: attr.int(1) });
  if (ignoreLabel === undefined) return { oneHot, kept: undefined };
  const kept = keptVoxels(b, column, ignoreLabel);
  return { oneHot: b.emit("Mul", [oneHot, kept]), kept };
}

/** 1 where an int32 label is another than this, 0 elsewhere. */
export function keptVoxels(b: GraphBuilder, labels: string, ignoreLabel: number): string {
  const ignored = b.emit("Equal", [labels, b.constant(tensorOf("int32", [], [ignoreLabel]))]);
  return b.emit("Cast", [b.emit("Not", [ignored])], { to: attr.int(1) });
}

/** The sum of all elements, []. */
export function sumOf(b: GraphBuilder, value: string): string {
  return reshape(
    b,
    reduce(
      b,
      "ReduceSum",
      value,
      b.shape(value).map((_, axis) => axis),
    ),
    [],
  );
}

function count(b: GraphBuilder, value: string): number {
  return b.shape(value).reduce((product, size) => product * size, 1);
}

function mean(b: GraphBuilder, value: string): string {
  return withScalar(b, "Mul", sumOf(b, value), 1 / count(b, value));
}
