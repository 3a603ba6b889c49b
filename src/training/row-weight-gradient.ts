/**
 * The gradient of a 3D convolution by its weight, stride 1, without dilation or groups:
 *   dw[o, i, a, b, c] = sum over n, z, y, v of dy[n, o, z - a + p0, y - b + p1, v] x[n, i, z, y, v + c - p2].
 *
 * It is one product of copies that are shifted against each other. Which operand is shifted along depth and height is
 * free; along width it is x, since only its rows reach beyond the volume. Shifts along depth and height copy whole rows
 * or planes: one Gather with a row of zeros for what lies outside. Two ways of sharing them out, by what they copy
 * (docs/adr/0002):
 *   dy by depth and height: 2 kw C + (1 + kd kh) O channels;
 *   dy by depth, x by height: (2 kw + kw kh) C + (1 + kd) O channels, where x has few channels.
 * With a product for each tap along width and slab of planes, which are summed, the first holds no more than 2 C + O
 * channels and `SLAB_BYTES` at a time; many channels of x make each product large enough by itself.
 */
import { attr, elementCount, type GraphBuilder, tensorOf } from "../graph/index.ts";
import type { ConvolutionShape } from "./convolution-shape.ts";
import { concat, padZeros, reduce, reshape, transpose } from "./gradient-context.ts";

/** dy shifted along depth and height, x along width. @returns the gradient by the weight, [O, C, kd, kh, kw]. */
export function rowsWeightGradient(b: GraphBuilder, x: string, dy: string, shape: ConvolutionShape): string {
  const columns = shiftedAlongWidth(b, x, shape, 0);
  return ofRows(b, product(b, rowsOf(b, withZeroRow(b, dy, shape), shape, 0, shape.input[2]), columns), shape);
}

/** Of dy's shifted copies that are held at once. */
const SLAB_BYTES = 2 ** 26;

/**
 * The same, with a product for each tap and slab. The taps of a slab are put together before slabs are added, for ONNX
 * Runtime works out the newest inputs of a node first, and shall be done with a slab before it begins another.
 * @returns the gradient by the weight, [O, C, kd, kh, kw].
 */
export function tapsWeightGradient(b: GraphBuilder, x: string, dy: string, shape: ConvolutionShape): string {
  const { input, output, window } = shape;
  const [batch, channels, depth, height, width] = input;
  const [, outputs, , , ow] = output;
  const [kd, kh, kw] = window.kernel;
  const pw = window.padsBegin[2];
  const slabs = Math.min(depth, Math.ceil((4 * batch * outputs * kd * kh * depth * height * ow) / SLAB_BYTES));
  const padded = withZeroRow(b, dy, shape);
  const planes = reshape(b, x, [batch, channels, depth * height, width]);
  const parts = Array.from({ length: slabs }, (_, slab) => {
    const [from, to] = [slab, slab + 1].map((i) => Math.floor((i * depth) / slabs));
    const rows = rowsOf(b, padded, shape, from, to);
    const taps = Array.from({ length: kw }, (_, c) => {
      const end = [0, 0, (to - depth) * height, c - pw + ow - width];
      return product(b, rows, padZeros(b, planes, [0, 0, -from * height, pw - c], end));
    });
    return concat(b, taps, 1);
  });
  return ofRows(
    b,
    parts.reduce((sum, part) => b.emit("Add", [sum, part])),
    shape,
  );
}

/** From [O kd kh, kw C]. */
function ofRows(b: GraphBuilder, products: string, { input, weight, window }: ConvolutionShape): string {
  const split = reshape(b, products, [weight[0], ...window.kernel, input[1]]);
  return reshape(b, transpose(b, split, [0, 4, 1, 2, 3]), weight);
}

/** dy's rows, and one of zeros: [N, O, D H + 1, ow]. */
function withZeroRow(b: GraphBuilder, dy: string, { output }: ConvolutionShape): string {
  const [batch, outputs, od, oh, ow] = output;
  return padZeros(b, reshape(b, dy, [batch, outputs, od * oh, ow]), [0, 0, 0, 0], [0, 0, 1, 0]);
}

/** Rows as each tap along depth and height meets them, for planes of x: [N, O kd kh, planes H, ow]. */
function rowsOf(b: GraphBuilder, padded: string, shape: ConvolutionShape, from: number, to: number): string {
  const [batch, outputs, , ow] = b.shape(padded);
  const [kd, kh] = shape.window.kernel;
  const taken = take(b, padded, rowIndices(shape, from, to));
  return reshape(b, taken, [batch, outputs * kd * kh, (to - from) * shape.input[3], ow]);
}

/** Which row of dy's planes each tap along depth and height meets, for planes of x; the row of zeros for none. */
function rowIndices({ input, output, window }: ConvolutionShape, from: number, to: number): number[] {
  const [od, oh] = output.slice(2);
  const [kd, kh] = window.kernel;
  const [pd, ph] = window.padsBegin;
  const at = (z: number, y: number): number => (z < 0 || z >= od || y < 0 || y >= oh ? od * oh : z * oh + y);
  const rows: number[] = [];
  for (let a = 0; a < kd; a++) {
    for (let t = 0; t < kh; t++) {
      for (let z = from; z < to; z++) for (let y = 0; y < input[3]; y++) rows.push(at(z - a + pd, y - t + ph));
    }
  }
  return rows;
}

/** dy shifted along depth, x along height and width. @returns the gradient by the weight, [O, C, kd, kh, kw]. */
export function planesWeightGradient(
  b: GraphBuilder,
  x: string,
  dy: string,
  { input, weight, output, window }: ConvolutionShape,
): string {
  const [batch, channels, depth, height] = input;
  const [outputs] = weight;
  const [kd, kh, kw] = window.kernel;
  const [, , od, oh, ow] = output;
  const [pd, ph] = window.padsBegin;
  const shifted = shiftedAlongWidth(b, x, { input, weight, output, window, group: 1 }, 1);
  const rows: number[] = [];
  for (let t = 0; t < kh; t++) {
    for (let z = 0; z < depth; z++) {
      for (let y = 0; y < oh; y++) {
        const from = y + t - ph;
        rows.push(from < 0 || from >= height ? depth * height : z * height + from);
      }
    }
  }
  const columns = take(b, shifted, rows);
  const planes: number[] = [];
  for (let a = 0; a < kd; a++) {
    for (let z = 0; z < depth; z++) {
      const from = z - a + pd;
      planes.push(from < 0 || from >= od ? od : from);
    }
  }
  const taken = takeOrZero(b, reshape(b, dy, [batch, outputs, od, oh * ow]), planes);
  const products = product(
    b,
    reshape(b, taken, [batch, outputs * kd, depth * oh, ow]),
    reshape(b, columns, [batch, kw * channels * kh, depth * oh, ow]),
  );
  const split = reshape(b, products, [outputs, kd, kw, channels, kh]);
  return reshape(b, transpose(b, split, [0, 3, 1, 4, 2]), weight);
}

/**
 * x as it meets each tap along width, [N, kw C, D H + spare, ow]; one Pad a tap, which also cuts where it is negative.
 * @param spare rows of zeros at the end.
 */
function shiftedAlongWidth(
  b: GraphBuilder,
  x: string,
  { input, output, window }: ConvolutionShape,
  spare: number,
): string {
  const [batch, channels, depth, height, width] = input;
  const [, , kw] = window.kernel;
  const [, , pw] = window.padsBegin;
  const ow = output[4];
  const rows = reshape(b, x, [batch, channels, depth * height, width]);
  const shifts = Array.from({ length: kw }, (_, c) =>
    padZeros(b, rows, [0, 0, 0, pw - c], [0, 0, spare, c - pw + ow - width]),
  );
  return concat(b, shifts, 1);
}

/** Along the third axis, where one index past the end takes zeros. */
function takeOrZero(b: GraphBuilder, value: string, indices: readonly number[]): string {
  return take(b, padZeros(b, value, [0, 0, 0, 0], [0, 0, 1, 0]), indices);
}

function take(b: GraphBuilder, value: string, indices: readonly number[]): string {
  return b.emit("Gather", [value, b.constant(tensorOf("int32", [indices.length], indices))], { axis: attr.int(2) });
}

/** [N, R, ...] times [N, K, ...] transposed, summed over batch and voxels: [R, K]. */
function product(b: GraphBuilder, rows: string, columns: string): string {
  const flat = (value: string): string => {
    const [batch, count, ...voxels] = b.shape(value);
    return reshape(b, value, [batch, count, elementCount(voxels)]);
  };
  const products = b.emit("MatMul", [flat(rows), transpose(b, flat(columns), [0, 2, 1])]);
  const [batch, ...matrix] = b.shape(products);
  const summed = batch === 1 ? products : reduce(b, "ReduceSum", products, [0]);
  return reshape(b, summed, matrix);
}
