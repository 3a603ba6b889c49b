/**
 * Optimisers as graph builders over all parameters at once, laid end to end: one pass whatever the number of tensors.
 * Learning rate and step-dependent factors are inputs, so the graph stays the same for a whole study.
 */
import type { GraphBuilder } from "../graph/index.ts";
import type { OptimiserSpec } from "../study/index.ts";
import { concat, slice, withScalar } from "./gradient-context.ts";

export interface OptimiserOutputs {
  readonly parameters: string;
  readonly state: string;
}

/** Elements of optimiser state for each parameter. */
export function statePerParameter(optimiser: OptimiserSpec): number {
  return optimiser.kind === "sgd" ? 1 : 2;
}

/**
 * The scalars that a step feeds beside the learning rate.
 * @param step counted from 1 over the life of the optimiser's state.
 */
export function stepScalars(optimiser: OptimiserSpec, step: number, learningRate: number): Float32Array {
  if (optimiser.kind === "sgd") return Float32Array.of(learningRate, 1 - learningRate * optimiser.weightDecay, 0);
  const correction1 = 1 - optimiser.beta1 ** step;
  const correction2 = 1 - optimiser.beta2 ** step;
  return Float32Array.of(
    learningRate / correction1,
    1 - learningRate * optimiser.weightDecay,
    1 / Math.sqrt(correction2),
  );
}

/** Length of what `stepScalars` gives. */
export const STEP_SCALARS = 3;

/** parameters, gradient [P]; state [k P]; scalars [3] as `stepScalars` gives them. */
export function applyOptimiser(
  b: GraphBuilder,
  optimiser: OptimiserSpec,
  values: { readonly parameters: string; readonly gradient: string; readonly state: string; readonly scalars: string },
): OptimiserOutputs {
  const scalar = (index: number): string => slice(b, values.scalars, [0], [index], [index + 1]);
  return optimiser.kind === "sgd" ? nesterovSgd(b, optimiser, values, scalar(0)) : adamW(b, optimiser, values, scalar);
}

/** Sutskever et al. 2013 as PyTorch writes it: g + decay w; v = momentum v + g; w -= lr (g + momentum v). */
function nesterovSgd(
  b: GraphBuilder,
  { momentum, nesterov, weightDecay }: OptimiserSpec & { kind: "sgd" },
  { parameters, gradient, state }: { parameters: string; gradient: string; state: string },
  learningRate: string,
): OptimiserOutputs {
  const decayed =
    weightDecay === 0 ? gradient : b.emit("Add", [gradient, withScalar(b, "Mul", parameters, weightDecay)]);
  const velocity = b.emit("Add", [withScalar(b, "Mul", state, momentum), decayed]);
  const direction = nesterov ? b.emit("Add", [decayed, withScalar(b, "Mul", velocity, momentum)]) : velocity;
  return { parameters: b.emit("Sub", [parameters, b.emit("Mul", [direction, learningRate])]), state: velocity };
}

/** Loshchilov and Hutter 2019, algorithm 2: decay apart from the gradient, moments corrected for their start at zero. */
function adamW(
  b: GraphBuilder,
  { beta1, beta2, epsilon }: OptimiserSpec & { kind: "adamw" },
  { parameters, gradient, state }: { parameters: string; gradient: string; state: string },
  scalar: (index: number) => string,
): OptimiserOutputs {
  const [count] = b.shape(parameters);
  const first = slice(b, state, [0], [0], [count]);
  const second = slice(b, state, [0], [count], [2 * count]);
  const mean = b.emit("Add", [withScalar(b, "Mul", first, beta1), withScalar(b, "Mul", gradient, 1 - beta1)]);
  const square = b.emit("Mul", [gradient, gradient]);
  const spread = b.emit("Add", [withScalar(b, "Mul", second, beta2), withScalar(b, "Mul", square, 1 - beta2)]);
  const root = withScalar(b, "Add", b.emit("Mul", [b.emit("Sqrt", [spread]), scalar(2)]), epsilon);
  const step = b.emit("Mul", [b.emit("Div", [mean, root]), scalar(0)]);
  const decayed = b.emit("Mul", [parameters, scalar(1)]);
  return { parameters: b.emit("Sub", [decayed, step]), state: concat(b, [mean, spread], 0) };
}
