/** Losses as graph builders: from logits and labels to a scalar, ready to be differentiated. */
import { attr, float32Tensor, type GraphBuilder, tensorOf } from "../graph/index.ts";
import { reduce, reshape, spatialAxes, withScalar } from "./gradient-context.ts";

const SMOOTH = 1e-5;

/**
 * Mean over voxels of softmax cross-entropy, plus one minus the mean over classes 1..K-1 of soft Dice
 * (Milletari et al. 2016), with sums over batch and voxels:
 * (2 sum(p y) + 1e-5) / (sum(p) + sum(y) + 1e-5).
 *
 * @param logits name of a float32 value [N, K, ...].
 * @param labels name of a uint8 value [N, ...] of classes in 0..K-1.
 * @returns the name of a scalar [].
 */
export function crossEntropyAndDice(b: GraphBuilder, logits: string, labels: string): string {
  const shape = b.shape(logits);
  const classes = shape[1];
  const axes = [0, ...spatialAxes(shape.length)];
  const ones = spatialAxes(shape.length).map(() => 1);
  const oneHot = oneHotLabels(b, labels, classes);
  const logProbabilities = b.emit("LogSoftmax", [logits], { axis: attr.int(1) });
  const voxels = shape[0] * shape.slice(2).reduce((product, size) => product * size, 1);
  const hits = b.emit("Mul", [logProbabilities, oneHot]);
  const crossEntropy = withScalar(
    b,
    "Mul",
    reduce(b, "ReduceSum", hits, [0, 1, ...spatialAxes(shape.length)]),
    -1 / voxels,
  );

  const probabilities = b.emit("Exp", [logProbabilities]);
  const overlap = reduce(b, "ReduceSum", b.emit("Mul", [probabilities, oneHot]), axes);
  const mass = b.emit("Add", [reduce(b, "ReduceSum", probabilities, axes), reduce(b, "ReduceSum", oneHot, axes)]);
  const dice = b.emit("Div", [
    withScalar(b, "Add", withScalar(b, "Mul", overlap, 2), SMOOTH),
    withScalar(b, "Add", mass, SMOOTH),
  ]);
  const share = Float32Array.from({ length: classes }, (_, k) => (k === 0 ? 0 : 1 / (classes - 1)));
  const weighted = b.emit("Mul", [dice, b.constant(float32Tensor([1, classes, ...ones], share))]);
  const meanDice = reduce(b, "ReduceSum", weighted, [1]);
  const loss = b.emit("Sub", [withScalar(b, "Add", reshape(b, crossEntropy, []), 1), reshape(b, meanDice, [])]);
  return loss;
}

/** uint8 [N, ...] to float32 [N, K, ...]. */
function oneHotLabels(b: GraphBuilder, labels: string, classes: number): string {
  const [batch, ...spatial] = b.shape(labels);
  const column = b.emit("Cast", [reshape(b, labels, [batch, 1, ...spatial])], { to: attr.int(6) });
  const numbers = tensorOf(
    "int32",
    [1, classes, ...spatial.map(() => 1)],
    Array.from({ length: classes }, (_, k) => k),
  );
  return b.emit("Cast", [b.emit("Equal", [column, b.constant(numbers)])], { to: attr.int(1) });
}
