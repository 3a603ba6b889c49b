/**
 * The gradient of a 3D convolution by its weight, stride 1, without dilation or groups:
 *   dw[o, i, a, b, c] = sum over n, z, y, v of dy[n, o, z - a + p0, y - b + p1, v] x[n, i, z, y, v + c - p2].
 *
 * It is one product of copies that are shifted against each other. Which operand is shifted along depth and height is
 * free; along width it is x, since only its rows reach beyond the volume. Shifts along depth and height copy whole rows
 * or planes: one Gather with a row of zeros for what lies outside. Two ways of sharing them out, by what they copy
 * (docs/adr/0002):
 *   dy by depth and height: 2 kw C + (1 + kd kh) O channels, for most layers;
 *   dy by depth, x by height: (2 kw + kw kh) C + (1 + kd) O channels, where x has few channels.
 */
import { attr, type GraphBuilder, tensorOf } from "../graph/index.ts";
import type { ConvolutionShape } from "./convolution-shape.ts";
import { concat, padZeros, reduce, reshape, transpose } from "./gradient-context.ts";

/** dy shifted along depth and height, x along width. @returns the gradient by the weight, [O, C, kd, kh, kw]. */
export function rowsWeightGradient(
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
  const columns = shiftedAlongWidth(b, x, { input, weight, output, window, group: 1 }, 0);
  const at = (z: number, y: number): number => (z < 0 || z >= od || y < 0 || y >= oh ? od * oh : z * oh + y);
  const rows: number[] = [];
  for (let a = 0; a < kd; a++) {
    for (let t = 0; t < kh; t++) {
      for (let z = 0; z < depth; z++) {
        for (let y = 0; y < height; y++) rows.push(at(z - a + pd, y - t + ph));
      }
    }
  }
  const taken = takeOrZero(b, reshape(b, dy, [batch, outputs, od * oh, ow]), rows);
  const products = product(
    b,
    reshape(b, taken, [batch, outputs * kd * kh, depth * height * ow]),
    reshape(b, columns, [batch, kw * channels, depth * height * ow]),
  );
  const split = reshape(b, products, [outputs, kd, kh, kw, channels]);
  return reshape(b, transpose(b, split, [0, 4, 1, 2, 3]), weight);
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
    reshape(b, taken, [batch, outputs * kd, depth * oh * ow]),
    reshape(b, columns, [batch, kw * channels * kh, depth * oh * ow]),
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

/** [N, R, V] times [N, K, V] transposed, summed over the batch: [R, K]. */
function product(b: GraphBuilder, rows: string, columns: string): string {
  const products = b.emit("MatMul", [rows, transpose(b, columns, [0, 2, 1])]);
  const [batch, ...matrix] = b.shape(products);
  const summed = batch === 1 ? products : reduce(b, "ReduceSum", products, [0]);
  return reshape(b, summed, matrix);
}
