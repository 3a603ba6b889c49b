/**
 * The linear map that Resize applies along one axis (ONNX Resize, opset 11 to 19), as the matrix of its transpose:
 * row i holds the share of input i in every output. Positions beyond the border take the border's value.
 */
import { floatAttribute, type GraphNode, intAttribute, stringAttribute } from "../graph/index.ts";
import { unsupportedGradient } from "./gradient-context.ts";

/** [size, outputSize], row-major. @throws ConsiliumError `gradient-unsupported` for cropping. */
export function resizeMatrix(node: GraphNode, size: number, outputSize: number, scale: number): Float32Array {
  const matrix = new Float32Array(size * outputSize);
  const clamp = (i: number): number => Math.min(Math.max(i, 0), size - 1);
  for (let o = 0; o < outputSize; o++) {
    const x = sourceCoordinate(node, o, size, outputSize, scale);
    for (const [position, share] of sharesAt(node, x, size)) matrix[clamp(position) * outputSize + o] += share;
  }
  return matrix;
}

/** Positions that the value at x is made of, with their shares. */
function sharesAt(node: GraphNode, x: number, size: number): readonly (readonly [number, number])[] {
  const mode = stringAttribute(node, "mode", "nearest");
  const low = Math.floor(x);
  const t = x - low;
  switch (mode) {
    case "nearest":
      return [[nearest(node, x), 1]];
    case "linear":
      return [
        [low, 1 - t],
        [low + 1, t],
      ];
    case "cubic": {
      const a = floatAttribute(node, "cubic_coeff_a", -0.75);
      const taps = [-1, 0, 1, 2].map((i): [number, number] => [low + i, cubicShare(Math.abs(t - i), a)]);
      if (intAttribute(node, "exclude_outside", 0) === 0) return taps;
      const inside = taps.filter(([position]) => position >= 0 && position < size);
      const total = inside.reduce((sum, [, share]) => sum + share, 0);
      return inside.map(([position, share]) => [position, share / total]);
    }
  }
  throw unsupportedGradient(node, "mode nearest, linear or cubic", mode);
}

/** The convolution kernel of Keys 1981 at a distance d below 2. */
function cubicShare(d: number, a: number): number {
  if (d <= 1) return (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1;
  return a * d ** 3 - 5 * a * d ** 2 + 8 * a * d - 4 * a;
}

function sourceCoordinate(node: GraphNode, o: number, size: number, outputSize: number, scale: number): number {
  const mode = stringAttribute(node, "coordinate_transformation_mode", "half_pixel");
  switch (mode) {
    case "half_pixel":
      return (o + 0.5) / scale - 0.5;
    case "half_pixel_symmetric": {
      // the output that the scale asks for may be a fraction longer than the one there is: the rest is halved
      const adjustment = outputSize / (scale * size);
      return (size / 2) * (1 - adjustment) + (o + 0.5) / scale - 0.5;
    }
    case "pytorch_half_pixel":
      return outputSize > 1 ? (o + 0.5) / scale - 0.5 : 0;
    case "asymmetric":
      return o / scale;
    case "align_corners":
      return outputSize > 1 ? (o * (size - 1)) / (outputSize - 1) : 0;
  }
  const known = "half_pixel, half_pixel_symmetric, pytorch_half_pixel, asymmetric or align_corners";
  throw unsupportedGradient(node, `coordinate mode ${known}`, mode);
}

function nearest(node: GraphNode, x: number): number {
  const mode = stringAttribute(node, "nearest_mode", "round_prefer_floor");
  switch (mode) {
    case "floor":
      return Math.floor(x);
    case "ceil":
      return Math.ceil(x);
    case "round_prefer_ceil":
      return Math.floor(x + 0.5);
    default:
      return Math.ceil(x - 0.5);
  }
}
