/**
 * Gradients of operators that move elements: Pad (ONNX 13 to 19), Slice 13, Tile 13, DepthToSpace 13, SpaceToDepth 13,
 * Concat 13 and Split 13 to 18.
 */
import {
  axisOf,
  elementCount,
  type GraphBuilder,
  intAttribute,
  padsByAxis,
  sliceRanges,
  splitSizes,
  stringAttribute,
} from "../graph/index.ts";
import {
  concat,
  factsOf,
  type GradientContext,
  onlyGradient,
  padZeros,
  reduce,
  reshape,
  slice,
  transpose,
  unsupportedGradient,
  zeros,
} from "./gradient-context.ts";

export function concatenation(c: GradientContext): readonly (string | undefined)[] {
  const b = c.builder;
  const axis = axisOf(c.node, intAttribute(c.node, "axis", 0), b.shape(c.node.outputs[0]).length);
  const dy = onlyGradient(c);
  let start = 0;
  return c.node.inputs.map((name, i) => {
    const from = start;
    start += b.shape(name)[axis];
    return c.needs(i) ? slice(b, dy, [axis], [from], [start]) : undefined;
  });
}

export function split(c: GradientContext): readonly string[] {
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
}

/** Back to where each element came from; an axis read backwards is turned first, one with gaps gets zeros in them. */
export function sliced(c: GradientContext): readonly string[] {
  const b = c.builder;
  const shape = b.shape(c.node.inputs[0]);
  const ranges = sliceRanges(c.node, factsOf(c), shape);
  let gradient = onlyGradient(c);
  if (ranges.some(({ length }) => length === 0)) return [zeros(b, shape)];
  const begin: number[] = [];
  const end: number[] = [];
  ranges.forEach(({ start, step, length }, axis) => {
    const first = step < 0 ? start + (length - 1) * step : start;
    if (step < 0 && length > 1) gradient = reverse(b, gradient, axis);
    const gap = length > 1 ? Math.abs(step) : 1;
    if (gap > 1) gradient = spreadOut(b, gradient, axis, gap);
    begin.push(first);
    end.push(shape[axis] - first - ((length - 1) * gap + 1));
  });
  return [padZeros(b, gradient, begin, end)];
}

function reverse(b: GraphBuilder, value: string, axis: number): string {
  return slice(b, value, [axis], [-1], [-(2 ** 31)], [-1]);
}

/** gap - 1 zeros between neighbours along an axis. */
function spreadOut(b: GraphBuilder, value: string, axis: number, gap: number): string {
  const shape = b.shape(value);
  const column = reshape(b, value, shape.toSpliced(axis + 1, 0, 1));
  const none = b.shape(column).map(() => 0);
  const filled = padZeros(b, column, none, none.with(axis + 1, gap - 1));
  const whole = reshape(b, filled, shape.with(axis, shape[axis] * gap));
  return slice(b, whole, [axis], [0], [(shape[axis] - 1) * gap + 1]);
}

/**
 * Zeros that were added go away, and what was cut off comes back as zeros. The other modes are undone axis by axis:
 * each margin goes back to the elements that it repeats.
 */
export function pad(c: GradientContext): readonly string[] {
  const b = c.builder;
  const shape = b.shape(c.node.inputs[0]);
  const pads = padsByAxis(c.node, factsOf(c), shape.length);
  const mode = stringAttribute(c.node, "mode", "constant");
  const dy = onlyGradient(c);
  if (mode === "constant") {
    const axes = shape.map((_, axis) => axis);
    const starts = pads.map(([before]) => Math.max(0, before));
    const output = b.shape(dy);
    const ends = pads.map(([, after], axis) => output[axis] - Math.max(0, after));
    const kept = slice(b, dy, axes, starts, ends);
    const cut = (index: 0 | 1): number[] => pads.map((amounts) => Math.max(0, -amounts[index]));
    return [padZeros(b, kept, cut(0), cut(1))];
  }
  if (pads.some(([before, after]) => before < 0 || after < 0)) {
    throw unsupportedGradient(c.node, `pads of zero or more in mode ${mode}`, "negative pads");
  }
  return [pads.reduce((gradient, amounts, axis) => foldMargins(c, gradient, axis, shape[axis], amounts, mode), dy)];
}

function foldMargins(
  c: GradientContext,
  gradient: string,
  axis: number,
  size: number,
  [before, after]: readonly [number, number],
  mode: string,
): string {
  const b = c.builder;
  const part = (from: number, to: number): string => slice(b, gradient, [axis], [from], [to]);
  const placed = (margin: string, at: number): string => {
    const none = b.shape(margin).map(() => 0);
    return padZeros(b, margin, none.with(axis, at), none.with(axis, size - at - b.shape(margin)[axis]));
  };
  const [low, high] = [(): string => part(0, before), (): string => part(before + size, before + size + after)];
  const margins = ((): string[] => {
    switch (mode) {
      case "reflect":
        return [
          ...(before > 0 ? [placed(reverse(b, low(), axis), 1)] : []),
          ...(after > 0 ? [placed(reverse(b, high(), axis), size - 1 - after)] : []),
        ];
      case "edge":
        return [
          ...(before > 0 ? [placed(reduce(b, "ReduceSum", low(), [axis]), 0)] : []),
          ...(after > 0 ? [placed(reduce(b, "ReduceSum", high(), [axis]), size - 1)] : []),
        ];
      case "wrap":
        return [...(before > 0 ? [placed(low(), size - before)] : []), ...(after > 0 ? [placed(high(), 0)] : [])];
    }
    throw unsupportedGradient(c.node, "mode constant, reflect, edge or wrap", mode);
  })();
  if (margins.length === 0) return gradient;
  return margins.reduce((sum, margin) => b.emit("Add", [sum, margin]), part(before, before + size));
}

/** The copies along each axis are an axis of their own, and are summed. */
export function tile(c: GradientContext): readonly string[] {
  const b = c.builder;
  const shape = b.shape(c.node.inputs[0]);
  const repeats = b.shape(c.node.outputs[0]).map((size, axis) => size / shape[axis]);
  const copies = reshape(
    b,
    onlyGradient(c),
    shape.flatMap((size, axis) => [repeats[axis], size]),
  );
  const axes = shape.map((_, axis) => 2 * axis).filter((_, axis) => repeats[axis] > 1);
  return [reshape(b, axes.length === 0 ? copies : reduce(b, "ReduceSum", copies, axes), shape)];
}

/** Depth is [r, s, C] or, in mode CRD, [C, r, s] for the r-th row and s-th column of each block. */
export function depthToSpace(c: GradientContext): readonly string[] {
  const b = c.builder;
  const shape = b.shape(c.node.inputs[0]);
  const block = intAttribute(c.node, "blocksize", 1);
  const columns = stringAttribute(c.node, "mode", "DCR") === "CRD" ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4];
  const blocks = [shape[0], shape[1] / block ** 2, shape[2], block, shape[3], block];
  return [reshape(b, transpose(b, reshape(b, onlyGradient(c), blocks), columns), shape)];
}

export function spaceToDepth(c: GradientContext): readonly string[] {
  const b = c.builder;
  const [batch, channels, height, width] = b.shape(c.node.inputs[0]);
  const block = intAttribute(c.node, "blocksize", 1);
  const split = [batch, block, block, channels, height / block, width / block];
  const moved = transpose(b, reshape(b, onlyGradient(c), split), [0, 3, 4, 1, 5, 2]);
  return [reshape(b, moved, [batch, channels, height, width])];
}

/** Gradients of what only changed its shape. */
export function toInputShape(c: GradientContext): readonly string[] {
  const shape = c.builder.shape(c.node.inputs[0]);
  const gradient = onlyGradient(c);
  return [elementCount(shape) === 0 ? zeros(c.builder, shape) : reshape(c.builder, gradient, shape)];
}
