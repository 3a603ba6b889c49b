/**
 * Optimisers as graph builders over all parameters at once, laid end to end: one pass whatever the number of tensors.
 * Learning rate and step-dependent factors are inputs, so the graph stays the same for a whole study.
 */
import { float32Tensor, type GraphBuilder, type ParameterLayout } from "../graph/index.ts";
import type { OptimiserSpec } from "../study/index.ts";
import { concat, slice, withScalar } from "./gradient-context.ts";
import type { ParameterTreatment } from "./parameter-groups.ts";

export interface OptimiserOutputs {
  readonly parameters: string;
  readonly state: string;
}

/** Elements of optimiser state for each parameter. */
export function statePerParameter(optimiser: OptimiserSpec): number {
  return optimiser.kind === "sgd" ? 1 : 2;
}

/** Length of what `stepScalars` gives. */
export const STEP_SCALARS = 4;

/**
 * The scalars that a step feeds: step size, what is left of a parameter by decay, one over the root of the second
 * moment's correction, and the learning rate.
 * @param step counted from 1 over the life of the optimiser's state.
 */
export function stepScalars(optimiser: OptimiserSpec, step: number, learningRate: number): Float32Array {
  const left = 1 - learningRate * optimiser.weightDecay;
  if (optimiser.kind === "sgd") return Float32Array.of(learningRate, left, 1, learningRate);
  const correction1 = 1 - optimiser.beta1 ** step;
  const correction2 = 1 - optimiser.beta2 ** step;
  return Float32Array.of(learningRate / correction1, left, 1 / Math.sqrt(correction2), learningRate);
}

/** What a study adds to the gradient or to its use, beside the optimiser itself. */
export interface UpdateSettings {
  readonly optimiser: OptimiserSpec;
  /** One for each entry of the layout. */
  readonly treatments: readonly ParameterTreatment[];
  /** Largest L2 norm of the whole gradient; larger ones are scaled down, as PyTorch's clip_grad_norm_ does. */
  readonly clipNorm?: number;
  /** Weight mu of the proximal term mu / 2 |w - anchor|^2 (Li et al. 2020). */
  readonly proximal?: number;
}

/** Names of vectors [P], of the state [k P], and of the scalars as `stepScalars` gives them. */
export interface UpdateValues {
  readonly parameters: string;
  /**
   * Lays the gradient; called once. What does not need it is laid before: ONNX Runtime works out the newest inputs of a
   * node first, and would else hold products of whole vectors while it works out the gradient.
   */
  readonly gradient: () => string;
  readonly state: string;
  readonly scalars: string;
  /** Where the proximal term pulls to. */
  readonly anchor?: string;
  /** Added to the clipped gradient: c - c_i of SCAFFOLD (Karimireddy et al. 2020, algorithm 1). */
  readonly controlVariate?: string;
}

/** In this order: proximal term, clipping, control variate, weight decay and the optimiser's step. */
export function applyUpdate(
  b: GraphBuilder,
  settings: UpdateSettings,
  values: UpdateValues,
  layout: ParameterLayout,
): OptimiserOutputs {
  const { optimiser, treatments, clipNorm, proximal = 0 } = settings;
  const scalar = (index: number): string => slice(b, values.scalars, [0], [index], [index + 1]);
  const { parameters, anchor, controlVariate } = values;
  const pull =
    proximal > 0 && anchor !== undefined
      ? trainedOnly(b, withScalar(b, "Mul", b.emit("Sub", [parameters, anchor]), proximal), treatments, layout)
      : undefined;
  const correction = controlVariate && trainedOnly(b, controlVariate, treatments, layout);
  const decay = perParameter(b, treatments, layout, ({ weightDecay }) => weightDecay);
  const rate = perParameter(b, treatments, layout, ({ rateFactor }) => rateFactor);
  const gradient = (): string => {
    const plain = values.gradient();
    const pulled = pull === undefined ? plain : b.emit("Add", [plain, pull]);
    const kept = clipNorm === undefined ? pulled : clipped(b, pulled, clipNorm);
    return correction === undefined ? kept : b.emit("Add", [kept, correction]);
  };
  const step = { ...values, gradient, decay, rate, scalar };
  return optimiser.kind === "sgd" ? sgd(b, optimiser, step) : adam(b, optimiser, step);
}

/** g min(1, c / (|g| + 1e-6)). */
function clipped(b: GraphBuilder, gradient: string, clipNorm: number): string {
  const square = b.emit("ReduceSum", [b.emit("Mul", [gradient, gradient]), b.ints([0])]);
  const norm = withScalar(b, "Add", b.emit("Sqrt", [square]), 1e-6);
  const factor = b.emit("Min", [b.emit("Div", [b.scalar(clipNorm), norm]), b.scalar(1)]);
  return b.emit("Mul", [gradient, factor]);
}

/** A number where it is the same for all parameters, else the name of a vector [P]. */
type PerParameter = number | string;

interface StepValues extends UpdateValues {
  readonly decay: PerParameter;
  readonly rate: PerParameter;
  scalar(index: number): string;
}

function perParameter(
  b: GraphBuilder,
  treatments: readonly ParameterTreatment[],
  { entries, length }: ParameterLayout,
  read: (treatment: ParameterTreatment) => number,
): PerParameter {
  const values = treatments.map(read);
  if (values.every((value) => value === values[0])) return values[0] ?? 0;
  const data = new Float32Array(length);
  entries.forEach((entry, i) => {
    data.fill(values[i], entry.offset, entry.offset + entry.length);
  });
  return b.constant(float32Tensor([length], data));
}

function trainedOnly(
  b: GraphBuilder,
  value: string,
  treatments: readonly ParameterTreatment[],
  layout: ParameterLayout,
): string {
  return times(
    b,
    value,
    perParameter(b, treatments, layout, ({ frozen }) => (frozen ? 0 : 1)),
  );
}

function times(b: GraphBuilder, value: string, factor: PerParameter): string {
  if (factor === 1) return value;
  return typeof factor === "number" ? withScalar(b, "Mul", value, factor) : b.emit("Mul", [value, factor]);
}

/** g + decay w. */
function withDecay(b: GraphBuilder, { gradient, parameters, decay }: StepValues): string {
  if (decay === 0) return gradient();
  const pull = times(b, parameters, decay);
  return b.emit("Add", [gradient(), pull]);
}

/** Sutskever et al. 2013 as PyTorch writes it: g + decay w; v = momentum v + g; w -= lr (g + momentum v). */
function sgd(
  b: GraphBuilder,
  { momentum, nesterov }: OptimiserSpec & { kind: "sgd" },
  values: StepValues,
): OptimiserOutputs {
  const kept = withScalar(b, "Mul", values.state, momentum);
  const decayed = withDecay(b, values);
  const velocity = b.emit("Add", [kept, decayed]);
  const direction = nesterov ? b.emit("Add", [decayed, withScalar(b, "Mul", velocity, momentum)]) : velocity;
  const step = b.emit("Mul", [times(b, direction, values.rate), values.scalar(0)]);
  return { parameters: b.emit("Sub", [values.parameters, step]), state: velocity };
}

/**
 * Kingma and Ba 2015, moments corrected for their start at zero; with decay in the gradient (adam), or apart from it
 * (adamw: Loshchilov and Hutter 2019, algorithm 2).
 */
function adam(
  b: GraphBuilder,
  { kind, beta1, beta2, epsilon }: OptimiserSpec & { kind: "adam" | "adamw" },
  values: StepValues,
): OptimiserOutputs {
  const { parameters, state, scalar } = values;
  const [count] = b.shape(parameters);
  const first = withScalar(b, "Mul", slice(b, state, [0], [0], [count]), beta1);
  const second = withScalar(b, "Mul", slice(b, state, [0], [count], [2 * count]), beta2);
  const kept = kind === "adam" ? parameters : b.emit("Mul", [parameters, whatDecayLeaves(b, values)]);
  const gradient = kind === "adam" ? withDecay(b, values) : values.gradient();
  const mean = b.emit("Add", [first, withScalar(b, "Mul", gradient, 1 - beta1)]);
  const square = b.emit("Mul", [gradient, gradient]);
  const spread = b.emit("Add", [second, withScalar(b, "Mul", square, 1 - beta2)]);
  const root = withScalar(b, "Add", b.emit("Mul", [b.emit("Sqrt", [spread]), scalar(2)]), epsilon);
  const step = b.emit("Mul", [times(b, b.emit("Div", [mean, root]), values.rate), scalar(0)]);
  return { parameters: b.emit("Sub", [kept, step]), state: concat(b, [mean, spread], 0) };
}

/** 1 - lr rate decay. */
function whatDecayLeaves(b: GraphBuilder, { decay, rate, scalar }: StepValues): string {
  if (typeof decay === "number" && rate === 1) return scalar(1);
  if (typeof decay === "number" && typeof rate === "number") {
    return b.emit("Sub", [b.scalar(1), withScalar(b, "Mul", scalar(3), decay * rate)]);
  }
  const vector = typeof decay === "number" ? times(b, rate as string, decay) : times(b, decay, rate);
  return b.emit("Sub", [b.scalar(1), b.emit("Mul", [vector, scalar(3)])]);
}
