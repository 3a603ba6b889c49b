/** A network's forward graph laid into a builder, with its parameters cut from one vector. */
import { ConsiliumError } from "../base/index.ts";
import type { Graph, GraphBuilder, GraphNode, ParameterLayout } from "../graph/index.ts";
import { STEP } from "./step-names.ts";

/**
 * Operator sets 13 to 15 are taken as 16: for the operators that the product knows it only adds types and attributes
 * whose defaults are what the older sets do, and it brings the scattering sums that gradients of picks are made of.
 */
export function stepOpset(network: Graph): number {
  return Math.max(network.opset, 16);
}

/** The forward graph with its parameters cut from one vector; returns the names of its outputs. */
export function layForward(
  b: GraphBuilder,
  network: Graph,
  layout: ParameterLayout,
  inputShape: readonly number[],
): readonly string[] {
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
  return network.outputs.map(({ name }) => name);
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
