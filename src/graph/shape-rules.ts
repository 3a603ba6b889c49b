/**
 * What each operator makes of its inputs' types and shapes (ONNX operator specifications, opset 13 to 21).
 * All sizes are numbers: a training step is built for one patch and one batch.
 */

import { einsumEquation } from "./einsum-equation.ts";
import { type GraphNode, intAttribute } from "./graph.ts";
import {
  axisOf,
  broadcastShapes,
  type Fact,
  type Facts,
  flattenAxis,
  known,
  need,
  optionalInts,
  padsByAxis,
  permutationOf,
  reducedAxes,
  shapeError,
  sliceRanges,
  splitSizes,
} from "./node-readings.ts";
import type { OpType } from "./op-types.ts";
import { conv, convTranspose, depthToSpace, globalPool, pool, resizedShape, spaceToDepth } from "./spatial-shapes.ts";
import { type DataType, elementCount, type Tensor, tensorOf } from "./tensor.ts";

type ShapeRule = (node: GraphNode, inputs: Facts) => readonly Fact[];

export const SHAPE_RULES: Readonly<Record<OpType, ShapeRule>> = {
  Abs: unary,
  Add: broadcasting,
  And: comparison,
  AveragePool: pool,
  BatchNormalization: (node, inputs) => {
    const { dtype, shape } = need(node, inputs, 0);
    return node.outputs.map((_, i) => ({ dtype, shape: i === 0 ? shape : [shape[1]] }));
  },
  Cast: (node, inputs) => [{ ...plain(need(node, inputs, 0)), dtype: castType(node) }],
  CastLike: (node, inputs) => [{ ...plain(need(node, inputs, 0)), dtype: need(node, inputs, 1).dtype }],
  Ceil: unary,
  Celu: unary,
  Clip: unary,
  Concat: concat,
  Constant: (node) => [constantOf(node)],
  ConstantOfShape: (node, inputs) => {
    const value = node.attributes.value;
    const dtype = value?.kind === "tensor" ? value.value.dtype : "float32";
    return [{ dtype, shape: known(node, inputs, 0) }];
  },
  Conv: conv,
  ConvTranspose: convTranspose,
  Cos: unary,
  DepthToSpace: depthToSpace,
  Div: broadcasting,
  Dropout: (node, inputs) => {
    const input = need(node, inputs, 0);
    return node.outputs.map((_, i) => (i === 0 ? plain(input) : { dtype: "bool", shape: input.shape }));
  },
  Einsum: einsum,
  Elu: unary,
  Equal: comparison,
  Erf: unary,
  Exp: unary,
  Expand: (node, inputs) => {
    const input = need(node, inputs, 0);
    return [{ dtype: input.dtype, shape: broadcastShapes(node, [input.shape, known(node, inputs, 1)]) }];
  },
  Flatten: (node, inputs) => {
    const { dtype, shape } = need(node, inputs, 0);
    const axis = flattenAxis(node, shape.length);
    return [{ dtype, shape: [elementCount(shape.slice(0, axis)), elementCount(shape.slice(axis))] }];
  },
  Floor: unary,
  Gather: (node, inputs) => {
    const { dtype, shape } = need(node, inputs, 0);
    const axis = axisOf(node, intAttribute(node, "axis", 0), shape.length);
    return [{ dtype, shape: [...shape.slice(0, axis), ...need(node, inputs, 1).shape, ...shape.slice(axis + 1)] }];
  },
  GatherElements: (node, inputs) => [{ dtype: need(node, inputs, 0).dtype, shape: need(node, inputs, 1).shape }],
  GatherND: (node, inputs) => {
    const { dtype, shape } = need(node, inputs, 0);
    const indices = need(node, inputs, 1).shape;
    const named = intAttribute(node, "batch_dims", 0) + indices[indices.length - 1];
    if (named > shape.length) throw shapeError(node, `a tensor of rank ${named} or more`, `[${shape.join(", ")}]`);
    return [{ dtype, shape: [...indices.slice(0, -1), ...shape.slice(named)] }];
  },
  Gelu: unary,
  Gemm: gemm,
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,
  Greater: comparison,
  GreaterOrEqual: comparison,
  GroupNormalization: unary,
  HardSigmoid: unary,
  HardSwish: unary,
  Identity: unary,
  InstanceNormalization: (node, inputs) => {
    const input = need(node, inputs, 0);
    for (const i of [1, 2]) expectShape(node, need(node, inputs, i).shape, [input.shape[1]]);
    return [plain(input)];
  },
  LayerNormalization: (node, inputs) => {
    const { dtype, shape } = need(node, inputs, 0);
    const axis = axisOf(node, intAttribute(node, "axis", -1), shape.length);
    const statistics = shape.map((size, i) => (i < axis ? size : 1));
    return node.outputs.map((_, i) => (i === 0 ? { dtype, shape } : { dtype: "float32", shape: statistics }));
  },
  LeakyRelu: unary,
  Less: comparison,
  LessOrEqual: comparison,
  Log: unary,
  LogSoftmax: unary,
  MatMul: matMul,
  Max: broadcasting,
  MaxPool: pool,
  Mean: broadcasting,
  Min: broadcasting,
  Mish: unary,
  Mod: broadcasting,
  Mul: broadcasting,
  Neg: unary,
  Not: unary,
  Or: comparison,
  PRelu: unary,
  Pad: (node, inputs) => {
    const { dtype, shape } = need(node, inputs, 0);
    const pads = padsByAxis(node, inputs, shape.length);
    return [{ dtype, shape: shape.map((size, axis) => size + pads[axis][0] + pads[axis][1]) }];
  },
  Pow: (node, inputs) => {
    const [base, exponent] = [need(node, inputs, 0), need(node, inputs, 1)];
    return [{ dtype: base.dtype, shape: broadcastShapes(node, [base.shape, exponent.shape]) }];
  },
  Range: (node, inputs) => {
    const [start, limit, delta] = [0, 1, 2].map((i) => known(node, inputs, i)[0]);
    return [{ dtype: need(node, inputs, 0).dtype, shape: [Math.max(0, Math.ceil((limit - start) / delta))] }];
  },
  Reciprocal: unary,
  ReduceL1: reduce,
  ReduceL2: reduce,
  ReduceLogSumExp: reduce,
  ReduceMax: reduce,
  ReduceMean: reduce,
  ReduceMin: reduce,
  ReduceProd: reduce,
  ReduceSum: reduce,
  ReduceSumSquare: reduce,
  Relu: unary,
  Reshape: reshape,
  Resize: (node, inputs) => {
    const { dtype, shape } = need(node, inputs, 0);
    return [{ dtype, shape: resizedShape(node, inputs, shape) }];
  },
  Round: unary,
  ScatterElements: unary,
  ScatterND: unary,
  Selu: unary,
  Shape: (node, inputs) => {
    const { shape } = need(node, inputs, 0);
    const clamp = (v: number): number => Math.min(Math.max(v < 0 ? v + shape.length : v, 0), shape.length);
    const part = shape.slice(clamp(intAttribute(node, "start", 0)), clamp(intAttribute(node, "end", shape.length)));
    const data = BigInt64Array.from(part, BigInt);
    return [{ dtype: "int64", shape: [part.length], value: { dtype: "int64", shape: [part.length], data } }];
  },
  Sigmoid: unary,
  Sign: unary,
  Sin: unary,
  Size: (node, inputs) => {
    const value = tensorOf("int64", [], [elementCount(need(node, inputs, 0).shape)]);
    return [{ dtype: "int64", shape: [], value }];
  },
  Slice: (node, inputs) => {
    const { dtype, shape } = need(node, inputs, 0);
    return [{ dtype, shape: sliceRanges(node, inputs, shape).map(({ length }) => length) }];
  },
  Softmax: unary,
  Softplus: unary,
  Softsign: unary,
  SpaceToDepth: spaceToDepth,
  Split: (node, inputs) => {
    const { dtype, shape } = need(node, inputs, 0);
    const axis = axisOf(node, intAttribute(node, "axis", 0), shape.length);
    return splitSizes(node, inputs, shape[axis]).map((size) => ({ dtype, shape: shape.with(axis, size) }));
  },
  Sqrt: unary,
  Squeeze: (node, inputs) => {
    const { dtype, shape } = need(node, inputs, 0);
    const axes = optionalInts(node, inputs, 1)?.map((axis) => axisOf(node, axis, shape.length));
    return [{ dtype, shape: shape.filter((size, axis) => (axes === undefined ? size !== 1 : !axes.includes(axis))) }];
  },
  Sub: broadcasting,
  Sum: broadcasting,
  Tanh: unary,
  Tile: (node, inputs) => {
    const { dtype, shape } = need(node, inputs, 0);
    const repeats = known(node, inputs, 1);
    if (repeats.length !== shape.length) throw shapeError(node, `${shape.length} repeats`, `${repeats.length}`);
    return [{ dtype, shape: shape.map((size, axis) => size * repeats[axis]) }];
  },
  Transpose: (node, inputs) => {
    const { dtype, shape } = need(node, inputs, 0);
    return [{ dtype, shape: permutationOf(node, shape.length).map((axis) => shape[axis]) }];
  },
  Trilu: unary,
  Unsqueeze: (node, inputs) => {
    const { dtype, shape } = need(node, inputs, 0);
    const added = known(node, inputs, 1);
    const rank = shape.length + added.length;
    const axes = added.map((axis) => axisOf(node, axis, rank));
    const rest = [...shape];
    return [{ dtype, shape: Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : (rest.shift() ?? 1))) }];
  },
  Where: (node, inputs) => {
    const [condition, yes, no] = [0, 1, 2].map((i) => need(node, inputs, i));
    return [{ dtype: yes.dtype, shape: broadcastShapes(node, [condition.shape, yes.shape, no.shape]) }];
  },
  Xor: comparison,
};

function plain({ dtype, shape }: Fact): Fact {
  return { dtype, shape };
}

function unary(node: GraphNode, inputs: Facts): readonly Fact[] {
  return [plain(need(node, inputs, 0))];
}

function broadcasting(node: GraphNode, inputs: Facts): readonly Fact[] {
  const facts = node.inputs.map((_, i) => need(node, inputs, i));
  const other = facts.find(({ dtype }) => dtype !== facts[0].dtype);
  if (other !== undefined) throw shapeError(node, `operands of one type, ${facts[0].dtype}`, other.dtype);
  return [
    {
      dtype: facts[0].dtype,
      shape: broadcastShapes(
        node,
        facts.map(({ shape }) => shape),
      ),
    },
  ];
}

function comparison(node: GraphNode, inputs: Facts): readonly Fact[] {
  return [{ ...broadcasting(node, inputs)[0], dtype: "bool" }];
}

const TYPE_BY_CAST: Readonly<Record<number, DataType>> = {
  1: "float32",
  2: "uint8",
  3: "int8",
  6: "int32",
  7: "int64",
  9: "bool",
  11: "float64",
};

function castType(node: GraphNode): DataType {
  const to = intAttribute(node, "to", 0);
  const type = TYPE_BY_CAST[to];
  if (type === undefined) throw shapeError(node, "a cast to float, double, an integer type or bool", `data type ${to}`);
  return type;
}

function constantOf(node: GraphNode): Fact {
  const { value, value_float: float, value_int: int, value_ints: ints, value_floats: floats } = node.attributes;
  const tensor = ((): Tensor | undefined => {
    if (value?.kind === "tensor") return value.value;
    if (float?.kind === "float") return { dtype: "float32", shape: [], data: Float32Array.of(float.value) };
    if (int?.kind === "int") return tensorOf("int64", [], [int.value]);
    if (floats?.kind === "floats") {
      return { dtype: "float32", shape: [floats.value.length], data: Float32Array.from(floats.value) };
    }
    if (ints?.kind !== "ints") return undefined;
    return tensorOf("int64", [ints.value.length], ints.value);
  })();
  if (tensor === undefined) throw shapeError(node, "a number or tensor", "another kind of constant");
  return { dtype: tensor.dtype, shape: tensor.shape, value: tensor };
}

function concat(node: GraphNode, inputs: Facts): readonly Fact[] {
  const facts = node.inputs.map((_, i) => need(node, inputs, i));
  const [{ dtype, shape }] = facts;
  const axis = axisOf(node, intAttribute(node, "axis", 0), shape.length);
  for (const other of facts) expectShape(node, other.shape.toSpliced(axis, 1), shape.toSpliced(axis, 1));
  return [
    {
      dtype,
      shape: shape.with(
        axis,
        facts.reduce((sum, fact) => sum + fact.shape[axis], 0),
      ),
    },
  ];
}

function gemm(node: GraphNode, inputs: Facts): readonly Fact[] {
  const [a, b] = [need(node, inputs, 0), need(node, inputs, 1)];
  const [rows, inner] = intAttribute(node, "transA", 0) ? [a.shape[1], a.shape[0]] : a.shape;
  const [innerB, columns] = intAttribute(node, "transB", 0) ? [b.shape[1], b.shape[0]] : b.shape;
  if (inner !== innerB) throw shapeError(node, `an inner size of ${inner}`, String(innerB));
  return [{ dtype: a.dtype, shape: [rows, columns] }];
}

function matMul(node: GraphNode, inputs: Facts): readonly Fact[] {
  const [a, b] = [need(node, inputs, 0), need(node, inputs, 1)];
  const left = a.shape.length === 1 ? [1, ...a.shape] : a.shape;
  const right = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
  const inner = left[left.length - 1];
  if (right[right.length - 2] !== inner)
    throw shapeError(node, `an inner size of ${inner}`, String(right[right.length - 2]));
  const batch = broadcastShapes(node, [left.slice(0, -2), right.slice(0, -2)]);
  const rows = a.shape.length === 1 ? [] : [left[left.length - 2]];
  const columns = b.shape.length === 1 ? [] : [right[right.length - 1]];
  return [{ dtype: a.dtype, shape: [...batch, ...rows, ...columns] }];
}

function reduce(node: GraphNode, inputs: Facts): readonly Fact[] {
  const { dtype, shape } = need(node, inputs, 0);
  const axes = reducedAxes(node, inputs, shape.length);
  if (intAttribute(node, "keepdims", 1) === 1) {
    return [{ dtype, shape: shape.map((size, axis) => (axes.includes(axis) ? 1 : size)) }];
  }
  return [{ dtype, shape: shape.filter((_, axis) => !axes.includes(axis)) }];
}

function reshape(node: GraphNode, inputs: Facts): readonly Fact[] {
  const { dtype, shape } = need(node, inputs, 0);
  const allowZero = intAttribute(node, "allowzero", 0) === 1;
  const target = known(node, inputs, 1).map((size, axis) => (size === 0 && !allowZero ? shape[axis] : size));
  const rest = elementCount(shape) / elementCount(target.filter((size) => size !== -1));
  const result = target.map((size) => (size === -1 ? rest : size));
  if (elementCount(result) !== elementCount(shape) || !result.every(Number.isInteger)) {
    throw shapeError(node, `${elementCount(shape)} elements`, `[${target.join(", ")}]`);
  }
  return [{ dtype, shape: result }];
}

function expectShape(node: GraphNode, actual: readonly number[], expected: readonly number[]): void {
  if (actual.join() !== expected.join()) throw shapeError(node, `[${expected.join(", ")}]`, `[${actual.join(", ")}]`);
}

function einsum(node: GraphNode, inputs: Facts): readonly Fact[] {
  const facts = node.inputs.map((_, i) => need(node, inputs, i));
  const { result, sizes } = einsumEquation(
    node,
    facts.map(({ shape }) => shape),
  );
  return [{ dtype: facts[0].dtype, shape: result.map((label) => sizes.get(label) ?? 1) }];
}
