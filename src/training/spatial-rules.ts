/** Gradients of convolutions, pooling and resizing. */
import {
  attr,
  elementCount,
  float32Tensor,
  type GraphBuilder,
  intAttribute,
  intsAttribute,
  tensorValues,
  transposedWindowOf,
  type Window,
  windowOf,
} from "../graph/index.ts";
import { convInputGradient, convWeightGradient } from "./convolution-gradients.ts";
import type { ConvolutionShape } from "./convolution-shape.ts";
import {
  type GradientContext,
  onlyGradient,
  reduce,
  reshape,
  spatialAxes,
  spatialSize,
  unsupportedGradient,
  voxelSum,
  withScalar,
  zeros,
} from "./gradient-context.ts";
import { scatterSum } from "./indexing-rules.ts";
import { resizeMatrix } from "./resize-matrix.ts";

export function conv(c: GradientContext): readonly (string | undefined)[] {
  const b = c.builder;
  const [x, w] = c.node.inputs;
  const dy = onlyGradient(c);
  const [input, weight, output] = [b.shape(x), b.shape(w), b.shape(dy)];
  const window = windowOf(c.node, weight.slice(2), input.slice(2));
  const shape: ConvolutionShape = { input, weight, output, window, group: intAttribute(c.node, "group", 1) };
  return [
    c.needs(0) ? convInputGradient(b, dy, w, shape, c.lowerings) : undefined,
    c.needs(1) ? convWeightGradient(b, x, dy, shape, c.lowerings) : undefined,
    c.needs(2) ? biasGradient(b, dy) : undefined,
  ];
}

/** A transposed convolution is the input gradient of a convolution, so its own gradients are that convolution's. */
export function convTranspose(c: GradientContext): readonly (string | undefined)[] {
  const b = c.builder;
  const [x, w] = c.node.inputs;
  const dy = onlyGradient(c);
  const weight = b.shape(w);
  const window = transposedWindowOf(c.node, weight.slice(2), b.shape(x).slice(2));
  const group = intAttribute(c.node, "group", 1);
  const shape: ConvolutionShape = { input: b.shape(dy), weight, output: b.shape(x), window, group };
  const byInput = (): string => {
    const result = b.emit("Conv", [dy, w], {
      strides: attr.ints(window.strides),
      dilations: attr.ints(window.dilations),
      pads: attr.ints([...window.padsBegin, ...window.padsEnd]),
      group: attr.int(group),
    });
    return result;
  };
  return [
    c.needs(0) ? byInput() : undefined,
    c.needs(1) ? convWeightGradient(b, dy, x, shape, c.lowerings) : undefined,
    c.needs(2) ? biasGradient(b, dy) : undefined,
  ];
}

function biasGradient(b: GraphBuilder, dy: string): string {
  const shape = b.shape(dy);
  return reshape(b, reduce(b, "ReduceSum", voxelSum(b, dy), [0]), [shape[1]]);
}

export function globalAveragePool(c: GradientContext): readonly string[] {
  const b = c.builder;
  const shape = b.shape(c.node.inputs[0]);
  return [b.emit("Expand", [withScalar(b, "Mul", onlyGradient(c), 1 / spatialSize(shape)), b.ints(shape)])];
}

export function globalMaxPool(c: GradientContext): readonly string[] {
  const b = c.builder;
  const [x, y] = [c.node.inputs[0], c.node.outputs[0]];
  const hits = b.emit("Cast", [b.emit("Equal", [x, y])], { to: attr.int(1) });
  const count = reduce(b, "ReduceSum", hits, spatialAxes(b.shape(x).length));
  return [b.emit("Mul", [hits, b.emit("Div", [onlyGradient(c), count])])];
}

/** Each output is the mean of its window, so its gradient goes back in equal parts: a depthwise ConvTranspose. */
export function averagePool(c: GradientContext): readonly string[] {
  const b = c.builder;
  const shape = b.shape(c.node.inputs[0]);
  const output = b.shape(c.node.outputs[0]);
  const window = windowOf(c.node, intsAttribute(c.node, "kernel_shape") ?? [], shape.slice(2));
  const padded = intAttribute(c.node, "count_include_pad", 0) === 1;
  const counts = windowCounts(window, shape.slice(2), output.slice(2), padded);
  const divisor = b.constant(float32Tensor([1, 1, ...output.slice(2)], counts));
  const share = b.emit("Div", [onlyGradient(c), divisor]);
  const kernel = b.constant(
    float32Tensor([shape[1], 1, ...window.kernel], new Float32Array(shape[1] * elementCount(window.kernel)).fill(1)),
  );
  const depthwise: ConvolutionShape = {
    input: shape,
    weight: [shape[1], 1, ...window.kernel],
    output,
    window: reachingWindow(window, shape.slice(2), output.slice(2)),
    group: shape[1],
  };
  return [convInputGradient(b, share, kernel, depthwise, c.lowerings)];
}

/** With `ceil_mode` the last windows end beyond the padding: the same window, padded as far as they reach. */
function reachingWindow(window: Window, spatial: readonly number[], output: readonly number[]): Window {
  const padsEnd = window.padsEnd.map((pad, i) => {
    const end = (output[i] - 1) * window.strides[i] + window.dilations[i] * (window.kernel[i] - 1) + 1;
    return Math.max(pad, end - window.padsBegin[i] - spatial[i]);
  });
  return { ...window, padsEnd };
}

/** How many voxels each window averages over: its taps inside the volume, or inside the padded volume. */
function windowCounts(
  window: Window,
  spatial: readonly number[],
  output: readonly number[],
  padded: boolean,
): number[] {
  const perAxis = output.map((size, axis) => {
    const low = padded ? -window.padsBegin[axis] : 0;
    const high = spatial[axis] + (padded ? window.padsEnd[axis] : 0);
    return Array.from({ length: size }, (_, o) => {
      const start = o * window.strides[axis] - window.padsBegin[axis];
      const taps = Array.from({ length: window.kernel[axis] }, (_unused, k) => start + k * window.dilations[axis]);
      return taps.filter((at) => at >= low && at < high).length;
    });
  });
  return perAxis.reduce((total, counts) => total.flatMap((t) => counts.map((n) => t * n)), [1]);
}

/**
 * The gradient goes to the voxel that was the maximum (the first of several, as PyTorch). Windows that tile the input
 * are compared in place; for others ONNX Runtime says where each maximum was, and what meets there is summed.
 */
export function maxPool(c: GradientContext): readonly string[] {
  const b = c.builder;
  const x = c.node.inputs[0];
  const shape = b.shape(x);
  const output = b.shape(c.node.outputs[0]);
  const window = windowOf(c.node, intsAttribute(c.node, "kernel_shape") ?? [], shape.slice(2));
  const disjoint = window.kernel.every((k, i) => k === window.strides[i]);
  const unpadded = [...window.padsBegin, ...window.padsEnd].every((p) => p === 0);
  const covers = output.slice(2).every((size, i) => size * window.strides[i] === shape[i + 2]);
  if (disjoint && unpadded && covers && window.dilations.every((d) => d === 1)) {
    return [tiledMaxGradient(b, x, c.node.outputs[0], onlyGradient(c), window, output)];
  }
  const { storage_order: _, ...attributes } = c.node.attributes;
  const places = c.builder.emitMany("MaxPool", [x], 2, attributes)[1];
  const flat = (value: string): string => reshape(b, value, [elementCount(output)]);
  return [reshape(b, scatterSum(c, [elementCount(shape)], flat(places), flat(onlyGradient(c)), 0), shape)];
}

/**
 * Windows that tile the input, seen as an axis of their own: the first element that equals the maximum is found by
 * counting the hits before it with a product by a triangular matrix.
 */
function tiledMaxGradient(
  b: GraphBuilder,
  x: string,
  y: string,
  dy: string,
  window: Window,
  output: readonly number[],
): string {
  const shape = b.shape(x);
  const rank = window.kernel.length;
  const taps = elementCount(window.kernel);
  const split = [shape[0], shape[1], ...output.slice(2).flatMap((size, i) => [size, window.kernel[i]])];
  const perm = [0, 1, ...window.kernel.map((_, i) => 2 + 2 * i), ...window.kernel.map((_, i) => 3 + 2 * i)];
  const windows = reshape(b, b.emit("Transpose", [reshape(b, x, split)], { perm: attr.ints(perm) }), [...output, taps]);
  const hits = b.emit("Cast", [b.emit("Equal", [windows, reshape(b, y, [...output, 1])])], { to: attr.int(1) });
  const triangle = Float32Array.from({ length: taps * taps }, (_, i) => (Math.floor(i / taps) < i % taps ? 1 : 0));
  const earlier = b.emit("MatMul", [hits, b.constant(float32Tensor([taps, taps], triangle))]);
  const first = b.emit("Where", [withScalar(b, "Greater", earlier, 0), b.scalar(0), hits]);
  const spread = b.emit("Mul", [first, reshape(b, dy, [...output, 1])]);
  const back = [0, 1, ...window.kernel.flatMap((_, i) => [2 + i, 2 + rank + i])];
  const grid = reshape(b, spread, [...output, ...window.kernel]);
  return reshape(b, b.emit("Transpose", [grid], { perm: attr.ints(back) }), shape);
}

/** Nearest, linear and cubic resizing are linear maps along each axis; the gradient is their transpose, axis by axis. */
export function resize(c: GradientContext): readonly (string | undefined)[] {
  const b = c.builder;
  const shape = b.shape(c.node.inputs[0]);
  const output = b.shape(c.node.outputs[0]);
  const scales = c.node.inputs[2] ? b.fact(c.node.inputs[2]).value : undefined;
  const given = scales === undefined || scales.shape[0] === 0 ? undefined : tensorValues(scales);
  const axes = intsAttribute(c.node, "axes") ?? shape.map((_, i) => i);
  if (intAttribute(c.node, "antialias", 0) === 1) throw unsupportedGradient(c.node, "antialias 0", "antialias 1");
  let gradient = onlyGradient(c);
  if (elementCount(output) === 0) return [zeros(b, shape)];
  if (output.join() === shape.join()) return [gradient];
  shape.forEach((size, axis) => {
    const scale = given?.[axes.indexOf(axis)] ?? output[axis] / size;
    if (size === output[axis] && scale === 1) return;
    const matrix = resizeMatrix(c.node, size, output[axis], scale);
    const current = b.shape(gradient);
    const [outer, inner] = [elementCount(current.slice(0, axis)), elementCount(current.slice(axis + 1))];
    const name = b.constant(float32Tensor([size, output[axis]], matrix));
    const product = b.emit("MatMul", [name, reshape(b, gradient, [outer, output[axis], inner])]);
    gradient = reshape(b, product, current.with(axis, size));
  });
  return [gradient];
}
