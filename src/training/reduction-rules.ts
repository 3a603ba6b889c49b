/**
 * Gradients of reductions (ONNX ReduceSum 13, the others 13 to 20). A reduced gradient is repeated along the axes that
 * were reduced; where several elements reach an extremum they share its gradient equally, as PyTorch's amax does.
 */
import { attr, elementCount, type GraphBuilder, reducedAxes } from "../graph/index.ts";
import {
  factsOf,
  type GradientContext,
  type GradientRule,
  onlyGradient,
  reduce,
  reshape,
  signOf,
  withScalar,
} from "./gradient-context.ts";

interface Reduction {
  readonly b: GraphBuilder;
  readonly x: string;
  readonly axes: readonly number[];
  /** Result and its gradient with the reduced axes kept as 1. */
  readonly y: string;
  readonly dy: string;
}

/** A rule that multiplies the kept gradient into something of the input's shape. */
function reduction(rule: (r: Reduction) => string): GradientRule {
  return (c) => {
    const r = readReduction(c);
    const gradient = rule(r);
    const shape = r.b.shape(r.x);
    const whole = r.b.shape(gradient).join() === shape.join();
    return [whole ? gradient : r.b.emit("Expand", [gradient, r.b.ints(shape)])];
  };
}

function readReduction(c: GradientContext): Reduction {
  const b = c.builder;
  const x = c.node.inputs[0];
  const shape = b.shape(x);
  const axes = reducedAxes(c.node, factsOf(c), shape.length);
  const kept = shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  return { b, x, axes, y: reshape(b, c.node.outputs[0], kept), dy: reshape(b, onlyGradient(c), kept) };
}

function isEqual(b: GraphBuilder, left: string, right: string): string {
  return b.emit("Cast", [b.emit("Equal", [left, right])], { to: attr.int(1) });
}

export const reduceSum = reduction(({ dy }) => dy);

export const reduceMean = reduction(({ b, x, dy }) => {
  const count = elementCount(b.shape(x)) / elementCount(b.shape(dy));
  return withScalar(b, "Mul", dy, 1 / count);
});

/** ReduceMax and ReduceMin. */
export const reduceExtremum = reduction(({ b, x, axes, y, dy }) => {
  const hits = isEqual(b, x, y);
  return b.emit("Mul", [hits, b.emit("Div", [dy, reduce(b, "ReduceSum", hits, axes)])]);
});

export const reduceL1 = reduction(({ b, x, dy }) => b.emit("Mul", [dy, signOf(b, x)]));

/** x / |x|, and zero where all is zero. */
export const reduceL2 = reduction(({ b, x, y, dy }) => {
  const share = b.emit("Where", [withScalar(b, "Equal", y, 0), b.scalar(0), b.emit("Div", [dy, y])]);
  return b.emit("Mul", [x, share]);
});

export const reduceSumSquare = reduction(({ b, x, dy }) => b.emit("Mul", [x, withScalar(b, "Mul", dy, 2)]));

/** The softmax of x along the axes. */
export const reduceLogSumExp = reduction(({ b, x, y, dy }) =>
  b.emit("Mul", [dy, b.emit("Exp", [b.emit("Sub", [x, y])])]),
);

/**
 * The product of all other elements, also where some are zero: with no zero it is the product over x; a single zero
 * takes the product of the rest and leaves nothing to the others.
 */
export const reduceProd = reduction(({ b, x, axes, dy }) => {
  const isZero = withScalar(b, "Equal", x, 0);
  const filled = b.emit("Where", [isZero, b.scalar(1), x]);
  const product = reduce(b, "ReduceProd", filled, axes);
  const zeroCount = reduce(b, "ReduceSum", b.emit("Cast", [isZero], { to: attr.int(1) }), axes);
  const when = (count: number): string => b.emit("Where", [withScalar(b, "Equal", zeroCount, count), dy, b.scalar(0)]);
  const atZero = b.emit("Mul", [when(1), product]);
  const elsewhere = b.emit("Mul", [when(0), b.emit("Div", [product, filled])]);
  return b.emit("Where", [isZero, atZero, elsewhere]);
});
