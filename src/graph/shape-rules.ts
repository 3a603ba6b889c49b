/**
 * What each operator makes of its inputs' types and shapes (ONNX operator specifications, opset 13 to 21).
 * All sizes are numbers: a training step is built for one patch and one batch.
 */
import { ConsiliumError } from "../base/index.ts";
import { describeNode, type GraphNode, intAttribute, intsAttribute, stringAttribute } from "./graph.ts";
import type { OpType } from "./op-types.ts";
import { type DataType, elementCount, type Tensor, tensorValues } from "./tensor.ts";

/** What is known of a value before anything runs. */
export interface Fact {
  readonly dtype: DataType;
  readonly shape: readonly number[];
  /** The value itself where it does not depend on the graph's inputs. */
  readonly value?: Tensor;
}

export type ShapeRule = (node: GraphNode, inputs: readonly (Fact | undefined)[]) => readonly Fact[];

export const SHAPE_RULES: Readonly<Record<OpType, ShapeRule>> = {
  Abs: unary,
  Add: broadcasting,
  And: comparison,
  AveragePool: pool,
  BatchNormalization: (node, inputs) => [need(node, inputs, 0)],
  Cast: (node, inputs) => [{ ...need(node, inputs, 0), dtype: castType(node) }],
  Ceil: unary,
  Clip: unary,
  Concat: concat,
  Constant: (node) => [constantOf(node)],
  ConstantOfShape: (node, inputs) => {
    const value = node.attributes.value;
    const dtype = value?.kind === "tensor" ? value.value.dtype : "float32";
    return [{ dtype, shape: knownInts(node, inputs, 0) }];
  },
  Conv: conv,
  ConvTranspose: convTranspose,
  Div: broadcasting,
  Dropout: (node, inputs) => {
    const input = need(node, inputs, 0);
    return node.outputs.map((_, i) => (i === 0 ? plain(input) : { dtype: "bool", shape: input.shape }));
  },
  Elu: unary,
  Equal: comparison,
  Erf: unary,
  Exp: unary,
  Expand: (node, inputs) => {
    const input = need(node, inputs, 0);
    return [{ dtype: input.dtype, shape: broadcastShapes(node, [input.shape, knownInts(node, inputs, 1)]) }];
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
  Gelu: unary,
  Gemm: gemm,
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,
  Greater: comparison,
  GreaterOrEqual: comparison,
  Identity: unary,
  InstanceNormalization: (node, inputs) => {
    const input = need(node, inputs, 0);
    for (const i of [1, 2]) expectShape(node, need(node, inputs, i).shape, [input.shape[1]]);
    return [plain(input)];
  },
  LeakyRelu: unary,
  Less: comparison,
  LessOrEqual: comparison,
  Log: unary,
  LogSoftmax: unary,
  MatMul: matMul,
  Max: broadcasting,
  MaxPool: pool,
  Min: broadcasting,
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
  Pow: (node, inputs) => [{ ...broadcasting(node, inputs)[0], dtype: need(node, inputs, 0).dtype }],
  Range: (node, inputs) => {
    const [start, limit, delta] = [0, 1, 2].map((i) => known(node, inputs, i)[0]);
    return [{ dtype: need(node, inputs, 0).dtype, shape: [Math.max(0, Math.ceil((limit - start) / delta))] }];
  },
  Reciprocal: unary,
  ReduceMax: reduce,
  ReduceMean: reduce,
  ReduceSum: reduce,
  Relu: unary,
  Reshape: reshape,
  Resize: (node, inputs) => {
    const { dtype, shape } = need(node, inputs, 0);
    return [{ dtype, shape: resizedShape(node, inputs, shape) }];
  },
  Shape: (node, inputs) => {
    const { shape } = need(node, inputs, 0);
    const clamp = (v: number): number => Math.min(Math.max(v < 0 ? v + shape.length : v, 0), shape.length);
    const part = shape.slice(clamp(intAttribute(node, "start", 0)), clamp(intAttribute(node, "end", shape.length)));
    const data = BigInt64Array.from(part, BigInt);
    return [{ dtype: "int64", shape: [part.length], value: { dtype: "int64", shape: [part.length], data } }];
  },
  Sigmoid: unary,
  Slice: (node, inputs) => {
    const { dtype, shape } = need(node, inputs, 0);
    return [{ dtype, shape: sliceRanges(node, inputs, shape).map(({ length }) => length) }];
  },
  Softmax: unary,
  Softplus: unary,
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
  Tanh: unary,
  Transpose: (node, inputs) => {
    const { dtype, shape } = need(node, inputs, 0);
    return [{ dtype, shape: permutationOf(node, shape.length).map((axis) => shape[axis]) }];
  },
  Unsqueeze: (node, inputs) => {
    const { dtype, shape } = need(node, inputs, 0);
    const added = knownInts(node, inputs, 1);
    const rank = shape.length + added.length;
    const axes = added.map((axis) => axisOf(node, axis, rank));
    const rest = [...shape];
    return [{ dtype, shape: Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : (rest.shift() ?? 1))) }];
  },
  Where: (node, inputs) => {
    const [condition, yes, no] = [0, 1, 2].map((i) => need(node, inputs, i));
    return [{ dtype: yes.dtype, shape: broadcastShapes(node, [condition.shape, yes.shape, no.shape]) }];
  },
};

// ---- readings of a node that other tables share --------------------------------------------------------------

export function shapeError(node: GraphNode, expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("shape-mismatch", {
    subject: describeNode(node),
    expected,
    actual,
    hint: "Check the network's input size and channels; `consilium model verify` shows where a file stands.",
  });
}

/** The fact of a required input. */
export function need(node: GraphNode, inputs: readonly (Fact | undefined)[], index: number): Fact {
  const fact = inputs[index];
  if (fact === undefined) throw shapeError(node, `input ${index}`, "none");
  return fact;
}

/** The values of an input that has to be known before the graph runs. */
export function known(node: GraphNode, inputs: readonly (Fact | undefined)[], index: number): number[] {
  const { value } = need(node, inputs, index);
  if (value === undefined) {
    throw shapeError(
      node,
      `input ${index} (${node.inputs[index]}) known before the graph runs`,
      "one that depends on data",
    );
  }
  return tensorValues(value);
}

const knownInts = known;

/** Integers given as an input (opset 13 on) or, before, as the attribute `axes`, `split` or `pads`. */
export function optionalInts(
  node: GraphNode,
  inputs: readonly (Fact | undefined)[],
  index: number,
  attribute = "axes",
): readonly number[] | undefined {
  if (inputs[index] !== undefined) return known(node, inputs, index);
  return intsAttribute(node, attribute);
}

export function axisOf(node: GraphNode, axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (positive < 0 || positive >= Math.max(rank, 1))
    throw shapeError(node, `an axis of a tensor of rank ${rank}`, String(axis));
  return positive;
}

export function broadcastShapes(node: GraphNode, shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) => {
    const sizes = new Set(shapes.map((shape) => shape[i - rank + shape.length] ?? 1).filter((size) => size !== 1));
    if (sizes.size > 1)
      throw shapeError(node, "shapes that broadcast", shapes.map((s) => `[${s.join(", ")}]`).join(" and "));
    return [...sizes][0] ?? 1;
  });
}

export function permutationOf(node: GraphNode, rank: number): readonly number[] {
  return intsAttribute(node, "perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
}

export function flattenAxis(node: GraphNode, rank: number): number {
  const axis = intAttribute(node, "axis", 1);
  return axis < 0 ? axis + rank : axis;
}

/** Axes of a reduction; empty means all of them. */
export function reducedAxes(node: GraphNode, inputs: readonly (Fact | undefined)[], rank: number): number[] {
  const axes = optionalInts(node, inputs, 1) ?? [];
  if (axes.length > 0) return axes.map((axis) => axisOf(node, axis, rank));
  return intAttribute(node, "noop_with_empty_axes", 0) === 1 ? [] : Array.from({ length: rank }, (_, i) => i);
}

export function splitSizes(node: GraphNode, inputs: readonly (Fact | undefined)[], size: number): readonly number[] {
  const sizes = optionalInts(node, inputs, 1, "split");
  if (sizes !== undefined) return sizes;
  const parts = intAttribute(node, "num_outputs", node.outputs.length);
  const each = Math.ceil(size / parts);
  return Array.from({ length: parts }, (_, i) => Math.min(each, size - i * each));
}

export interface SliceRange {
  readonly start: number;
  readonly step: number;
  readonly length: number;
}

/** One range for each axis of the input. */
export function sliceRanges(
  node: GraphNode,
  inputs: readonly (Fact | undefined)[],
  shape: readonly number[],
): readonly SliceRange[] {
  const starts = known(node, inputs, 1);
  const ends = known(node, inputs, 2);
  const axes = inputs[3] === undefined ? starts.map((_, i) => i) : known(node, inputs, 3);
  const steps = inputs[4] === undefined ? starts.map(() => 1) : known(node, inputs, 4);
  const ranges: SliceRange[] = shape.map((length) => ({ start: 0, step: 1, length }));
  axes.forEach((given, i) => {
    const axis = axisOf(node, given, shape.length);
    const [size, step] = [shape[axis], steps[i]];
    const clamp = (v: number, low: number, high: number): number => Math.min(Math.max(v < 0 ? v + size : v, low), high);
    const start = step > 0 ? clamp(starts[i], 0, size) : clamp(starts[i], 0, size - 1);
    const end = step > 0 ? clamp(ends[i], 0, size) : clamp(ends[i], -1, size - 1);
    ranges[axis] = { start, step, length: Math.max(0, Math.ceil((end - start) / step)) };
  });
  return ranges;
}

/** Zeros (or other values) added before and after each axis. */
export function padsByAxis(
  node: GraphNode,
  inputs: readonly (Fact | undefined)[],
  rank: number,
): readonly (readonly [number, number])[] {
  const pads = optionalInts(node, inputs, 1, "pads") ?? [];
  const axes = inputs[3] === undefined ? Array.from({ length: rank }, (_, i) => i) : known(node, inputs, 3);
  const byAxis: [number, number][] = Array.from({ length: rank }, () => [0, 0]);
  axes.forEach((axis, i) => {
    byAxis[axisOf(node, axis, rank)] = [pads[i], pads[i + axes.length]];
  });
  return byAxis;
}

/** A convolution's or pool's window, one entry for each spatial axis. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padsBegin: readonly number[];
  readonly padsEnd: readonly number[];
}

/** `spatial` are the input's sizes; auto_pad is resolved to explicit pads. */
export function windowOf(node: GraphNode, kernel: readonly number[], spatial: readonly number[]): Window {
  const strides = intsAttribute(node, "strides") ?? kernel.map(() => 1);
  const dilations = intsAttribute(node, "dilations") ?? kernel.map(() => 1);
  const autoPad = stringAttribute(node, "auto_pad", "NOTSET");
  if (autoPad === "NOTSET" || autoPad === "VALID") {
    const pads = (autoPad === "NOTSET" ? intsAttribute(node, "pads") : undefined) ?? kernel.flatMap(() => [0, 0]);
    const rank = kernel.length;
    return { kernel, strides, dilations, padsBegin: pads.slice(0, rank), padsEnd: pads.slice(rank) };
  }
  const totals = kernel.map((k, i) => {
    const out = Math.ceil(spatial[i] / strides[i]);
    return Math.max(0, (out - 1) * strides[i] + dilations[i] * (k - 1) + 1 - spatial[i]);
  });
  const small = totals.map((total) => Math.floor(total / 2));
  const large = totals.map((total, i) => total - small[i]);
  const upper = autoPad === "SAME_UPPER";
  return { kernel, strides, dilations, padsBegin: upper ? small : large, padsEnd: upper ? large : small };
}

/** Sizes that a window leaves of the input's. */
export function windowOutput(spatial: readonly number[], window: Window, ceilMode = false): number[] {
  return spatial.map((size, i) => {
    const room = size + window.padsBegin[i] + window.padsEnd[i] - window.dilations[i] * (window.kernel[i] - 1) - 1;
    if (!ceilMode) return Math.floor(room / window.strides[i]) + 1;
    const steps = Math.ceil(room / window.strides[i]) + 1;
    const startsInside = (steps - 1) * window.strides[i] < size + window.padsBegin[i];
    return startsInside ? steps : steps - 1;
  });
}

/** ConvTranspose's window, with its output padding; auto_pad and output_shape are refused by its shape rule. */
export function transposedWindowOf(
  node: GraphNode,
  kernel: readonly number[],
): Window & { readonly outputPadding: readonly number[] } {
  const outputPadding = intsAttribute(node, "output_padding") ?? kernel.map(() => 0);
  return { ...windowOf(node, kernel, kernel), outputPadding };
}

// ---- rules ----------------------------------------------------------------------------------------------------

function plain({ dtype, shape }: Fact): Fact {
  return { dtype, shape };
}

function unary(node: GraphNode, inputs: readonly (Fact | undefined)[]): readonly Fact[] {
  return [plain(need(node, inputs, 0))];
}

function broadcasting(node: GraphNode, inputs: readonly (Fact | undefined)[]): readonly Fact[] {
  const facts = node.inputs.map((_, i) => need(node, inputs, i));
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

function comparison(node: GraphNode, inputs: readonly (Fact | undefined)[]): readonly Fact[] {
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
    if (int?.kind === "int") return { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(int.value)) };
    if (floats?.kind === "floats") {
      return { dtype: "float32", shape: [floats.value.length], data: Float32Array.from(floats.value) };
    }
    if (ints?.kind !== "ints") return undefined;
    return { dtype: "int64", shape: [ints.value.length], data: BigInt64Array.from(ints.value, BigInt) };
  })();
  if (tensor === undefined) throw shapeError(node, "a number or tensor", "another kind of constant");
  return { dtype: tensor.dtype, shape: tensor.shape, value: tensor };
}

function concat(node: GraphNode, inputs: readonly (Fact | undefined)[]): readonly Fact[] {
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

function conv(node: GraphNode, inputs: readonly (Fact | undefined)[]): readonly Fact[] {
  const x = need(node, inputs, 0);
  const w = need(node, inputs, 1);
  const group = intAttribute(node, "group", 1);
  if (x.shape.length !== w.shape.length || x.shape[1] !== w.shape[1] * group) {
    throw shapeError(node, `${w.shape[1] * group} input channels of rank ${w.shape.length}`, `[${x.shape.join(", ")}]`);
  }
  const spatial = x.shape.slice(2);
  const out = windowOutput(spatial, windowOf(node, w.shape.slice(2), spatial));
  if (out.some((size) => size < 1))
    throw shapeError(node, "an input as large as the kernel", `[${x.shape.join(", ")}]`);
  return [{ dtype: x.dtype, shape: [x.shape[0], w.shape[0], ...out] }];
}

function convTranspose(node: GraphNode, inputs: readonly (Fact | undefined)[]): readonly Fact[] {
  const x = need(node, inputs, 0);
  const w = need(node, inputs, 1);
  if (stringAttribute(node, "auto_pad", "NOTSET") !== "NOTSET" || node.attributes.output_shape !== undefined) {
    throw shapeError(node, "explicit pads", "auto_pad or output_shape");
  }
  if (x.shape[1] !== w.shape[0]) throw shapeError(node, `${w.shape[0]} input channels`, `[${x.shape.join(", ")}]`);
  const window = transposedWindowOf(node, w.shape.slice(2));
  const out = x.shape.slice(2).map((size, i) => {
    const reach = window.dilations[i] * (window.kernel[i] - 1) + 1;
    return (size - 1) * window.strides[i] + reach + window.outputPadding[i] - window.padsBegin[i] - window.padsEnd[i];
  });
  return [{ dtype: x.dtype, shape: [x.shape[0], w.shape[1] * intAttribute(node, "group", 1), ...out] }];
}

function pool(node: GraphNode, inputs: readonly (Fact | undefined)[]): readonly Fact[] {
  const { dtype, shape } = need(node, inputs, 0);
  const spatial = shape.slice(2);
  const window = windowOf(node, intsAttribute(node, "kernel_shape") ?? [], spatial);
  const out = [...shape.slice(0, 2), ...windowOutput(spatial, window, intAttribute(node, "ceil_mode", 0) === 1)];
  return node.outputs.map((_, i) => ({ dtype: i === 0 ? dtype : "int64", shape: out }));
}

function globalPool(node: GraphNode, inputs: readonly (Fact | undefined)[]): readonly Fact[] {
  const { dtype, shape } = need(node, inputs, 0);
  return [{ dtype, shape: shape.map((size, axis) => (axis < 2 ? size : 1)) }];
}

function gemm(node: GraphNode, inputs: readonly (Fact | undefined)[]): readonly Fact[] {
  const [a, b] = [need(node, inputs, 0), need(node, inputs, 1)];
  const [rows, inner] = intAttribute(node, "transA", 0) ? [a.shape[1], a.shape[0]] : a.shape;
  const [innerB, columns] = intAttribute(node, "transB", 0) ? [b.shape[1], b.shape[0]] : b.shape;
  if (inner !== innerB) throw shapeError(node, `an inner size of ${inner}`, String(innerB));
  return [{ dtype: a.dtype, shape: [rows, columns] }];
}

function matMul(node: GraphNode, inputs: readonly (Fact | undefined)[]): readonly Fact[] {
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

function reduce(node: GraphNode, inputs: readonly (Fact | undefined)[]): readonly Fact[] {
  const { dtype, shape } = need(node, inputs, 0);
  const axes = reducedAxes(node, inputs, shape.length);
  if (intAttribute(node, "keepdims", 1) === 1) {
    return [{ dtype, shape: shape.map((size, axis) => (axes.includes(axis) ? 1 : size)) }];
  }
  return [{ dtype, shape: shape.filter((_, axis) => !axes.includes(axis)) }];
}

function reshape(node: GraphNode, inputs: readonly (Fact | undefined)[]): readonly Fact[] {
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

export function resizedShape(
  node: GraphNode,
  inputs: readonly (Fact | undefined)[],
  shape: readonly number[],
): number[] {
  const axes = intsAttribute(node, "axes") ?? shape.map((_, i) => i);
  const given = (index: number): number[] | undefined => {
    const fact = inputs[index];
    return fact === undefined || elementCount(fact.shape) === 0 ? undefined : known(node, inputs, index);
  };
  const [scales, sizes] = [given(2), given(3)];
  if (stringAttribute(node, "keep_aspect_ratio_policy", "stretch") !== "stretch") {
    throw shapeError(node, "keep_aspect_ratio_policy stretch", stringAttribute(node, "keep_aspect_ratio_policy", ""));
  }
  if (scales === undefined && sizes === undefined) throw shapeError(node, "scales or sizes", "neither");
  return shape.map((size, axis) => {
    const i = axes.indexOf(axis);
    if (i < 0) return size;
    return scales !== undefined ? Math.floor(size * scales[i]) : (sizes?.[i] ?? size);
  });
}

function expectShape(node: GraphNode, actual: readonly number[], expected: readonly number[]): void {
  if (actual.join() !== expected.join()) throw shapeError(node, `[${expected.join(", ")}]`, `[${actual.join(", ")}]`);
}
