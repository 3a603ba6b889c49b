/**
 * Gradients of convolutions, lowered to inference operators in the way that suits each shape: a table of lowerings
 * (lowering-table.ts) chooses among those that fit.
 *
 * With y[o, v] = sum over i, t of w[o, i, t] x[i, s v + d t - p] (stride s, dilation d, pad p), by x:
 *   flippedKernel, stride 1: a convolution of dy with the kernel flipped and its channel axes swapped, at forward speed;
 *   phases, no dilation:     one convolution for all s^3 phases of the input grid, then the phases interleaved;
 *   transposedConvolution:   ONNX's own, which fits everything and is many times slower.
 * By w, without groups (groups are taken one by one):
 *   rowsOfDy, rowsOfDyByTap, planesOfDy, 3D and stride 1: shifted copies of x and of dy, and one product or one for each
 *                       tap (row-weight-gradient.ts);
 *   columns:            a product of dy with the windows of x as columns (column-weight-gradient.ts), which fits everything;
 *   swappedConvolution: one convolution with batch and channels swapped and dy as its kernel.
 */
import { attr, elementCount, type GraphBuilder } from "../graph/index.ts";
import { columnWeightGradient } from "./column-weight-gradient.ts";
import type { ConvolutionShape } from "./convolution-shape.ts";
import { concat, padZeros, reshape, slice, spatialAxes, transpose } from "./gradient-context.ts";
import type { InputLowering, Lowerings, WeightLowering } from "./lowering-table.ts";
import { planesWeightGradient, rowsWeightGradient, tapsWeightGradient } from "./row-weight-gradient.ts";

interface Lowering {
  readonly fits: (shape: ConvolutionShape) => boolean;
  /** From dy and the other operand: w for the gradient by x, x for the gradient by w. */
  readonly build: (b: GraphBuilder, dy: string, other: string, shape: ConvolutionShape) => string;
}

const all = (values: readonly number[], value: number): boolean => values.every((v) => v === value);

const INPUT: Readonly<Record<InputLowering, Lowering>> = {
  flippedKernel: {
    fits: ({ window }) => {
      const reach = reachOf(window);
      const padFits = [window.padsBegin, window.padsEnd].every((pads) => pads.every((p, i) => p <= reach[i]));
      return all(window.strides, 1) && padFits;
    },
    build: flippedInputGradient,
  },
  phases: { fits: ({ group, window }) => group === 1 && all(window.dilations, 1), build: phaseInputGradient },
  transposedConvolution: { fits: () => true, build: transposedInputGradient },
};

const isOfRows = ({ window: { kernel, strides, dilations } }: ConvolutionShape): boolean =>
  kernel.length === 3 && all(strides, 1) && all(dilations, 1) && elementCount(kernel) > 1;

const WEIGHT: Readonly<Record<WeightLowering, Lowering>> = {
  rowsOfDy: { fits: isOfRows, build: (b, dy, x, shape) => rowsWeightGradient(b, x, dy, shape) },
  rowsOfDyByTap: { fits: isOfRows, build: (b, dy, x, shape) => tapsWeightGradient(b, x, dy, shape) },
  planesOfDy: { fits: isOfRows, build: (b, dy, x, shape) => planesWeightGradient(b, x, dy, shape) },
  columns: { fits: () => true, build: (b, dy, x, shape) => columnWeightGradient(b, x, dy, shape) },
  swappedConvolution: { fits: () => true, build: swappedWeightGradient },
};

/** The gradient by the convolution's input, [N, C, ...]. */
export function convInputGradient(
  b: GraphBuilder,
  dy: string,
  w: string,
  shape: ConvolutionShape,
  lowerings: Lowerings,
): string {
  const fitting = (Object.keys(INPUT) as InputLowering[]).filter((name) => INPUT[name].fits(shape));
  return INPUT[lowerings.byInput(shape, fitting)].build(b, dy, w, shape);
}

/** The gradient by the convolution's weight, [O, C / group, ...]. */
export function convWeightGradient(
  b: GraphBuilder,
  x: string,
  dy: string,
  shape: ConvolutionShape,
  lowerings: Lowerings,
): string {
  const { group, weight, input, output } = shape;
  if (group > 1) {
    const parts = Array.from({ length: group }, (_, g) => {
      const part: ConvolutionShape = {
        ...shape,
        group: 1,
        weight: weight.with(0, weight[0] / group),
        input: input.with(1, input[1] / group),
        output: output.with(1, output[1] / group),
      };
      const channels = (value: string, size: number): string => slice(b, value, [1], [g * size], [(g + 1) * size]);
      return convWeightGradient(b, channels(x, part.input[1]), channels(dy, part.output[1]), part, lowerings);
    });
    return concat(b, parts, 0);
  }
  const fitting = (Object.keys(WEIGHT) as WeightLowering[]).filter((name) => WEIGHT[name].fits(shape));
  return WEIGHT[lowerings.byWeight(shape, fitting)].build(b, dy, x, shape);
}

function reachOf(window: ConvolutionShape["window"]): number[] {
  return window.kernel.map((k, i) => window.dilations[i] * (k - 1));
}

function flippedInputGradient(b: GraphBuilder, dy: string, w: string, shape: ConvolutionShape): string {
  const { window } = shape;
  const reach = reachOf(window);
  const flipped = flipKernel(b, w, shape);
  const pads = [...reach.map((r, i) => r - window.padsBegin[i]), ...reach.map((r, i) => r - window.padsEnd[i])];
  const dilations = attr.ints(window.dilations);
  return b.emit("Conv", [dy, flipped], { pads: attr.ints(pads), dilations, group: attr.int(shape.group) });
}

function transposedInputGradient(b: GraphBuilder, dy: string, w: string, shape: ConvolutionShape): string {
  const { window } = shape;
  const reach = reachOf(window);
  const outputPadding = shape.input.slice(2).map((size, i) => {
    const covered = (shape.output[i + 2] - 1) * window.strides[i] + reach[i] + 1;
    return size + window.padsBegin[i] + window.padsEnd[i] - covered;
  });
  return b.emit("ConvTranspose", [dy, w], {
    strides: attr.ints(window.strides),
    dilations: attr.ints(window.dilations),
    pads: attr.ints([...window.padsBegin, ...window.padsEnd]),
    output_padding: attr.ints(outputPadding),
    group: attr.int(shape.group),
  });
}

/**
 * dw[o, i, t] = sum over n, v of dy[n, o, v] x[n, i, s v + d t - p] is a convolution of x with dy as its kernel: channels
 * are its batch, cases its channels, and strides and dilations change places. What the last window did not reach is cut.
 */
function swappedWeightGradient(b: GraphBuilder, dy: string, x: string, { weight, window }: ConvolutionShape): string {
  const swap = [1, 0, ...spatialAxes(weight.length)];
  const taps = b.emit("Conv", [transpose(b, x, swap), transpose(b, dy, swap)], {
    strides: attr.ints(window.dilations),
    dilations: attr.ints(window.strides),
    pads: attr.ints([...window.padsBegin, ...window.padsEnd]),
  });
  const axes = spatialAxes(weight.length);
  const exact = axes.every((axis) => b.shape(taps)[axis] === weight[axis]);
  const starts = axes.map(() => 0);
  return transpose(b, exact ? taps : slice(b, taps, axes, starts, window.kernel), swap);
}

/** [O, C/g, k] to [C, O/g, k], reversed along every kernel axis. */
function flipKernel(b: GraphBuilder, w: string, { weight, group }: ConvolutionShape): string {
  const [outputs, inputs, ...kernel] = weight;
  const axes = spatialAxes(weight.length);
  const turned = axes.filter((axis) => weight[axis] > 1);
  const back = turned.map(() => -1);
  const far = turned.map(() => -(2 ** 31));
  const flipped = turned.length === 0 ? w : slice(b, w, turned, back, far, back);
  if (group === 1) return transpose(b, flipped, [1, 0, ...axes]);
  const grouped = reshape(b, flipped, [group, outputs / group, inputs, ...kernel]);
  const swapped = transpose(b, grouped, [0, 2, 1, ...axes.map((axis) => axis + 1)]);
  return reshape(b, swapped, [group * inputs, outputs / group, ...kernel]);
}

/**
 * Stride s without dilation or groups. Input index i belongs to phase a = (i + p) mod s and is reached by the taps
 * a, a + s, ...: dx[s q + a - p] = sum over m of w[a + s m] dy[q - m]. The taps of every phase, padded to the same
 * length, make one kernel with s^3 C outputs; the interleaving moves each phase axis behind its spatial axis.
 */
function phaseInputGradient(b: GraphBuilder, dy: string, w: string, shape: ConvolutionShape): string {
  const { window } = shape;
  const rank = window.kernel.length;
  const [outputs, channels] = shape.weight;
  const axes = spatialAxes(rank + 2);
  const taps = window.kernel.map((k, i) => Math.ceil(k / window.strides[i]));
  const padded = padZeros(
    b,
    w,
    [0, 0, ...taps.map(() => 0)],
    [0, 0, ...taps.map((t, i) => t * window.strides[i] - window.kernel[i])],
  );
  // [O, C, m0, a0, m1, a1, ...], taps reversed for a correlation, to [C, a0, a1, ..., O, m0, m1, ...]
  const split = reshape(b, padded, [outputs, channels, ...taps.flatMap((t, i) => [t, window.strides[i]])]);
  const tapAxes = taps.map((_, i) => 2 + 2 * i);
  const turned = tapAxes.filter((_, i) => taps[i] > 1);
  const reversed =
    turned.length === 0
      ? split
      : slice(
          b,
          split,
          turned,
          turned.map(() => -1),
          turned.map(() => -(2 ** 31)),
          turned.map(() => -1),
        );
  const ordered = transpose(b, reversed, [1, ...tapAxes.map((axis) => axis + 1), 0, ...tapAxes]);
  const phases = elementCount(window.strides);
  const kernel = reshape(b, ordered, [channels * phases, outputs, ...taps]);
  // q runs from 0 so far that s q + s - 1 - p reaches the input's last index
  const spatial = shape.input.slice(2);
  const counts = spatial.map((size, i) => Math.ceil((size + window.padsBegin[i]) / window.strides[i]));
  const begin = taps.map((t) => t - 1);
  const end = counts.map((count, i) => count - shape.output[i + 2]);
  const cut = end.some((n) => n < 0)
    ? slice(
        b,
        dy,
        axes,
        axes.map(() => 0),
        counts,
      )
    : dy;
  const pads = attr.ints([...begin, ...end.map((n) => Math.max(0, n))]);
  const blocks = b.emit("Conv", [cut, kernel], { pads });
  const whole = interleave(b, blocks, [shape.input[0], channels, ...counts], window.strides);
  const starts = window.padsBegin;
  const ends = spatial.map((size, i) => starts[i] + size);
  const exact = all(starts, 0) && counts.every((count, i) => count * window.strides[i] === spatial[i]);
  return exact ? whole : slice(b, whole, axes, starts, ends);
}

/**
 * [N, C * s0 * s1 * s2, q0, q1, q2] (channel slowest, last phase fastest) to [N, C, s0 q0, s1 q1, s2 q2].
 * The innermost phase axis is moved alone, so that the other moves copy whole rows.
 */
export function interleave(
  b: GraphBuilder,
  blocks: string,
  coarse: readonly number[],
  strides: readonly number[],
): string {
  const [batch, channels, ...counts] = coarse;
  const rank = counts.length;
  const outer = strides.slice(0, -1);
  const last = strides[rank - 1];
  const inner = counts[rank - 1];
  const volume = elementCount(counts);
  const rows = batch * channels * elementCount(outer);
  const lastMoved = last === 1 ? blocks : transpose(b, reshape(b, blocks, [rows, last, volume]), [0, 2, 1]);
  if (all(outer, 1)) return reshape(b, lastMoved, [batch, channels, ...counts.map((count, i) => count * strides[i])]);
  const split = reshape(b, lastMoved, [batch * channels, ...outer, ...counts.slice(0, -1), inner * last]);
  const perm = [0, ...outer.flatMap((_, i) => [1 + outer.length + i, 1 + i]), 1 + 2 * outer.length];
  return reshape(b, transpose(b, split, perm), [batch, channels, ...counts.map((count, i) => count * strides[i])]);
}
