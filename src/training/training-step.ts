/**
 * The training step of a network as one graph: forward, loss, gradients and optimiser, all in operators that any ONNX
 * runtime has. Parameters and optimiser state go in and come out as one vector each.
 */
import { ConsiliumError } from "../base/index.ts";
import {
  checkGraph,
  createGraphBuilder,
  type Graph,
  type GraphBuilder,
  type GraphNode,
  type ParameterLayout,
  type Parameters,
  parameterLayout,
  parameterView,
  separateMergedInitializers,
} from "../graph/index.ts";
import type { OptimiserSpec } from "../study/index.ts";
import { differentiate } from "./differentiate.ts";
import { concat, reshape, zeros } from "./gradient-context.ts";
import type { GradientRules } from "./gradient-rules.ts";
import { crossEntropyAndDice } from "./losses.ts";
import { applyOptimiser, STEP_SCALARS, statePerParameter } from "./optimisers.ts";

/** Names of the step graph's inputs and outputs. */
export const STEP = {
  image: "image",
  labels: "labels",
  parameters: "parameters",
  state: "optimiserState",
  scalars: "stepScalars",
  loss: "loss",
  nextParameters: "nextParameters",
  nextState: "nextOptimiserState",
  gradient: "gradient",
  logits: "logits",
} as const;

export interface TrainingStepOptions {
  /** [N, C, ...] of the network's input. */
  readonly inputShape: readonly number[];
  readonly optimiser: OptimiserSpec;
  /** Also hand out the gradient [P] and the logits. */
  readonly withGradient?: boolean;
  /** Others than the product's gradient rules, where a network is inspected. */
  readonly rules?: GradientRules;
}

export interface TrainingStep {
  readonly graph: Graph;
  readonly layout: ParameterLayout;
  /** Length of the optimiser state. */
  readonly stateLength: number;
  /** [N, K, ...]. */
  readonly logitsShape: readonly number[];
}

/** A network's trainable parameters, named as in its file. */
export function networkParameters(network: Graph): Parameters {
  const separated = separateMergedInitializers(network);
  const names = trainableInitializers(separated);
  const tensors = new Map(names.map((name) => [name, separated.initializers.get(name)]));
  const layout = parameterLayout(new Map(names.map((name) => [name, tensors.get(name)?.shape ?? []])));
  const parameters: Parameters = { layout, data: new Float32Array(layout.length) };
  for (const entry of layout.entries) {
    parameterView(parameters, entry).set((tensors.get(entry.name)?.data ?? []) as Float32Array);
  }
  return parameters;
}

/** The network with other parameters in it. @throws ConsiliumError `tensor-missing` where one has no initializer. */
export function withParameters(network: Graph, parameters: Parameters): Graph {
  const separated = separateMergedInitializers(network);
  const initializers = new Map(separated.initializers);
  for (const entry of parameters.layout.entries) {
    const old = initializers.get(entry.name);
    if (old === undefined || old.shape.join() !== entry.shape.join()) {
      throw new ConsiliumError("tensor-missing", {
        subject: `parameter ${entry.name} of [${entry.shape.join(", ")}]`,
        expected: "an initializer of that name and shape in the network",
        actual: old === undefined ? "none" : `[${old.shape.join(", ")}]`,
        hint: "The weights belong to another network.",
      });
    }
    initializers.set(entry.name, { dtype: "float32", shape: entry.shape, data: parameterView(parameters, entry) });
  }
  return { ...separated, initializers };
}

/**
 * @throws ConsiliumError `gradient-unsupported`, `shape-mismatch` or `graph-invalid`, before anything runs.
 */
export function buildTrainingStep(network: Graph, options: TrainingStepOptions): TrainingStep {
  const { b, layout, logits, loss, gradient } = layGradient(network, options);
  const { stateLength, outputs: moved } = layOptimiser(b, options.optimiser, layout, gradient);
  const outputs = [named(b, loss, STEP.loss), ...moved];
  if (options.withGradient) outputs.push(named(b, gradient, STEP.gradient));
  if (options.withGradient) outputs.push(logits === STEP.logits ? logits : named(b, logits, STEP.logits));
  return {
    graph: checkGraph(b.build("training step", outputs)),
    layout,
    stateLength,
    logitsShape: b.shape(logits),
  };
}

/**
 * The first half of a training step alone: loss and gradient [P] at the parameters given. What is done with gradients
 * before they move anything (clipping, noise) happens between this and `buildOptimiserStep`.
 *
 * @throws ConsiliumError as `buildTrainingStep`
 */
export function buildGradientStep(network: Graph, options: Omit<TrainingStepOptions, "optimiser">): TrainingStep {
  const { b, layout, logits, loss, gradient } = layGradient(network, options);
  const outputs = [named(b, loss, STEP.loss), named(b, gradient, STEP.gradient)];
  return {
    graph: checkGraph(b.build("gradient step", outputs)),
    layout,
    stateLength: 0,
    logitsShape: b.shape(logits),
  };
}

/** The second half: parameters and state moved by a gradient [P] that comes from outside. */
export function buildOptimiserStep(
  layout: ParameterLayout,
  optimiser: OptimiserSpec,
): { readonly graph: Graph; readonly stateLength: number } {
  const b = createGraphBuilder(OPTIMISER_OPSET, "step.");
  b.input(STEP.parameters, "float32", [layout.length]);
  b.input(STEP.gradient, "float32", [layout.length]);
  const { stateLength, outputs } = layOptimiser(b, optimiser, layout, STEP.gradient);
  return { graph: checkGraph(b.build("optimiser step", outputs)), stateLength };
}

interface LaidGradient {
  readonly b: GraphBuilder;
  readonly layout: ParameterLayout;
  readonly logits: string;
  readonly loss: string;
  /** [P]. */
  readonly gradient: string;
}

function layGradient(network: Graph, options: Omit<TrainingStepOptions, "optimiser">): LaidGradient {
  const separated = separateMergedInitializers(network);
  const { layout } = networkParameters(network);
  const b = createGraphBuilder(stepOpset(network), "step.");
  const logits = layForward(b, separated, layout, options.inputShape);
  const [batch, , ...spatial] = b.shape(logits);
  const labels = b.input(STEP.labels, "uint8", [batch, ...spatial]);
  const loss = crossEntropyAndDice(b, logits, labels);
  const gradients = differentiate(
    b,
    loss,
    layout.entries.map(({ name }) => name),
    options.rules,
  );
  const flat = layout.entries.map(({ name, shape, length }) =>
    reshape(b, gradients.get(name) ?? zeros(b, shape), [length]),
  );
  return { b, layout, logits, loss, gradient: concat(b, flat, 0) };
}

function layOptimiser(
  b: GraphBuilder,
  optimiser: OptimiserSpec,
  layout: ParameterLayout,
  gradient: string,
): { readonly stateLength: number; readonly outputs: string[] } {
  const stateLength = statePerParameter(optimiser) * layout.length;
  const state = b.input(STEP.state, "float32", [stateLength]);
  const scalars = b.input(STEP.scalars, "float32", [STEP_SCALARS]);
  const next = applyOptimiser(b, optimiser, { parameters: STEP.parameters, gradient, state, scalars });
  const outputs = [named(b, next.parameters, STEP.nextParameters), named(b, next.state, STEP.nextState)];
  return { stateLength, outputs };
}

function named(b: GraphBuilder, source: string, name: string): string {
  b.append({ opType: "Identity", name, inputs: [source], outputs: [name], attributes: {} });
  return name;
}

/** The forward graph alone, with its parameters as an input: one session predicts with any weights. */
export function buildForwardStep(network: Graph, inputShape: readonly number[]): TrainingStep {
  const separated = separateMergedInitializers(network);
  const { layout } = networkParameters(network);
  const b = createGraphBuilder(stepOpset(network), "step.");
  const logits = layForward(b, separated, layout, inputShape);
  const graph = checkGraph(b.build("forward step", [logits]));
  return { graph, layout, stateLength: 0, logitsShape: b.shape(logits) };
}

/**
 * Operator sets 13 to 15 are taken as 16: for the operators that the product knows it only adds types and attributes
 * whose defaults are what the older sets do, and it brings the scattering sums that gradients of picks are made of.
 */
function stepOpset(network: Graph): number {
  return Math.max(network.opset, 16);
}

/** The forward graph with its parameters cut from one vector; returns the name of its only output. */
function layForward(b: GraphBuilder, network: Graph, layout: ParameterLayout, inputShape: readonly number[]): string {
  const [image] = network.inputs;
  if (network.inputs.length !== 1 || network.outputs.length !== 1 || image.shape.length !== inputShape.length) {
    throw new ConsiliumError("onnx-unsupported", {
      subject: `network ${network.name}`,
      expected: `one input of rank ${inputShape.length} and one output`,
      actual: `${network.inputs.length} inputs (${network.inputs.map((i) => `[${i.shape.join(", ")}]`).join(", ")}) and ${network.outputs.length} outputs`,
      hint: "Export the network with its logits as the only output.",
    });
  }
  const fits = image.shape.every((dim, i) => typeof dim === "string" || dim === inputShape[i]);
  if (!fits) {
    throw new ConsiliumError("shape-mismatch", {
      subject: `input ${image.name}`,
      expected: `[${image.shape.join(", ")}]`,
      actual: `[${inputShape.join(", ")}]`,
      hint: "Give the study the network's own patch, batch and channels, or export it with dynamic axes.",
    });
  }
  b.input(STEP.image, "float32", inputShape);
  b.append({
    opType: "Identity",
    name: "",
    inputs: [STEP.image],
    outputs: [image.name === STEP.image ? "step.image" : image.name],
    attributes: {},
  });
  b.input(STEP.parameters, "float32", [layout.length]);
  const cut = b.emitMany(
    "Split",
    [STEP.parameters, b.ints(layout.entries.map(({ length }) => length))],
    layout.entries.length,
    {},
  );
  layout.entries.forEach(({ name, shape }, i) => {
    b.append({ opType: "Reshape", name, inputs: [cut[i], b.ints(shape)], outputs: [name], attributes: {} });
  });
  const parameters = new Set(layout.entries.map(({ name }) => name));
  for (const [name, tensor] of network.initializers) if (!parameters.has(name)) b.constant(tensor, name);
  const rename = (name: string): string => (name === STEP.image && image.name === STEP.image ? "step.image" : name);
  for (const node of network.nodes) b.append(withoutZeroBias(b, { ...node, inputs: node.inputs.map(rename) }));
  return network.outputs[0].name;
}

/**
 * PyTorch's dynamo exporter gives convolutions without a bias one of zeros, some of it in shapes that ONNX Runtime
 * refuses. A bias that is known to be zero is left out.
 */
function withoutZeroBias(b: GraphBuilder, node: GraphNode): GraphNode {
  const bias = node.inputs[2];
  if ((node.opType !== "Conv" && node.opType !== "ConvTranspose") || !bias) return node;
  const value = b.fact(bias).value;
  const isZero = value !== undefined && Array.prototype.every.call(value.data, (v) => v === 0);
  return isZero ? { ...node, inputs: node.inputs.slice(0, 2) } : node;
}

/** The oldest set that `stepOpset` takes. */
const OPTIMISER_OPSET = 16;

const CONSTANT_NAME = /^(\/|val_\d+$)/;

/** Inputs that configure an operator and are never trained, by operator. */
const FIXED_INPUTS: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [3, 4],
  Clip: [1, 2],
  Dropout: [1, 2],
  Pad: [1, 2, 3],
  Resize: [1, 2, 3],
};

/**
 * Float initializers that reach the output through an operand that can be trained. Exporters write constants as
 * Constant nodes, or as initializers whose names begin with "/" (PyTorch's TorchScript exporter) or are `val_` and a
 * number (its dynamo exporter): those are not parameters.
 */
function trainableInitializers(network: Graph): string[] {
  const used = new Set<string>();
  for (const node of network.nodes) {
    node.inputs.forEach((name, i) => {
      if (!FIXED_INPUTS[node.opType]?.includes(i)) used.add(name);
    });
  }
  return [...network.initializers].flatMap(([name, tensor]) =>
    tensor.dtype === "float32" && tensor.shape.length > 0 && used.has(name) && !CONSTANT_NAME.test(name) ? [name] : [],
  );
}
