/**
 * The gradient of a convolution by its weight, any stride and dilation, without groups: the windows of x as columns,
 * one product with dy for each case of the batch.
 *
 * Along the last axis the windows are cut by a strided Slice for each tap. Along the others they are whole rows of what
 * these slices gave: one Gather takes all of them, with a row of zeros for what lies outside.
 */
import { attr, elementCount, type GraphBuilder, tensorOf } from "../graph/index.ts";
import type { ConvolutionShape } from "./convolution-shape.ts";
import { concat, padZeros, reduce, reshape, slice, transpose } from "./gradient-context.ts";

/** @returns the gradient by the weight, [O, C, ...]. */
export function columnWeightGradient(b: GraphBuilder, x: string, dy: string, shape: ConvolutionShape): string {
  const { weight, output } = shape;
  const [batch, outputs, ...counts] = output;
  const channels = weight[1];
  const taps = elementCount(shape.window.kernel);
  const volume = elementCount(counts);
  const columns = reshape(b, windows(b, x, shape), [batch, channels * taps, volume]);
  const products = b.emit("MatMul", [reshape(b, dy, [batch, outputs, volume]), transpose(b, columns, [0, 2, 1])]);
  const summed = batch === 1 ? products : reduce(b, "ReduceSum", products, [0]);
  const last = weight[weight.length - 1];
  const split = reshape(b, summed, [outputs, last, channels, taps / last]);
  return reshape(b, transpose(b, split, [0, 2, 3, 1]), weight);
}

/** [N, k C, k ... k, q ... q]: taps of the last axis first, then channels, then the other axes' taps. */
function windows(b: GraphBuilder, x: string, { input, output, window }: ConvolutionShape): string {
  const { kernel, strides, dilations, padsBegin } = window;
  const [batch, channels, ...sides] = input;
  const counts = output.slice(2);
  const end = kernel.length - 1;
  const isPointwise =
    elementCount(kernel) === 1 && strides.every((s) => s === 1) && sides.every((side, i) => side === counts[i]);
  if (isPointwise && padsBegin.every((p) => p === 0)) return x;

  const rows = elementCount(sides.slice(0, end));
  const indices = rowIndices(kernel.slice(0, end), sides.slice(0, end), counts.slice(0, end), {
    strides,
    dilations,
    padsBegin,
  });
  const inOrder = indices.length === rows && indices.every((row, i) => row === i);
  const spare = indices.includes(rows) ? 1 : 0;
  const flat = reshape(b, x, [batch, channels, rows, sides[end]]);
  const reach = (counts[end] - 1) * strides[end] + 1;
  const shifts = Array.from({ length: kernel[end] }, (_, tap) => {
    const start = tap * dilations[end] - padsBegin[end];
    const cut = padZeros(b, flat, [0, 0, 0, -start], [0, 0, spare, start + reach - sides[end]]);
    return strides[end] === 1 ? cut : slice(b, cut, [3], [0], [reach], [strides[end]]);
  });
  const stacked = concat(b, shifts, 1);
  if (inOrder) return stacked;
  const taken = b.constant(tensorOf("int32", [indices.length], indices));
  return b.emit("Gather", [stacked, taken], { axis: attr.int(2) });
}

/** For each tap and each output row the input row it meets; one past the last for what lies outside. */
function rowIndices(
  kernel: readonly number[],
  sides: readonly number[],
  counts: readonly number[],
  { strides, dilations, padsBegin }: Pick<ConvolutionShape["window"], "strides" | "dilations" | "padsBegin">,
): number[] {
  const outside = elementCount(sides);
  return indexTuples(kernel).flatMap((tap) =>
    indexTuples(counts).map((at) => {
      const from = at.map((q, i) => q * strides[i] + tap[i] * dilations[i] - padsBegin[i]);
      if (from.some((index, i) => index < 0 || index >= sides[i])) return outside;
      return from.reduce((row, index, i) => row * sides[i] + index, 0);
    }),
  );
}

function indexTuples(sizes: readonly number[]): number[][] {
  return sizes.reduce<number[][]>(
    (all, size) => all.flatMap((tuple) => Array.from({ length: size }, (_, i) => [...tuple, i])),
    [[]],
  );
}
