/** A network's forward graph laid into a builder, with its parameters cut from one vector. */
import { ConsiliumError } from "../base/index.ts";
import type { Graph, GraphBuilder, GraphNode, ParameterLayout } from "../graph/index.ts";
import { appendBatchNorm, inferenceNode, usesBatchStatistics } from "./batch-statistics.ts";
import { appendDropout, type DropoutMask } from "./dropout.ts";
import { concat } from "./gradient-context.ts";
import { STEP } from "./step-names.ts";
import { appendConvTranspose } from "./tiled-transpose.ts";

/**
 * Operator sets 13 to 15 are taken as 16: for the operators that the product knows it only adds types and attributes
 * whose defaults are what the older sets do, and it brings the scattering sums that gradients of picks are made of.
 */
export function stepOpset(network: Graph): number {
  return Math.max(network.opset, 16);
}

/** In training norms take the batch's statistics and values are dropped, where the network says so. */
export type ForwardMode = "training" | "inference";

export interface LaidForward {
  /** Names of the network's outputs. */
  readonly outputs: readonly string[];
  /** Name of the next values of all buffers, in the layout's order, end to end; undefined where there are none. */
  readonly nextBuffers: string | undefined;
  readonly dropouts: readonly DropoutMask[];
}

/** The forward graph with its parameters cut from the input `STEP.parameters` [P], which is there. */
export function layForward(
  b: GraphBuilder,
  network: Graph,
  layout: ParameterLayout,
  inputShape: readonly number[],
  mode: ForwardMode,
): LaidForward {
  const [image] = network.inputs;
  if (network.inputs.length !== 1 || network.outputs.length === 0 || image.shape.length !== inputShape.length) {
    throw new ConsiliumError("onnx-unsupported", {
      subject: `network ${network.name}`,
      expected: `one input of rank ${inputShape.length} and its logits as outputs`,
      actual: `${network.inputs.length} inputs (${network.inputs.map((i) => `[${i.shape.join(", ")}]`).join(", ")}) and ${network.outputs.length} outputs`,
      hint: "Export the network with its logits as output, finest first where there are several.",
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
  const next = new Map<string, string>();
  const dropouts: DropoutMask[] = [];
  for (const each of network.nodes) {
    const node = { ...each, inputs: each.inputs.map(rename) };
    if (node.opType === "ConvTranspose") appendConvTranspose(b, withoutZeroBias(b, node));
    else if (mode === "inference") b.append(withoutZeroBias(b, inferenceNode(node)));
    else if (usesBatchStatistics(node)) for (const [name, value] of appendBatchNorm(b, node)) next.set(name, value);
    else if (node.opType === "Dropout") dropouts.push(...appendDropout(b, node, dropouts.length));
    else b.append(withoutZeroBias(b, node));
  }
  const buffers = layout.entries.flatMap(({ name }) => next.get(name) ?? []);
  return {
    outputs: network.outputs.map(({ name }) => name),
    nextBuffers: buffers.length === 0 ? undefined : concat(b, buffers, 0),
    dropouts,
  };
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
