/**
 * Readings of a node that several tables share: axes, ranges, pads and windows as the ONNX operator specifications
 * (operator set 13 to 21) define them, from attributes or from inputs that are known before the graph runs.
 */
import { ConsiliumError } from "../base/index.ts";
import { describeNode, type GraphNode, intAttribute, intsAttribute, stringAttribute } from "./graph.ts";
import { type DataType, type Tensor, tensorValues } from "./tensor.ts";

/** What is known of a value before anything runs. */
export interface Fact {
  readonly dtype: DataType;
  readonly shape: readonly number[];
  /** The value itself where it does not depend on the graph's inputs. */
  readonly value?: Tensor;
}

export type Facts = readonly (Fact | undefined)[];

export function shapeError(node: GraphNode, expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("shape-mismatch", {
    subject: describeNode(node),
    expected,
    actual,
    hint: "Check the network's input size and channels; `consilium model inspect` shows where a file stands.",
  });
}

/** The fact of a required input. */
export function need(node: GraphNode, inputs: Facts, index: number): Fact {
  const fact = inputs[index];
  if (fact === undefined) throw shapeError(node, `input ${index}`, "none");
  return fact;
}

/** The values of an input that has to be known before the graph runs. */
export function known(node: GraphNode, inputs: Facts, index: number): number[] {
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

/** Integers given as an input (opset 13 on) or, before, as the attribute `axes`, `split` or `pads`. */
export function optionalInts(
  node: GraphNode,
  inputs: Facts,
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
export function reducedAxes(node: GraphNode, inputs: Facts, rank: number): number[] {
  const axes = optionalInts(node, inputs, 1) ?? [];
  if (axes.length > 0) return axes.map((axis) => axisOf(node, axis, rank));
  return intAttribute(node, "noop_with_empty_axes", 0) === 1 ? [] : Array.from({ length: rank }, (_, i) => i);
}

export function splitSizes(node: GraphNode, inputs: Facts, size: number): readonly number[] {
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
export function sliceRanges(node: GraphNode, inputs: Facts, shape: readonly number[]): readonly SliceRange[] {
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
export function padsByAxis(node: GraphNode, inputs: Facts, rank: number): readonly (readonly [number, number])[] {
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

/**
 * ConvTranspose's window with its output padding. `auto_pad` and `output_shape` are resolved to explicit pads: what is
 * over is cut from both ends, the odd element from the end with SAME_UPPER and from the beginning otherwise.
 */
export function transposedWindowOf(
  node: GraphNode,
  kernel: readonly number[],
  spatial: readonly number[],
): Window & { readonly outputPadding: readonly number[] } {
  const outputPadding = intsAttribute(node, "output_padding") ?? kernel.map(() => 0);
  const autoPad = stringAttribute(node, "auto_pad", "NOTSET");
  const explicit = windowOf(node, kernel, spatial);
  const { strides, dilations } = explicit;
  const same = autoPad.startsWith("SAME") ? spatial.map((size, i) => size * strides[i]) : undefined;
  const output = intsAttribute(node, "output_shape")?.slice(-kernel.length) ?? same;
  if (output === undefined) return { ...explicit, outputPadding };
  const totals = kernel.map(
    (k, i) => (spatial[i] - 1) * strides[i] + dilations[i] * (k - 1) + 1 + outputPadding[i] - output[i],
  );
  if (totals.some((total) => total < 0))
    throw shapeError(node, "an output that the input reaches", `[${output.join(", ")}]`);
  const small = totals.map((total) => Math.floor(total / 2));
  const large = totals.map((total, i) => total - small[i]);
  const upper = autoPad === "SAME_UPPER";
  return { ...explicit, padsBegin: upper ? small : large, padsEnd: upper ? large : small, outputPadding };
}
