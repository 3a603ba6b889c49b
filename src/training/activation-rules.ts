/**
 * Gradients of activations (ONNX Gelu 20, Selu 6, Celu 12, HardSigmoid 6, HardSwish 14, Mish 18, Softsign 1).
 * At a kink the value is PyTorch's: zero for HardSwish's and HardSigmoid's flat parts, the left slope for Selu and Celu.
 */
import { attr, floatAttribute, type GraphBuilder, stringAttribute } from "../graph/index.ts";
import { type GradientContext, type GradientRule, onlyGradient, withScalar } from "./gradient-context.ts";

/** A rule that needs x, dy and y only. */
export function unary(rule: (b: GraphBuilder, x: string, dy: string, y: string) => string): GradientRule {
  return (c) => [rule(c.builder, c.node.inputs[0], onlyGradient(c), c.node.outputs[0])];
}

/** dy where x > 0, and dy times a slope elsewhere. */
function wherePositive(b: GraphBuilder, x: string, ifPositive: string, otherwise: string): string {
  return b.emit("Where", [withScalar(b, "Greater", x, 0), ifPositive, otherwise]);
}

/** What turns any value that is not next to zero into one beyond 1, so that clipping it tells its sign. */
const STEEP = 1e37;

/** y > 0 as 0 or 1, in one pass: comparing and choosing would be two, and ONNX Runtime chooses in one thread. */
export const relu = unary((b, _, dy, y) =>
  b.emit("Mul", [dy, b.emit("HardSigmoid", [y], { alpha: attr.float(STEEP), beta: attr.float(0) })]),
);

/** 1 above zero and alpha elsewhere: for alpha between 0 and 1 the result has the sign of x, and x is needed no more. */
export function leakyRelu(c: GradientContext): readonly string[] {
  const b = c.builder;
  const [x, y, dy] = [c.node.inputs[0], c.node.outputs[0], onlyGradient(c)];
  const alpha = floatAttribute(c.node, "alpha", 0.01);
  if (alpha > 0 && alpha < 1) {
    const slope = b.emit("Clip", [withScalar(b, "Mul", y, STEEP), b.scalar(alpha), b.scalar(1)]);
    return [b.emit("Mul", [dy, slope])];
  }
  return [b.emit("Mul", [dy, wherePositive(b, x, b.scalar(1), b.scalar(alpha))])];
}

export function elu(c: GradientContext): readonly string[] {
  const b = c.builder;
  const [x, y, dy] = [c.node.inputs[0], c.node.outputs[0], onlyGradient(c)];
  const slope = withScalar(b, "Add", y, floatAttribute(c.node, "alpha", 1));
  return [wherePositive(b, x, dy, b.emit("Mul", [dy, slope]))];
}

/** y = gamma x above zero, gamma alpha (e^x - 1) below, where the slope is y + gamma alpha (Klambauer et al. 2017). */
export function selu(c: GradientContext): readonly string[] {
  const b = c.builder;
  const [x, y, dy] = [c.node.inputs[0], c.node.outputs[0], onlyGradient(c)];
  const gamma = floatAttribute(c.node, "gamma", 1.0507010221481323);
  const alpha = floatAttribute(c.node, "alpha", 1.6732631921768188);
  const below = withScalar(b, "Add", y, gamma * alpha);
  return [b.emit("Mul", [dy, wherePositive(b, x, b.scalar(gamma), below)])];
}

/** y = alpha (e^(x / alpha) - 1) below zero, where the slope is y / alpha + 1. */
export function celu(c: GradientContext): readonly string[] {
  const b = c.builder;
  const [x, y, dy] = [c.node.inputs[0], c.node.outputs[0], onlyGradient(c)];
  const below = withScalar(b, "Add", withScalar(b, "Mul", y, 1 / floatAttribute(c.node, "alpha", 1)), 1);
  return [b.emit("Mul", [dy, wherePositive(b, x, b.scalar(1), below)])];
}

/** y = clip(alpha x + beta, 0, 1). */
export function hardSigmoid(c: GradientContext): readonly string[] {
  const b = c.builder;
  const y = c.node.outputs[0];
  const sloped = b.emit("And", [withScalar(b, "Greater", y, 0), withScalar(b, "Less", y, 1)]);
  const slope = b.emit("Where", [sloped, b.scalar(floatAttribute(c.node, "alpha", 0.2)), b.scalar(0)]);
  return [b.emit("Mul", [onlyGradient(c), slope])];
}

/** y = x clip(x / 6 + 1/2, 0, 1): slope 0 below -3, 1 above 3, x / 3 + 1/2 between. */
export const hardSwish = unary((b, x, dy) => {
  const between = withScalar(b, "Add", withScalar(b, "Mul", x, 1 / 3), 0.5);
  const upper = b.emit("Where", [withScalar(b, "Less", x, 3), between, b.scalar(1)]);
  return b.emit("Mul", [dy, b.emit("Where", [withScalar(b, "Greater", x, -3), upper, b.scalar(0)])]);
});

/** y = x t with t = tanh(softplus(x)): slope t + x (1 - t^2) sigmoid(x). */
export const mish = unary((b, x, dy) => {
  const t = b.emit("Tanh", [b.emit("Softplus", [x])]);
  const rest = b.emit("Mul", [b.emit("Mul", [x, b.emit("Sigmoid", [x])]), oneMinusSquare(b, t)]);
  return b.emit("Mul", [dy, b.emit("Add", [t, rest])]);
});

/** y = x / (1 + |x|): slope (1 - |y|)^2. */
export const softsign = unary((b, _, dy, y) => {
  const rest = b.emit("Sub", [b.scalar(1), b.emit("Abs", [y])]);
  return b.emit("Mul", [dy, b.emit("Mul", [rest, rest])]);
});

function oneMinusSquare(b: GraphBuilder, value: string): string {
  return b.emit("Sub", [b.scalar(1), b.emit("Mul", [value, value])]);
}

export const tanh = unary((b, _, dy, y) => b.emit("Mul", [dy, oneMinusSquare(b, y)]));

/** Gelu (operator set 20): exact, Phi(x) + x phi(x), or by the tanh approximation. */
export function gelu(c: GradientContext): readonly string[] {
  const b = c.builder;
  const [x, dy] = [c.node.inputs[0], onlyGradient(c)];
  const square = b.emit("Mul", [x, x]);
  if (stringAttribute(c.node, "approximate", "none") === "none") {
    const cdf = withScalar(
      b,
      "Mul",
      withScalar(b, "Add", b.emit("Erf", [withScalar(b, "Mul", x, Math.SQRT1_2)]), 1),
      0.5,
    );
    const bell = withScalar(b, "Mul", b.emit("Exp", [withScalar(b, "Mul", square, -0.5)]), 1 / Math.sqrt(2 * Math.PI));
    return [b.emit("Mul", [dy, b.emit("Add", [cdf, b.emit("Mul", [x, bell])])])];
  }
  const root = Math.sqrt(2 / Math.PI);
  const inner = b.emit("Mul", [x, withScalar(b, "Add", withScalar(b, "Mul", square, root * 0.044715), root)]);
  const curve = b.emit("Tanh", [inner]);
  const half = withScalar(b, "Mul", withScalar(b, "Add", curve, 1), 0.5);
  const slope = withScalar(b, "Add", withScalar(b, "Mul", square, root * 3 * 0.044715), root);
  const rest = b.emit("Mul", [b.emit("Mul", [x, slope]), oneMinusSquare(b, curve)]);
  return [b.emit("Mul", [dy, b.emit("Add", [half, withScalar(b, "Mul", rest, 0.5)])])];
}
