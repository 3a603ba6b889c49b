/**
 * The training step of a network as one graph: forward, loss, gradients and optimiser, all in operators that any ONNX
 * runtime has. Parameters and optimiser state go in and come out as one vector each. Where gradients are to be seen or
 * changed before they move anything, it is two graphs.
 */
import {
  attr,
  checkGraph,
  createGraphBuilder,
  type Graph,
  type GraphBuilder,
  type ParameterLayout,
  separateMergedInitializers,
} from "../graph/index.ts";
import type { OptimiserSpec, ParameterGroupSpec } from "../study/index.ts";
import { differentiate } from "./differentiate.ts";
import type { DropoutMask } from "./dropout.ts";
import { reshape, withScalar, zeros } from "./gradient-context.ts";
import type { GradientRules } from "./gradient-rules.ts";
import { type LaidForward, layForward, stepOpset } from "./lay-forward.ts";
import { CROSS_ENTROPY_AND_DICE, type Objective, objectiveLoss } from "./losses.ts";
import type { Lowerings } from "./lowering-table.ts";
import { networkParameters } from "./network-parameters.ts";
import { applyUpdate, STEP_SCALARS, statePerParameter } from "./optimisers.ts";
import { parameterTreatments } from "./parameter-groups.ts";
import { STEP } from "./step-names.ts";

export interface TrainingStepOptions {
  /** [N, C, ...] of the network's input. */
  readonly inputShape: readonly number[];
  readonly optimiser: OptimiserSpec;
  /** Cross-entropy and Dice over classes, if nothing else is said. */
  readonly objective?: Objective;
  readonly parameterGroups?: readonly ParameterGroupSpec[];
  /** Largest L2 norm of the gradient. */
  readonly clipNorm?: number;
  /** Weight of the proximal term; above zero the step takes an input `anchor`. */
  readonly proximal?: number;
  /** The step takes an input `controlVariate`, which is added to the gradient. */
  readonly controlVariate?: boolean;
  /** Decay of an exponential moving average of the parameters; above zero the step takes and gives one. */
  readonly averageDecay?: number;
  /** Also hand out the gradient [P], as it is before anything is done to it, and the logits. */
  readonly withGradient?: boolean;
  /** Others than the product's gradient rules, where a network is inspected. */
  readonly rules?: GradientRules;
  /** How gradients of convolutions are written, instead of the table that ships. */
  readonly lowerings?: Lowerings | undefined;
}

export interface TrainingStep {
  readonly graph: Graph;
  readonly layout: ParameterLayout;
  /** Length of the optimiser state. */
  readonly stateLength: number;
  /** [N, K, ...]. */
  readonly logitsShape: readonly number[];
  /** Inputs with what is dropped, drawn anew for every forward pass of training. */
  readonly dropouts: readonly DropoutMask[];
}

/**
 * @throws ConsiliumError `gradient-unsupported`, `shape-mismatch`, `tensor-missing` or `graph-invalid`, before anything
 *   runs.
 */
export function buildTrainingStep(network: Graph, options: TrainingStepOptions): TrainingStep {
  const { layout } = networkParameters(network);
  const b = createGraphBuilder(stepOpset(network), "step.");
  const outputs: string[] = [];
  let logitsShape: readonly number[] = [];
  let dropouts: readonly DropoutMask[] = [];
  const moved = layUpdate(b, layout, options, () => {
    const { loss, gradient, logits, forward } = layGradient(b, network, layout, options);
    outputs.push(named(b, loss, STEP.loss), ...buffersOf(b, forward));
    if (options.withGradient) outputs.push(named(b, gradient, STEP.gradient));
    if (options.withGradient) outputs.push(logits === STEP.logits ? logits : named(b, logits, STEP.logits));
    logitsShape = b.shape(logits);
    dropouts = forward.dropouts;
    return gradient;
  });
  return {
    graph: checkGraph(b.build("training step", [...outputs, ...moved])),
    layout,
    stateLength: statePerParameter(options.optimiser) * layout.length,
    logitsShape,
    dropouts,
  };
}

/** What the first half of a step needs to know. */
export type GradientStepOptions = Pick<
  TrainingStepOptions,
  "inputShape" | "objective" | "parameterGroups" | "rules" | "lowerings"
>;

/**
 * The first half of a training step alone: loss and gradient [P] at the parameters given. What is done with gradients
 * before they move anything (summing, clipping, noise) happens between this and `buildOptimiserStep`.
 *
 * @throws ConsiliumError as `buildTrainingStep`
 */
export function buildGradientStep(network: Graph, options: GradientStepOptions): TrainingStep {
  const { layout } = networkParameters(network);
  const b = createGraphBuilder(stepOpset(network), "step.");
  b.input(STEP.parameters, "float32", [layout.length]);
  const { loss, gradient, logits, forward } = layGradient(b, network, layout, options);
  const outputs = [named(b, loss, STEP.loss), named(b, gradient, STEP.gradient), ...buffersOf(b, forward)];
  return {
    graph: checkGraph(b.build("gradient step", outputs)),
    layout,
    stateLength: 0,
    logitsShape: b.shape(logits),
    dropouts: forward.dropouts,
  };
}

/** What the second half of a step needs to know. */
export type OptimiserStepOptions = Omit<
  TrainingStepOptions,
  "inputShape" | "objective" | "withGradient" | "rules" | "lowerings"
>;

/** The second half: parameters and state moved by a gradient [P] that comes from outside. */
export function buildOptimiserStep(
  layout: ParameterLayout,
  options: OptimiserStepOptions,
): { readonly graph: Graph; readonly stateLength: number } {
  const b = createGraphBuilder(OPTIMISER_OPSET, "step.");
  const gradient = b.input(STEP.gradient, "float32", [layout.length]);
  const graph = checkGraph(
    b.build(
      "optimiser step",
      layUpdate(b, layout, options, () => gradient),
    ),
  );
  return { graph, stateLength: statePerParameter(options.optimiser) * layout.length };
}

/** The oldest set that `stepOpset` takes. */
const OPTIMISER_OPSET = 16;

/** The forward graph alone, with its parameters as an input: one session predicts with any weights. */
export function buildForwardStep(network: Graph, inputShape: readonly number[]): TrainingStep {
  const separated = separateMergedInitializers(network);
  const { layout } = networkParameters(network);
  const b = createGraphBuilder(stepOpset(network), "step.");
  b.input(STEP.parameters, "float32", [layout.length]);
  const [logits] = layForward(b, separated, layout, inputShape, "inference").outputs;
  const graph = checkGraph(b.build("forward step", [logits]));
  return { graph, layout, stateLength: 0, logitsShape: b.shape(logits), dropouts: [] };
}

function buffersOf(b: GraphBuilder, { nextBuffers }: LaidForward): string[] {
  return nextBuffers === undefined ? [] : [named(b, nextBuffers, STEP.nextBuffers)];
}

/** Forward, loss and the gradient [P]; frozen parameters have a gradient of zero, and none is worked out for them. */
function layGradient(
  b: GraphBuilder,
  network: Graph,
  layout: ParameterLayout,
  { inputShape, objective = CROSS_ENTROPY_AND_DICE, parameterGroups, rules, lowerings }: GradientStepOptions,
): { loss: string; gradient: string; logits: string; forward: LaidForward } {
  const forward = layForward(b, separateMergedInitializers(network), layout, inputShape, "training");
  const { outputs } = forward;
  const [batch, , ...spatial] = b.shape(outputs[0]);
  const labels = b.input(STEP.labels, "uint8", [batch, ...spatial]);
  const loss = objectiveLoss(b, objective, outputs, labels);
  const treatments = parameterTreatments(layout, { weightDecay: 0 }, parameterGroups);
  const trained = layout.entries.filter((_, i) => !treatments[i].frozen).map(({ name }) => name);
  const gradients = differentiate(b, loss, trained, rules, lowerings);
  return { loss, gradient: endToEnd(b, network, layout, gradients), logits: outputs[0], forward };
}

/**
 * All gradients as one vector [P]. ONNX Runtime works out the newest inputs of a node first: those of parameters that
 * the network uses last are made newest, so that a gradient is worked out as soon as it can be, and what only it needs
 * is given back. A Flatten keeps its place, where reshapes are merged to new nodes.
 */
function endToEnd(
  b: GraphBuilder,
  network: Graph,
  { entries, length }: ParameterLayout,
  gradients: ReadonlyMap<string, string | undefined>,
): string {
  const use = new Map(network.nodes.flatMap(({ inputs }, i) => inputs.map((name) => [name, i] as const)).toReversed());
  const inOrder = entries.toSorted((a, c) => (use.get(a.name) ?? 0) - (use.get(c.name) ?? 0));
  const flat = new Map(
    inOrder.map(({ name, shape }) => {
      const gradient = gradients.get(name) ?? zeros(b, shape);
      return [name, b.emit("Flatten", [gradient], { axis: attr.int(0) })] as const;
    }),
  );
  const row = b.emit(
    "Concat",
    entries.map(({ name }) => flat.get(name) ?? ""),
    { axis: attr.int(1) },
  );
  return reshape(b, row, [length]);
}

/**
 * From the gradient to the next parameters and state; returns the names of the outputs.
 * @param gradient lays it; called once, after all that does not need it.
 */
function layUpdate(
  b: GraphBuilder,
  layout: ParameterLayout,
  options: OptimiserStepOptions,
  gradient: () => string,
): readonly string[] {
  const { optimiser, clipNorm, proximal = 0, controlVariate = false, averageDecay = 0 } = options;
  const treatments = parameterTreatments(layout, optimiser, options.parameterGroups);
  const vector = (name: string): string => b.input(name, "float32", [layout.length]);
  vector(STEP.parameters);
  const state = b.input(STEP.state, "float32", [statePerParameter(optimiser) * layout.length]);
  const scalars = b.input(STEP.scalars, "float32", [STEP_SCALARS]);
  const next = applyUpdate(
    b,
    { optimiser, treatments, proximal, ...(clipNorm !== undefined && { clipNorm }) },
    {
      parameters: STEP.parameters,
      gradient,
      state,
      scalars,
      ...(proximal > 0 && { anchor: vector(STEP.anchor) }),
      ...(controlVariate && { controlVariate: vector(STEP.controlVariate) }),
    },
    layout,
  );
  const outputs = [named(b, next.parameters, STEP.nextParameters), named(b, next.state, STEP.nextState)];
  if (averageDecay === 0) return outputs;
  const kept = withScalar(b, "Mul", vector(STEP.average), averageDecay);
  const average = b.emit("Add", [kept, withScalar(b, "Mul", next.parameters, 1 - averageDecay)]);
  return [...outputs, named(b, average, STEP.nextAverage)];
}

function named(b: GraphBuilder, source: string, name: string): string {
  b.append({ opType: "Identity", name, inputs: [source], outputs: [name], attributes: {} });
  return name;
}
