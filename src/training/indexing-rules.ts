/**
 * Gradients of operators that pick elements by index (ONNX Gather 13, GatherElements 13, GatherND 13,
 * ScatterElements 16, ScatterND 16, Trilu 14). The gradient of a pick is a sum of what came from each place, for which
 * ScatterElements with `reduction: add` is taken: ONNX Runtime runs it in one thread, so that equal indices are added
 * in one order, which its ScatterND does not promise.
 */
import {
  attr,
  axisOf,
  elementCount,
  type GraphBuilder,
  int64Tensor,
  intAttribute,
  stringAttribute,
} from "../graph/index.ts";
import {
  type GradientContext,
  onlyGradient,
  padZeros,
  reshape,
  unsupportedGradient,
  zeros,
} from "./gradient-context.ts";

/**
 * Zeros of a shape with values summed in at their indices along an axis.
 * Operator set 16 brought scattering with a sum; training steps are built for at least that.
 */
export function scatterSum(
  c: GradientContext,
  shape: readonly number[],
  indices: string,
  values: string,
  axis: number,
): string {
  const b = c.builder;
  if (b.opset < 16) throw unsupportedGradient(c.node, "operator set 16 or newer", `operator set ${b.opset}`);
  return b.emit("ScatterElements", [zeros(b, shape), indices, values], {
    axis: attr.int(axis),
    reduction: attr.string("add"),
  });
}

export function gather(c: GradientContext): readonly string[] {
  const b = c.builder;
  const [x, indices] = c.node.inputs;
  const shape = b.shape(x);
  const axis = axisOf(c.node, intAttribute(c.node, "axis", 0), shape.length);
  const count = elementCount(b.shape(indices));
  const rows = reshape(b, onlyGradient(c), shape.with(axis, count));
  const first = consecutiveFrom(c, indices, shape[axis]);
  if (first !== undefined) {
    const begin = shape.map((_, i) => (i === axis ? first : 0));
    const end = shape.map((size, i) => (i === axis ? size - first - count : 0));
    return [padZeros(b, rows, begin, end)];
  }
  const column = reshape(
    b,
    indices,
    shape.map((_, i) => (i === axis ? count : 1)),
  );
  const everywhere = b.emit("Expand", [column, b.ints(shape.with(axis, count))]);
  return [scatterSum(c, shape, everywhere, rows, axis)];
}

/** The first of indices that are known and follow each other, as where one of q, k and v is picked. */
function consecutiveFrom(c: GradientContext, indices: string, size: number): number | undefined {
  const value = c.builder.fact(indices).value;
  if (value === undefined || value.data.length === 0) return undefined;
  const picked = Array.from(value.data as Iterable<number | bigint>, (v) =>
    Number(v) < 0 ? Number(v) + size : Number(v),
  );
  return picked.every((v, i) => v === picked[0] + i) ? picked[0] : undefined;
}

export function gatherElements(c: GradientContext): readonly string[] {
  const shape = c.builder.shape(c.node.inputs[0]);
  const axis = axisOf(c.node, intAttribute(c.node, "axis", 0), shape.length);
  return [scatterSum(c, shape, c.node.inputs[1], onlyGradient(c), axis)];
}

/** Index tuples become numbers of rows: the leading axes of x are one axis of rows, and the gradient is summed by row. */
export function gatherND(c: GradientContext): readonly string[] {
  const b = c.builder;
  const [x, indices] = c.node.inputs;
  const shape = b.shape(x);
  const tuples = b.shape(indices);
  const batchDims = intAttribute(c.node, "batch_dims", 0);
  const width = tuples[tuples.length - 1];
  const named = batchDims + width;
  const sizes = shape.slice(batchDims, named);
  const rows = elementCount(shape.slice(0, named));
  const inner = elementCount(shape.slice(named));
  const count = elementCount(tuples.slice(0, -1));
  const wrapped = nonNegative(b, reshape(b, indices, [count, width]), sizes);
  const strides = sizes.map((_, i) => elementCount(sizes.slice(i + 1)));
  const weighted = b.emit("Mul", [wrapped, b.ints(strides)]);
  const within = b.emit("ReduceSum", [weighted, b.ints([1])], { keepdims: attr.int(1) });
  const perBatch = elementCount(tuples.slice(batchDims, -1));
  const offsets = Array.from({ length: count }, (_, i) => Math.floor(i / perBatch) * elementCount(sizes));
  const numbers = batchDims === 0 ? within : b.emit("Add", [within, b.constant(int64Tensor([count, 1], offsets))]);
  const everywhere = b.emit("Expand", [numbers, b.ints([count, inner])]);
  const gradient = reshape(b, onlyGradient(c), [count, inner]);
  return [reshape(b, scatterSum(c, [rows, inner], everywhere, gradient, 0), shape)];
}

function nonNegative(b: GraphBuilder, indices: string, sizes: readonly number[]): string {
  const isNegative = b.emit("Less", [indices, b.ints([0])]);
  return b.emit("Where", [isNegative, b.emit("Add", [indices, b.ints(sizes)]), indices]);
}

/** What was replaced passes no gradient on; what was put in its place gets it. With a sum both get all of it. */
export function scatterND(c: GradientContext): readonly (string | undefined)[] {
  const b = c.builder;
  const [, indices, updates] = c.node.inputs;
  const sums = isSum(c);
  const dy = onlyGradient(c);
  const replaced = (): string => b.emit("ScatterND", [dy, indices, zeros(b, b.shape(updates))]);
  return [
    c.needs(0) ? (sums ? dy : replaced()) : undefined,
    undefined,
    c.needs(2) ? b.emit("GatherND", [dy, indices]) : undefined,
  ];
}

export function scatterElements(c: GradientContext): readonly (string | undefined)[] {
  const b = c.builder;
  const [, indices, updates] = c.node.inputs;
  const sums = isSum(c);
  const dy = onlyGradient(c);
  const axis = { axis: attr.int(intAttribute(c.node, "axis", 0)) };
  const replaced = (): string => b.emit("ScatterElements", [dy, indices, zeros(b, b.shape(updates))], axis);
  return [
    c.needs(0) ? (sums ? dy : replaced()) : undefined,
    undefined,
    c.needs(2) ? b.emit("GatherElements", [dy, indices], axis) : undefined,
  ];
}

function isSum(c: GradientContext): boolean {
  const reduction = stringAttribute(c.node, "reduction", "none");
  if (reduction !== "none" && reduction !== "add")
    throw unsupportedGradient(c.node, "reduction none or add", `reduction ${reduction}`);
  return reduction === "add";
}

/** The same triangle of the gradient. */
export function trilu(c: GradientContext): readonly string[] {
  const inputs = [onlyGradient(c), ...c.node.inputs.slice(1)];
  return [c.builder.emit("Trilu", inputs, c.node.attributes)];
}
