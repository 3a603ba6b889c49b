/**
 * Shapes that convolutions, pools, resizing and moves between depth and space leave (ONNX Conv 11, ConvTranspose 11,
 * MaxPool 12, AveragePool 19, Resize 11 to 19, DepthToSpace 13). Tensors are [N, C, ...].
 */
import { type GraphNode, intAttribute, intsAttribute, stringAttribute } from "./graph.ts";
import {
  type Fact,
  type Facts,
  known,
  need,
  shapeError,
  transposedWindowOf,
  windowOf,
  windowOutput,
} from "./node-readings.ts";
import { elementCount } from "./tensor.ts";

export function conv(node: GraphNode, inputs: Facts): readonly Fact[] {
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

export function convTranspose(node: GraphNode, inputs: Facts): readonly Fact[] {
  const x = need(node, inputs, 0);
  const w = need(node, inputs, 1);
  if (x.shape[1] !== w.shape[0]) throw shapeError(node, `${w.shape[0]} input channels`, `[${x.shape.join(", ")}]`);
  const window = transposedWindowOf(node, w.shape.slice(2), x.shape.slice(2));
  const out = x.shape.slice(2).map((size, i) => {
    const reach = window.dilations[i] * (window.kernel[i] - 1) + 1;
    return (size - 1) * window.strides[i] + reach + window.outputPadding[i] - window.padsBegin[i] - window.padsEnd[i];
  });
  return [{ dtype: x.dtype, shape: [x.shape[0], w.shape[1] * intAttribute(node, "group", 1), ...out] }];
}

export function pool(node: GraphNode, inputs: Facts): readonly Fact[] {
  const { dtype, shape } = need(node, inputs, 0);
  const spatial = shape.slice(2);
  const window = windowOf(node, intsAttribute(node, "kernel_shape") ?? [], spatial);
  const out = [...shape.slice(0, 2), ...windowOutput(spatial, window, intAttribute(node, "ceil_mode", 0) === 1)];
  return node.outputs.map((_, i) => ({ dtype: i === 0 ? dtype : "int64", shape: out }));
}

export function globalPool(node: GraphNode, inputs: Facts): readonly Fact[] {
  const { dtype, shape } = need(node, inputs, 0);
  return [{ dtype, shape: shape.map((size, axis) => (axis < 2 ? size : 1)) }];
}

export function resizedShape(node: GraphNode, inputs: Facts, shape: readonly number[]): number[] {
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

/** [N, b^2 C, H, W] to [N, C, b H, b W]. */
export function depthToSpace(node: GraphNode, inputs: Facts): readonly Fact[] {
  const { dtype, shape } = need(node, inputs, 0);
  const block = intAttribute(node, "blocksize", 1);
  if (shape.length !== 4 || shape[1] % block ** 2 !== 0) {
    throw shapeError(node, `[N, C, H, W] with C a multiple of ${block ** 2}`, `[${shape.join(", ")}]`);
  }
  return [{ dtype, shape: [shape[0], shape[1] / block ** 2, shape[2] * block, shape[3] * block] }];
}

/** [N, C, b H, b W] to [N, b^2 C, H, W]. */
export function spaceToDepth(node: GraphNode, inputs: Facts): readonly Fact[] {
  const { dtype, shape } = need(node, inputs, 0);
  const block = intAttribute(node, "blocksize", 1);
  if (shape.length !== 4 || shape[2] % block !== 0 || shape[3] % block !== 0) {
    throw shapeError(node, `[N, C, H, W] with sides that ${block} divides`, `[${shape.join(", ")}]`);
  }
  return [{ dtype, shape: [shape[0], shape[1] * block ** 2, shape[2] / block, shape[3] / block] }];
}
