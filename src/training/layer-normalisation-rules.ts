/**
 * Gradients of LayerNormalization (ONNX 17) and GroupNormalization (ONNX 18 and 21).
 *
 * With xh = (x - m) r, r = 1 / sqrt(var + eps) over each group of values and g the gradient by xh:
 * dx = r (g - mean(g) - xh mean(g xh)) (Ba et al. 2016, Wu and He 2018).
 */
import { axisOf, elementCount, floatAttribute, type GraphBuilder, intAttribute } from "../graph/index.ts";
import {
  type GradientContext,
  onlyGradient,
  reduce,
  reshape,
  spatialAxes,
  sumToShape,
  unsupportedGradient,
  withScalar,
} from "./gradient-context.ts";

interface Standardised {
  /** (x - m) r, of x's shape. */
  readonly normal: string;
  /** r, with the axes kept as 1. */
  readonly root: string;
}

function standardise(b: GraphBuilder, x: string, axes: readonly number[], epsilon: number): Standardised {
  const centred = b.emit("Sub", [x, reduce(b, "ReduceMean", x, axes)]);
  const variance = reduce(b, "ReduceMean", b.emit("Mul", [centred, centred]), axes);
  const root = b.emit("Reciprocal", [b.emit("Sqrt", [withScalar(b, "Add", variance, epsilon)])]);
  return { normal: b.emit("Mul", [centred, root]), root };
}

function throughStatistics(
  b: GraphBuilder,
  byNormal: string,
  { normal, root }: Standardised,
  axes: readonly number[],
): string {
  const mean = reduce(b, "ReduceMean", byNormal, axes);
  const slope = reduce(b, "ReduceMean", b.emit("Mul", [byNormal, normal]), axes);
  const rest = b.emit("Sub", [b.emit("Sub", [byNormal, mean]), b.emit("Mul", [normal, slope])]);
  return b.emit("Mul", [rest, root]);
}

export function layerNormalization(c: GradientContext): readonly (string | undefined)[] {
  const b = c.builder;
  const [x, scale, bias] = c.node.inputs;
  if (c.outputGradients.slice(1).some((gradient) => gradient !== undefined)) {
    throw unsupportedGradient(c.node, "a loss that depends on the normalised values", "one that depends on statistics");
  }
  const dy = onlyGradient(c);
  const shape = b.shape(x);
  const first = axisOf(c.node, intAttribute(c.node, "axis", -1), shape.length);
  const axes = shape.flatMap((_, axis) => (axis >= first ? [axis] : []));
  const standardised = standardise(b, x, axes, floatAttribute(c.node, "epsilon", 1e-5));
  const byInput = (): string => throughStatistics(b, b.emit("Mul", [dy, scale]), standardised, axes);
  return [
    c.needs(0) ? byInput() : undefined,
    c.needs(1) ? sumToShape(b, b.emit("Mul", [dy, standardised.normal]), b.shape(scale)) : undefined,
    c.needs(2) ? sumToShape(b, dy, b.shape(bias)) : undefined,
  ];
}

/** Scale and bias are one for each channel, or one for each group before operator set 21. */
export function groupNormalization(c: GradientContext): readonly (string | undefined)[] {
  const b = c.builder;
  const [x, scale, bias] = c.node.inputs;
  const dy = onlyGradient(c);
  const shape = b.shape(x);
  const groups = intAttribute(c.node, "num_groups", 1);
  const spatial = spatialAxes(shape.length);
  const grouped = [shape[0], groups, shape[1] / groups, elementCount(shape.slice(2))];
  const parameterShape = b.shape(scale)[0] === groups ? [1, groups, 1, 1] : [1, groups, shape[1] / groups, 1];
  const axes = [2, 3];
  const slope = reshape(b, dy, grouped);
  const standardised = standardise(b, reshape(b, x, grouped), axes, floatAttribute(c.node, "epsilon", 1e-5));
  const byInput = (): string => {
    const byNormal = b.emit("Mul", [slope, reshape(b, scale, parameterShape)]);
    return reshape(b, throughStatistics(b, byNormal, standardised, axes), [
      ...shape.slice(0, 2),
      ...spatial.map((axis) => shape[axis]),
    ]);
  };
  const toParameter = (value: string, name: string): string =>
    reshape(b, sumToShape(b, value, parameterShape), b.shape(name));
  return [
    c.needs(0) ? byInput() : undefined,
    c.needs(1) ? toParameter(b.emit("Mul", [slope, standardised.normal]), scale) : undefined,
    c.needs(2) ? toParameter(slope, bias) : undefined,
  ];
}
