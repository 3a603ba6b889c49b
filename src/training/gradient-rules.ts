/**
 * The gradient of each operator, one row an operator; a missing row does not compile. Rules that take more than a few
 * lines live in files of their own, by family.
 */
import {
  attr,
  axisOf,
  floatAttribute,
  intAttribute,
  type OpType,
  padsByAxis,
  permutationOf,
  sliceRanges,
  splitSizes,
  stringAttribute,
} from "../graph/index.ts";
import {
  concat,
  type GradientContext,
  type GradientRule,
  onlyGradient,
  padZeros,
  reshape,
  slice,
  sumToShape,
  unsupportedGradient,
  withScalar,
  zeros,
} from "./gradient-context.ts";
import {
  batchNormalization,
  instanceNormalization,
  logSoftmax,
  reduceMax,
  reduceMean,
  reduceSum,
  softmax,
} from "./normalisation-rules.ts";
import { gemm, matMul } from "./product-rules.ts";
import {
  averagePool,
  conv,
  convTranspose,
  globalAveragePool,
  globalMaxPool,
  maxPool,
  resize,
} from "./spatial-rules.ts";

export const GRADIENT_RULES: Readonly<Record<OpType, GradientRule>> = {
  Abs: unary((b, x, dy) => b.emit("Mul", [dy, sign(b, x)])),
  Add: broadcasting((_, [, dy]) => [dy, dy]),
  And: none,
  AveragePool: averagePool,
  BatchNormalization: batchNormalization,
  Cast: (c) => {
    const dtype = c.builder.fact(c.node.inputs[0]).dtype;
    const to = { float32: 1, float64: 11 }[dtype as string];
    if (to === undefined) return [];
    return [c.builder.emit("Cast", [onlyGradient(c)], { to: attr.int(to) })];
  },
  Ceil: none,
  Clip: (c) => {
    const b = c.builder;
    const [x, low, high] = c.node.inputs;
    const kept = b.emit("Equal", [x, b.emit("Clip", [x, low ?? "", high ?? ""])]);
    return [b.emit("Where", [kept, onlyGradient(c), b.scalar(0)])];
  },
  Concat: (c) => {
    const b = c.builder;
    const axis = axisOf(c.node, intAttribute(c.node, "axis", 0), b.shape(c.node.outputs[0]).length);
    const dy = onlyGradient(c);
    let start = 0;
    return c.node.inputs.map((name, i) => {
      const from = start;
      start += b.shape(name)[axis];
      return c.needs(i) ? slice(b, dy, [axis], [from], [start]) : undefined;
    });
  },
  Constant: none,
  ConstantOfShape: none,
  Conv: conv,
  ConvTranspose: convTranspose,
  Div: broadcasting((b, [y, dy, x2], needs) => {
    const first = b.emit("Div", [dy, x2]);
    return [first, needs(1) ? b.emit("Neg", [b.emit("Mul", [first, y])]) : undefined];
  }),
  Dropout: (c) => {
    const training = c.node.inputs[2];
    if (training === undefined || training === "") return [onlyGradient(c)];
    if (c.builder.fact(training).value?.data[0] === 0) return [onlyGradient(c)];
    throw unsupportedGradient(c.node, "Dropout in evaluation mode", "training mode");
  },
  Elu: (c) => {
    const b = c.builder;
    const [x, y, dy] = [c.node.inputs[0], c.node.outputs[0], onlyGradient(c)];
    const slope = withScalar(b, "Add", y, floatAttribute(c.node, "alpha", 1));
    return [b.emit("Where", [withScalar(b, "Greater", x, 0), dy, b.emit("Mul", [dy, slope])])];
  },
  Equal: none,
  Erf: unary((b, x, dy) => {
    const bell = b.emit("Exp", [b.emit("Neg", [b.emit("Mul", [x, x])])]);
    return b.emit("Mul", [dy, withScalar(b, "Mul", bell, 2 / Math.sqrt(Math.PI))]);
  }),
  Exp: unary((b, _, dy, y) => b.emit("Mul", [dy, y])),
  Expand: (c) => [sumToShape(c.builder, onlyGradient(c), c.builder.shape(c.node.inputs[0]))],
  Flatten: toInputShape,
  Floor: none,
  Gather: (c) => {
    throw unsupportedGradient(c.node, "Gather on values that are not trained", "one on a value that is");
  },
  Gelu: gelu,
  Gemm: gemm,
  GlobalAveragePool: globalAveragePool,
  GlobalMaxPool: globalMaxPool,
  Greater: none,
  GreaterOrEqual: none,
  Identity: (c) => [onlyGradient(c)],
  InstanceNormalization: instanceNormalization,
  LeakyRelu: (c) => {
    const b = c.builder;
    const dy = onlyGradient(c);
    const slope = b.emit("Where", [
      withScalar(b, "Greater", c.node.inputs[0], 0),
      b.scalar(1),
      b.scalar(floatAttribute(c.node, "alpha", 0.01)),
    ]);
    return [b.emit("Mul", [dy, slope])];
  },
  Less: none,
  LessOrEqual: none,
  Log: unary((b, x, dy) => b.emit("Div", [dy, x])),
  LogSoftmax: logSoftmax,
  MatMul: matMul,
  Max: extremum,
  MaxPool: maxPool,
  Min: extremum,
  Mul: broadcasting((b, [, dy, x2, x1], needs) => [
    needs(0) ? b.emit("Mul", [dy, x2]) : undefined,
    needs(1) ? b.emit("Mul", [dy, x1]) : undefined,
  ]),
  Neg: unary((b, _, dy) => b.emit("Neg", [dy])),
  Not: none,
  Or: none,
  PRelu: (c) => {
    const b = c.builder;
    const [x, slope] = c.node.inputs;
    const dy = onlyGradient(c);
    const positive = withScalar(b, "Greater", x, 0);
    const bySlope = c.needs(1) ? b.emit("Where", [positive, b.scalar(0), b.emit("Mul", [dy, x])]) : undefined;
    return [
      b.emit("Where", [positive, dy, b.emit("Mul", [dy, slope])]),
      bySlope === undefined ? undefined : sumToShape(b, bySlope, b.shape(slope)),
    ];
  },
  Pad: (c) => {
    if (stringAttribute(c.node, "mode", "constant") !== "constant") {
      throw unsupportedGradient(c.node, "constant padding", stringAttribute(c.node, "mode", ""));
    }
    const b = c.builder;
    const shape = b.shape(c.node.inputs[0]);
    const pads = padsByAxis(c.node, factsOf(c), shape.length);
    const starts = pads.map(([before]) => before);
    if (pads.some(([before, after]) => before < 0 || after < 0)) {
      throw unsupportedGradient(c.node, "pads of zero or more", "negative pads");
    }
    const axes = shape.map((_, axis) => axis);
    return [
      slice(
        b,
        onlyGradient(c),
        axes,
        starts,
        starts.map((start, axis) => start + shape[axis]),
      ),
    ];
  },
  Pow: broadcasting((b, [y, dy, exponent, x], needs) => {
    const lower = b.emit("Sub", [exponent, b.scalar(1)]);
    const byBase = b.emit("Mul", [dy, b.emit("Mul", [exponent, b.emit("Pow", [x, lower])])]);
    return [byBase, needs(1) ? b.emit("Mul", [dy, b.emit("Mul", [y, b.emit("Log", [x])])]) : undefined];
  }),
  Range: none,
  Reciprocal: unary((b, _, dy, y) => b.emit("Neg", [b.emit("Mul", [dy, b.emit("Mul", [y, y])])])),
  ReduceMax: reduceMax,
  ReduceMean: reduceMean,
  ReduceSum: reduceSum,
  Relu: unary((b, _, dy, y) => b.emit("Where", [withScalar(b, "Greater", y, 0), dy, b.scalar(0)])),
  Reshape: toInputShape,
  Resize: resize,
  Shape: none,
  Sigmoid: unary((b, _, dy, y) => b.emit("Mul", [dy, b.emit("Mul", [y, b.emit("Sub", [b.scalar(1), y])])])),
  Slice: (c) => {
    const b = c.builder;
    const shape = b.shape(c.node.inputs[0]);
    const ranges = sliceRanges(c.node, factsOf(c), shape);
    if (ranges.some(({ step, length }) => step !== 1 && length > 1)) {
      throw unsupportedGradient(c.node, "a Slice with steps of 1", "another step");
    }
    const begin = ranges.map(({ start }) => start);
    return [
      padZeros(
        b,
        onlyGradient(c),
        begin,
        ranges.map(({ start, length }, axis) => shape[axis] - start - length),
      ),
    ];
  },
  Softmax: softmax,
  Softplus: unary((b, x, dy) => b.emit("Mul", [dy, b.emit("Sigmoid", [x])])),
  Split: (c) => {
    const b = c.builder;
    const shape = b.shape(c.node.inputs[0]);
    const axis = axisOf(c.node, intAttribute(c.node, "axis", 0), shape.length);
    const sizes = splitSizes(c.node, factsOf(c), shape[axis]);
    return [
      concat(
        b,
        sizes.map((size, i) => c.outputGradients[i] ?? zeros(b, shape.with(axis, size))),
        axis,
      ),
    ];
  },
  Sqrt: unary((b, _, dy, y) => b.emit("Div", [withScalar(b, "Mul", dy, 0.5), y])),
  Squeeze: toInputShape,
  Sub: broadcasting((b, [, dy], needs) => [dy, needs(1) ? b.emit("Neg", [dy]) : undefined]),
  Tanh: unary((b, _, dy, y) => b.emit("Mul", [dy, b.emit("Sub", [b.scalar(1), b.emit("Mul", [y, y])])])),
  Transpose: (c) => {
    const perm = permutationOf(c.node, c.builder.shape(c.node.inputs[0]).length);
    const inverse = perm.map((_, axis) => perm.indexOf(axis));
    return [c.builder.emit("Transpose", [onlyGradient(c)], { perm: attr.ints(inverse) })];
  },
  Unsqueeze: toInputShape,
  Where: (c) => {
    const b = c.builder;
    const [condition, yes, no] = c.node.inputs;
    const dy = onlyGradient(c);
    const part = (index: number, name: string, ifTrue: string, ifFalse: string): string | undefined =>
      c.needs(index) ? sumToShape(b, b.emit("Where", [condition, ifTrue, ifFalse]), b.shape(name)) : undefined;
    return [undefined, part(1, yes, dy, b.scalar(0)), part(2, no, b.scalar(0), dy)];
  },
};

type Builder = GradientContext["builder"];

/** Operators whose results carry no gradient: shapes, comparisons, steps. */
function none(): readonly undefined[] {
  return [];
}

function factsOf({ builder, node }: GradientContext): ReturnType<Builder["fact"]>[] {
  return node.inputs.map((name) => builder.fact(name));
}

function unary(rule: (b: Builder, x: string, dy: string, y: string) => string): GradientRule {
  return (c) => [rule(c.builder, c.node.inputs[0], onlyGradient(c), c.node.outputs[0])];
}

/** Binary operators: the rule gives gradients in the broadcast shape; they are summed to each operand's. */
function broadcasting(
  rule: (
    b: Builder,
    values: readonly [y: string, dy: string, second: string, first: string],
    needs: (input: number) => boolean,
  ) => readonly (string | undefined)[],
): GradientRule {
  return (c) => {
    const [first, second] = c.node.inputs;
    const gradients = rule(c.builder, [c.node.outputs[0], onlyGradient(c), second, first], c.needs);
    return gradients.map((gradient, i) =>
      gradient === undefined || !c.needs(i)
        ? undefined
        : sumToShape(c.builder, gradient, c.builder.shape(c.node.inputs[i])),
    );
  };
}

function toInputShape(c: GradientContext): readonly string[] {
  return [reshape(c.builder, onlyGradient(c), c.builder.shape(c.node.inputs[0]))];
}

function sign(b: Builder, x: string): string {
  const positive = b.emit("Cast", [withScalar(b, "Greater", x, 0)], { to: attr.int(1) });
  const negative = b.emit("Cast", [withScalar(b, "Less", x, 0)], { to: attr.int(1) });
  return b.emit("Sub", [positive, negative]);
}

/** Max and Min: where several operands reach the extremum they share the gradient equally, as PyTorch does. */
function extremum(c: GradientContext): readonly (string | undefined)[] {
  const b = c.builder;
  const y = c.node.outputs[0];
  const hits = c.node.inputs.map((name) => b.emit("Cast", [b.emit("Equal", [name, y])], { to: attr.int(1) }));
  const share = b.emit("Div", [onlyGradient(c), hits.reduce((left, right) => b.emit("Add", [left, right]))]);
  return c.node.inputs.map((name, i) =>
    c.needs(i) ? sumToShape(b, b.emit("Mul", [share, hits[i]]), b.shape(name)) : undefined,
  );
}

/** Gelu (operator set 20): exact, Phi(x) + x phi(x), or by the tanh approximation. */
function gelu(c: GradientContext): readonly string[] {
  const b = c.builder;
  const [x, dy] = [c.node.inputs[0], onlyGradient(c)];
  const square = b.emit("Mul", [x, x]);
  if (stringAttribute(c.node, "approximate", "none") === "none") {
    const cdf = withScalar(
      b,
      "Mul",
      withScalar(b, "Add", b.emit("Erf", [withScalar(b, "Mul", x, Math.SQRT1_2)]), 1),
      0.5,
    );
    const bell = withScalar(b, "Mul", b.emit("Exp", [withScalar(b, "Mul", square, -0.5)]), 1 / Math.sqrt(2 * Math.PI));
    return [b.emit("Mul", [dy, b.emit("Add", [cdf, b.emit("Mul", [x, bell])])])];
  }
  const root = Math.sqrt(2 / Math.PI);
  const inner = b.emit("Mul", [x, withScalar(b, "Add", withScalar(b, "Mul", square, root * 0.044715), root)]);
  const tanh = b.emit("Tanh", [inner]);
  const half = withScalar(b, "Mul", withScalar(b, "Add", tanh, 1), 0.5);
  const slope = withScalar(b, "Add", withScalar(b, "Mul", square, root * 3 * 0.044715), root);
  const rest = b.emit("Mul", [b.emit("Mul", [x, slope]), b.emit("Sub", [b.scalar(1), b.emit("Mul", [tanh, tanh])])]);
  return [b.emit("Mul", [dy, b.emit("Add", [half, withScalar(b, "Mul", rest, 0.5)])])];
}
