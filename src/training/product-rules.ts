/** Gradients of matrix products: dA = dY B', dB = A' dY, summed over broadcast batch axes. */
import { floatAttribute, type GraphBuilder, intAttribute } from "../graph/index.ts";
import {
  type GradientContext,
  onlyGradient,
  sumToShape,
  transpose,
  unsupportedGradient,
  withScalar,
} from "./gradient-context.ts";

export function matMul(c: GradientContext): readonly (string | undefined)[] {
  const b = c.builder;
  const [left, right] = c.node.inputs;
  if (b.shape(left).length < 2 || b.shape(right).length < 2) {
    throw unsupportedGradient(c.node, "operands of two or more axes", "a vector");
  }
  const dy = onlyGradient(c);
  return [
    c.needs(0) ? sumToShape(b, b.emit("MatMul", [dy, swapLast(b, right)]), b.shape(left)) : undefined,
    c.needs(1) ? sumToShape(b, b.emit("MatMul", [swapLast(b, left), dy]), b.shape(right)) : undefined,
  ];
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
