/**
 * Softmax over channels, written out: ONNX Runtime's own moves channels last and back, and its logarithm would be
 * turned back by Exp wherever a loss needs both.
 */
import { attr, type GraphBuilder } from "../graph/index.ts";
import { reduce } from "./gradient-context.ts";

export interface SoftmaxParts {
  /** Logits less a whole number for each voxel, [N, K, ...]. */
  readonly shifted: string;
  /** log sum over channels of exp(shifted), [N, 1, ...]. */
  readonly logSum: string;
  /** [N, K, ...]. */
  readonly probabilities: string;
}

/**
 * Softmax does not change where a voxel's logits move together; they move by the floor of their largest, so that Exp
 * stays between 0 and e, and no gradient is owed through the largest: Floor hands none on.
 * @param logits [N, K, ...].
 */
export function softmaxParts(b: GraphBuilder, logits: string): SoftmaxParts {
  const [, classes] = b.shape(logits);
  const channels = b.emitMany("Split", [logits, b.ints(Array.from({ length: classes }, () => 1))], classes, {
    axis: attr.int(1),
  });
  const largest = channels.length === 1 ? channels[0] : b.emit("Max", channels);
  const shifted = b.emit("Sub", [logits, b.emit("Floor", [largest])]);
  const exponentials = b.emit("Exp", [shifted]);
  const sum = reduce(b, "ReduceSum", exponentials, [1]);
  const probabilities = b.emit("Mul", [exponentials, b.emit("Reciprocal", [sum])]);
  return { shifted, logSum: b.emit("Log", [sum]), probabilities };
}
