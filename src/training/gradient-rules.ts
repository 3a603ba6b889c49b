/**
 * The gradient of each operator, one row an operator; a missing row does not compile. Rules that take more than a few
 * lines live in files of their own, by family.
 */
import { attr, type OpType, permutationOf } from "../graph/index.ts";
import {
  celu,
  elu,
  gelu,
  hardSigmoid,
  hardSwish,
  leakyRelu,
  mish,
  relu,
  selu,
  softsign,
  tanh,
  unary,
} from "./activation-rules.ts";
import { einsum } from "./einsum-rule.ts";
import {
  type GradientContext,
  type GradientRule,
  onlyGradient,
  signOf,
  sumToShape,
  unsupportedGradient,
  withScalar,
} from "./gradient-context.ts";
import { gather, gatherElements, gatherND, scatterElements, scatterND, trilu } from "./indexing-rules.ts";
import { groupNormalization, layerNormalization } from "./layer-normalisation-rules.ts";
import { concatenation, depthToSpace, pad, sliced, spaceToDepth, split, tile, toInputShape } from "./layout-rules.ts";
import { batchNormalization, instanceNormalization, logSoftmax, softmax } from "./normalisation-rules.ts";
import { gemm, matMul } from "./product-rules.ts";
import {
  reduceExtremum,
  reduceL1,
  reduceL2,
  reduceLogSumExp,
  reduceMean,
  reduceProd,
  reduceSum,
  reduceSumSquare,
} from "./reduction-rules.ts";
import {
  averagePool,
  conv,
  convTranspose,
  globalAveragePool,
  globalMaxPool,
  maxPool,
  resize,
} from "./spatial-rules.ts";

export type GradientRules = Readonly<Record<OpType, GradientRule>>;

export const GRADIENT_RULES: GradientRules = {
  Abs: unary((b, x, dy) => b.emit("Mul", [dy, signOf(b, x)])),
  Add: broadcasting((_, [, dy]) => [dy, dy]),
  And: none,
  AveragePool: averagePool,
  BatchNormalization: batchNormalization,
  Cast: castBack,
  CastLike: castBack,
  Ceil: none,
  Celu: celu,
  Clip: (c) => {
    const b = c.builder;
    const [x, low, high] = c.node.inputs;
    const kept = b.emit("Equal", [x, b.emit("Clip", [x, low ?? "", high ?? ""])]);
    return [b.emit("Where", [kept, onlyGradient(c), b.scalar(0)])];
  },
  Concat: concatenation,
  Constant: none,
  ConstantOfShape: none,
  Conv: conv,
  ConvTranspose: convTranspose,
  Cos: unary((b, x, dy) => b.emit("Mul", [dy, b.emit("Neg", [b.emit("Sin", [x])])])),
  DepthToSpace: depthToSpace,
  Div: broadcasting((b, [y, dy, x2], needs) => {
    const first = b.emit("Div", [dy, x2]);
    return [first, needs(1) ? b.emit("Neg", [b.emit("Mul", [first, y])]) : undefined];
  }),
  Dropout: (c) => {
    const training = c.node.inputs[2];
    if (training === undefined || training === "") return [onlyGradient(c)];
    if (c.builder.fact(training).value?.data[0] === 0) return [onlyGradient(c)];
    throw unsupportedGradient(
      c.node,
      "Dropout whose mode and ratio are known before the graph runs, so that what it drops is drawn outside",
      "training mode beyond that",
    );
  },
  Einsum: einsum,
  Elu: elu,
  Equal: none,
  Erf: unary((b, x, dy) => {
    const bell = b.emit("Exp", [b.emit("Neg", [b.emit("Mul", [x, x])])]);
    return b.emit("Mul", [dy, withScalar(b, "Mul", bell, 2 / Math.sqrt(Math.PI))]);
  }),
  Exp: unary((b, _, dy, y) => b.emit("Mul", [dy, y])),
  Expand: (c) => [sumToShape(c.builder, onlyGradient(c), c.builder.shape(c.node.inputs[0]))],
  Flatten: toInputShape,
  Floor: none,
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  Gelu: gelu,
  Gemm: gemm,
  GlobalAveragePool: globalAveragePool,
  GlobalMaxPool: globalMaxPool,
  Greater: none,
  GreaterOrEqual: none,
  GroupNormalization: groupNormalization,
  HardSigmoid: hardSigmoid,
  HardSwish: hardSwish,
  Identity: (c) => [onlyGradient(c)],
  InstanceNormalization: instanceNormalization,
  LayerNormalization: layerNormalization,
  LeakyRelu: leakyRelu,
  Less: none,
  LessOrEqual: none,
  Log: unary((b, x, dy) => b.emit("Div", [dy, x])),
  LogSoftmax: logSoftmax,
  MatMul: matMul,
  Max: extremum,
  MaxPool: maxPool,
  Mean: (c) => sumOperands(c, withScalar(c.builder, "Mul", onlyGradient(c), 1 / c.node.inputs.length)),
  Min: extremum,
  Mish: mish,
  Mod: broadcasting((b, [y, dy, divisor, x], needs) => {
    // y = x - divisor trunc(x / divisor), and the truncated quotient (x - y) / divisor has no slope
    const quotient = (): string => b.emit("Div", [b.emit("Sub", [y, x]), divisor]);
    return [dy, needs(1) ? b.emit("Mul", [dy, quotient()]) : undefined];
  }),
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
  Pad: pad,
  Pow: pow,
  Range: none,
  Reciprocal: unary((b, _, dy, y) => b.emit("Neg", [b.emit("Mul", [dy, b.emit("Mul", [y, y])])])),
  ReduceL1: reduceL1,
  ReduceL2: reduceL2,
  ReduceLogSumExp: reduceLogSumExp,
  ReduceMax: reduceExtremum,
  ReduceMean: reduceMean,
  ReduceMin: reduceExtremum,
  ReduceProd: reduceProd,
  ReduceSum: reduceSum,
  ReduceSumSquare: reduceSumSquare,
  Relu: relu,
  Reshape: toInputShape,
  Resize: resize,
  Round: none,
  ScatterElements: scatterElements,
  ScatterND: scatterND,
  Selu: selu,
  Shape: none,
  Sigmoid: unary((b, _, dy, y) => b.emit("Mul", [dy, b.emit("Mul", [y, b.emit("Sub", [b.scalar(1), y])])])),
  Sign: none,
  Sin: unary((b, x, dy) => b.emit("Mul", [dy, b.emit("Cos", [x])])),
  Size: none,
  Slice: sliced,
  Softmax: softmax,
  Softplus: unary((b, x, dy) => b.emit("Mul", [dy, b.emit("Sigmoid", [x])])),
  Softsign: softsign,
  SpaceToDepth: spaceToDepth,
  Split: split,
  Sqrt: unary((b, _, dy, y) => b.emit("Div", [withScalar(b, "Mul", dy, 0.5), y])),
  Squeeze: toInputShape,
  Sub: broadcasting((b, [, dy], needs) => [dy, needs(1) ? b.emit("Neg", [dy]) : undefined]),
  Sum: (c) => sumOperands(c, onlyGradient(c)),
  Tanh: tanh,
  Tile: tile,
  Transpose: (c) => {
    const perm = permutationOf(c.node, c.builder.shape(c.node.inputs[0]).length);
    const inverse = perm.map((_, axis) => perm.indexOf(axis));
    return [c.builder.emit("Transpose", [onlyGradient(c)], { perm: attr.ints(inverse) })];
  },
  Trilu: trilu,
  Unsqueeze: toInputShape,
  Where: (c) => {
    const b = c.builder;
    const [condition, yes, no] = c.node.inputs;
    const dy = onlyGradient(c);
    const part = (index: number, name: string, ifTrue: string, ifFalse: string): string | undefined =>
      c.needs(index) ? sumToShape(b, b.emit("Where", [condition, ifTrue, ifFalse]), b.shape(name)) : undefined;
    return [undefined, part(1, yes, dy, b.scalar(0)), part(2, no, b.scalar(0), dy)];
  },
  Xor: none,
};

type Builder = GradientContext["builder"];

/** Operators whose results carry no gradient: shapes, comparisons, steps. */
function none(): readonly undefined[] {
  return [];
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

/** Sum and Mean hand the same gradient to every operand. */
function sumOperands(c: GradientContext, gradient: string): readonly (string | undefined)[] {
  const b = c.builder;
  return c.node.inputs.map((name, i) => (c.needs(i) ? sumToShape(b, gradient, b.shape(name)) : undefined));
}

function castBack(c: GradientContext): readonly (string | undefined)[] {
  const dtype = c.builder.fact(c.node.inputs[0]).dtype;
  const to = { float32: 1, float64: 11 }[dtype as string];
  return to === undefined ? [] : [c.builder.emit("Cast", [onlyGradient(c)], { to: attr.int(to) })];
}

/** Known exponents of 1 and 2 need no power; others need log(x) only where the exponent itself is asked for. */
function pow(c: GradientContext): readonly (string | undefined)[] {
  const b = c.builder;
  const [x, exponent] = c.node.inputs;
  const dy = onlyGradient(c);
  const { value, dtype } = b.fact(exponent);
  const known = value !== undefined && value.data.length === 1 ? Number(value.data[0]) : undefined;
  const power = dtype === "float32" ? exponent : b.emit("Cast", [exponent], { to: attr.int(1) });
  const slope = (): string => {
    if (known === 2) return withScalar(b, "Mul", x, 2);
    return b.emit("Mul", [power, b.emit("Pow", [x, withScalar(b, "Sub", power, 1)])]);
  };
  const byBase = (): string => (known === 1 ? dy : b.emit("Mul", [dy, slope()]));
  const byExponent = (): string => b.emit("Mul", [dy, b.emit("Mul", [c.node.outputs[0], b.emit("Log", [x])])]);
  return [
    c.needs(0) ? sumToShape(b, byBase(), b.shape(x)) : undefined,
    c.needs(1) ? sumToShape(b, byExponent(), b.shape(exponent)) : undefined,
  ];
}

/** Operators whose results never carry a gradient. */
export function hasGradient(opType: OpType): boolean {
  return GRADIENT_RULES[opType] !== none;
}
