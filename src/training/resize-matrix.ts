/**
 * The linear map that Resize applies along one axis (ONNX Resize, opset 11 to 19), as the matrix of its transpose:
 * row i holds the share of input i in every output.
 */
import { type GraphNode, stringAttribute } from "../graph/index.ts";
import { unsupportedGradient } from "./gradient-context.ts";

/** [size, outputSize], row-major. @throws ConsiliumError `gradient-unsupported` for cubic and cropping modes. */
export function resizeMatrix(node: GraphNode, size: number, outputSize: number, scale: number): Float32Array {
  const mode = stringAttribute(node, "mode", "nearest");
  if (mode !== "nearest" && mode !== "linear") throw unsupportedGradient(node, "mode nearest or linear", mode);
  const matrix = new Float32Array(size * outputSize);
  const clamp = (i: number): number => Math.min(Math.max(i, 0), size - 1);
  for (let o = 0; o < outputSize; o++) {
    const x = sourceCoordinate(node, o, size, outputSize, scale);
    if (mode === "nearest") {
      matrix[clamp(nearest(node, x)) * outputSize + o] += 1;
    } else {
      const low = Math.floor(x);
      matrix[clamp(low) * outputSize + o] += 1 - (x - low);
      matrix[clamp(low + 1) * outputSize + o] += x - low;
    }
  }
  return matrix;
}

function sourceCoordinate(node: GraphNode, o: number, size: number, outputSize: number, scale: number): number {
  const mode = stringAttribute(node, "coordinate_transformation_mode", "half_pixel");
  switch (mode) {
    case "half_pixel":
      return (o + 0.5) / scale - 0.5;
    case "pytorch_half_pixel":
      return outputSize > 1 ? (o + 0.5) / scale - 0.5 : 0;
    case "asymmetric":
      return o / scale;
    case "align_corners":
      return outputSize > 1 ? (o * (size - 1)) / (outputSize - 1) : 0;
  }
  throw unsupportedGradient(node, "coordinate mode half_pixel, pytorch_half_pixel, asymmetric or align_corners", mode);
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
