/** Gradients of normalisations over voxels and of softmax. */
import { axisOf, floatAttribute, type GraphBuilder, intAttribute } from "../graph/index.ts";
import {
  type GradientContext,
  onlyGradient,
  reduce,
  reshape,
  spatialAxes,
  spatialSize,
  unsupportedGradient,
  voxelSum,
  withScalar,
} from "./gradient-context.ts";

/**
 * y = g (x - m) r + b with m and r = 1 / sqrt(var + eps) over each case's channel of V voxels (Ulyanov et al. 2016).
 * dx = g r (dy - mean(dy) - xh mean(dy xh)) with xh = (x - m) r.
 */
export function instanceNormalization(c: GradientContext): readonly (string | undefined)[] {
  const b = c.builder;
  const [x, scale, bias] = c.node.inputs;
  const dy = onlyGradient(c);
  const shape = b.shape(x);
  const axes = spatialAxes(shape.length);
  const voxels = spatialSize(shape);
  const perChannel = [1, shape[1], ...axes.map(() => 1)];
  const centred = b.emit("Sub", [x, reduce(b, "ReduceMean", x, axes)]);
  const variance = withScalar(b, "Mul", channelDot(b, centred, centred), 1 / voxels);
  const epsilon = floatAttribute(c.node, "epsilon", 1e-5);
  const root = b.emit("Reciprocal", [b.emit("Sqrt", [withScalar(b, "Add", variance, epsilon)])]);
  const sum = voxelSum(b, dy);
  const dyCentred = b.emit("Sub", [dy, withScalar(b, "Mul", sum, 1 / voxels)]);
  const product = b.emit("Mul", [channelDot(b, dyCentred, centred), root]);
  const gain = b.emit("Mul", [reshape(b, scale, perChannel), root]);
  const back = (): string => {
    const slope = b.emit("Mul", [b.emit("Mul", [product, root]), b.scalar(-1 / voxels)]);
    return b.emit("Mul", [b.emit("Add", [dyCentred, b.emit("Mul", [centred, slope])]), gain]);
  };
  const overBatch = (value: string, name: string): string =>
    reshape(b, reduce(b, "ReduceSum", value, [0]), b.shape(name));
  return [
    c.needs(0) ? back() : undefined,
    c.needs(1) ? overBatch(product, scale) : undefined,
    c.needs(2) ? overBatch(sum, bias) : undefined,
  ];
}

/** Sum over voxels of a * b for each case and channel, [N, C, 1, ...]. */
function channelDot(b: GraphBuilder, left: string, right: string): string {
  return voxelSum(b, b.emit("Mul", [left, right]));
}

/**
 * The same over the batch's cases too, where the statistics are the batch's own (Ioffe and Szegedy 2015); through the
 * running statistics passes no gradient.
 */
function batchStatisticsGradient(c: GradientContext): readonly (string | undefined)[] {
  const b = c.builder;
  const [x, scale, bias] = c.node.inputs;
  if (c.outputGradients.slice(1).some((gradient) => gradient !== undefined)) {
    throw unsupportedGradient(
      c.node,
      "a loss that depends on the norm's result alone",
      "one on its running statistics",
    );
  }
  const dy = onlyGradient(c);
  const shape = b.shape(x);
  const count = shape[0] * spatialSize(shape);
  const perChannel = [1, shape[1], ...spatialAxes(shape.length).map(() => 1)];
  const sumOf = (value: string): string => reduce(b, "ReduceSum", voxelSum(b, value), [0]);
  const meanOf = (value: string): string => withScalar(b, "Mul", sumOf(value), 1 / count);
  const centred = b.emit("Sub", [x, meanOf(x)]);
  const variance = meanOf(b.emit("Mul", [centred, centred]));
  const epsilon = floatAttribute(c.node, "epsilon", 1e-5);
  const root = b.emit("Reciprocal", [b.emit("Sqrt", [withScalar(b, "Add", variance, epsilon)])]);
  const sum = sumOf(dy);
  const dyCentred = b.emit("Sub", [dy, withScalar(b, "Mul", sum, 1 / count)]);
  const product = b.emit("Mul", [sumOf(b.emit("Mul", [dyCentred, centred])), root]);
  const back = (): string => {
    const slope = b.emit("Mul", [b.emit("Mul", [product, root]), b.scalar(-1 / count)]);
    const gain = b.emit("Mul", [reshape(b, scale, perChannel), root]);
    return b.emit("Mul", [b.emit("Add", [dyCentred, b.emit("Mul", [centred, slope])]), gain]);
  };
  return [
    c.needs(0) ? back() : undefined,
    c.needs(1) ? reshape(b, product, b.shape(scale)) : undefined,
    c.needs(2) ? reshape(b, sum, b.shape(bias)) : undefined,
  ];
}

/** Frozen statistics: y = g (x - m) / sqrt(v + eps) + b is affine in x. */
export function batchNormalization(c: GradientContext): readonly (string | undefined)[] {
  if (intAttribute(c.node, "training_mode", 0) === 1) return batchStatisticsGradient(c);
  const b = c.builder;
  const [x, scale, bias, mean, variance] = c.node.inputs;
  const dy = onlyGradient(c);
  const shape = b.shape(x);
  const axes = [0, ...spatialAxes(shape.length)];
  const perChannel = (name: string): string =>
    reshape(b, name, [1, shape[1], ...spatialAxes(shape.length).map(() => 1)]);
  const epsilon = floatAttribute(c.node, "epsilon", 1e-5);
  const root = b.emit("Reciprocal", [b.emit("Sqrt", [withScalar(b, "Add", perChannel(variance), epsilon)])]);
  const overVoxels = (value: string, name: string): string =>
    reshape(b, reduce(b, "ReduceSum", value, axes), b.shape(name));
  const normal = (): string => b.emit("Mul", [b.emit("Sub", [x, perChannel(mean)]), root]);
  return [
    c.needs(0) ? b.emit("Mul", [dy, b.emit("Mul", [perChannel(scale), root])]) : undefined,
    c.needs(1) ? overVoxels(b.emit("Mul", [dy, normal()]), scale) : undefined,
    c.needs(2) ? overVoxels(dy, bias) : undefined,
  ];
}

function softmaxAxis(c: GradientContext): number {
  return axisOf(c.node, intAttribute(c.node, "axis", -1), c.builder.shape(c.node.inputs[0]).length);
}

/** dx = y (dy - sum(y dy)). */
export function softmax(c: GradientContext): readonly string[] {
  const b = c.builder;
  const [y, dy] = [c.node.outputs[0], onlyGradient(c)];
  const weighted = b.emit("Mul", [y, dy]);
  const sum = reduce(b, "ReduceSum", weighted, [softmaxAxis(c)]);
  return [b.emit("Sub", [weighted, b.emit("Mul", [y, sum])])];
}

/** dx = dy - exp(y) sum(dy). */
export function logSoftmax(c: GradientContext): readonly string[] {
  const b = c.builder;
  const [y, dy] = [c.node.outputs[0], onlyGradient(c)];
  const sum = reduce(b, "ReduceSum", dy, [softmaxAxis(c)]);
  return [b.emit("Sub", [dy, b.emit("Mul", [b.emit("Exp", [y]), sum])])];
}
