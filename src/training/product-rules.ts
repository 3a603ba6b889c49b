/** Gradients of matrix products: dA = dY B', dB = A' dY, summed over broadcast batch axes. */
import { elementCount, floatAttribute, type GraphBuilder, intAttribute } from "../graph/index.ts";
import { type GradientContext, onlyGradient, reshape, sumToShape, transpose, withScalar } from "./gradient-context.ts";

/** A vector on the left is a row, one on the right a column, whose axis the result does not have. */
export function matMul(c: GradientContext): readonly (string | undefined)[] {
  const b = c.builder;
  const [leftName, rightName] = c.node.inputs;
  const [leftShape, rightShape] = [b.shape(leftName), b.shape(rightName)];
  const left = leftShape.length === 1 ? reshape(b, leftName, [1, ...leftShape]) : leftName;
  const right = rightShape.length === 1 ? reshape(b, rightName, [...rightShape, 1]) : rightName;
  const output = [...b.shape(c.node.outputs[0])];
  if (leftShape.length === 1) output.splice(rightShape.length === 1 ? output.length : output.length - 1, 0, 1);
  if (rightShape.length === 1) output.push(1);
  const dy = reshape(b, onlyGradient(c), output);
  const byLeft = (): string => sumToShape(b, b.emit("MatMul", [dy, swapLast(b, right)]), b.shape(left));
  return [
    c.needs(0) ? reshape(b, byLeft(), leftShape) : undefined,
    c.needs(1) ? reshape(b, byRight(b, left, right, dy), rightShape) : undefined,
  ];
}

/** One matrix for a whole batch: the batch's rows become one long matrix, instead of a product each and their sum. */
function byRight(b: GraphBuilder, left: string, right: string, dy: string): string {
  const [rows, columns] = [b.shape(left), b.shape(dy)];
  if (b.shape(right).length > 2 || rows.length === 2) {
    return sumToShape(b, b.emit("MatMul", [swapLast(b, left), dy]), b.shape(right));
  }
  const long = (value: string, shape: readonly number[]): string =>
    reshape(b, value, [elementCount(shape.slice(0, -1)), shape[shape.length - 1]]);
  return b.emit("MatMul", [swapLast(b, long(left, rows)), long(dy, columns)]);
}

function swapLast(b: GraphBuilder, value: string): string {
  const rank = b.shape(value).length;
  const perm = Array.from({ length: rank }, (_, i) => i);
  return transpose(b, value, perm.with(rank - 2, rank - 1).with(rank - 1, rank - 2));
}

/** Y = alpha op(A) op(B) + beta C. */
export function gemm(c: GradientContext): readonly (string | undefined)[] {
  const b = c.builder;
  const [left, right, bias] = c.node.inputs;
  const [turnA, turnB] = [intAttribute(c.node, "transA", 0) === 1, intAttribute(c.node, "transB", 0) === 1];
  const dy = onlyGradient(c);
  const scaled = scaleBy(b, dy, floatAttribute(c.node, "alpha", 1));
  const product = (x: string, turnX: boolean, y: string, turnY: boolean): string =>
    b.emit("MatMul", [turnX ? swapLast(b, x) : x, turnY ? swapLast(b, y) : y]);
  const byLeft = (): string => (turnA ? product(right, turnB, scaled, true) : product(scaled, false, right, !turnB));
  const byRight = (): string => (turnB ? product(scaled, true, left, turnA) : product(left, !turnA, scaled, false));
  return [
    c.needs(0) ? byLeft() : undefined,
    c.needs(1) ? byRight() : undefined,
    c.needs(2) ? sumToShape(b, scaleBy(b, dy, floatAttribute(c.node, "beta", 1)), b.shape(bias)) : undefined,
  ];
}

function scaleBy(b: GraphBuilder, value: string, factor: number): string {
  return factor === 1 ? value : withScalar(b, "Mul", value, factor);
}
