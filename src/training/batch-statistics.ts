/**
 * BatchNormalization with frozen statistics, or with those of each batch and running statistics beside them (ONNX
 * BatchNormalization 15, `training_mode`; Ioffe and Szegedy 2015), and what of it stays in a network that predicts.
 *
 * Running statistics are buffers among the parameters: every forward pass of training moves them, no gradient does.
 * Whether they are averaged over the sites or stay at each is the site's round's affair (`segmentation/local-round.ts`).
 * As PyTorch, and not as ONNX says, the running variance takes the batch's unbiased one.
 */
import { ConsiliumError } from "../base/index.ts";
import {
  attr,
  describeNode,
  elementCount,
  floatAttribute,
  type Graph,
  type GraphBuilder,
  type GraphNode,
  intAttribute,
} from "../graph/index.ts";
import type { TrainingSpec } from "../study/index.ts";
import { withScalar } from "./gradient-context.ts";

/** Whether the node's norm is that of each batch. */
export function usesBatchStatistics(node: GraphNode): boolean {
  return node.opType === "BatchNormalization" && intAttribute(node, "training_mode", 0) === 1;
}

/**
 * Names of the running means and variances that training moves.
 * @throws ConsiliumError `onnx-unsupported` where they are no tensors of the network, or those of two norms at once.
 */
export function runningStatistics({ nodes, initializers }: Graph): string[] {
  const owners = new Map<string, GraphNode>();
  for (const node of nodes.filter(usesBatchStatistics)) {
    for (const name of node.inputs.slice(3, 5)) {
      const owner = owners.get(name);
      if (owner === undefined && initializers.has(name)) owners.set(name, node);
      else throw notItsOwn(node, name, owner);
    }
  }
  return [...owners.keys()];
}

/** Running means of norms over the batch whose input one of these parameters makes, each with its norm's momentum. */
export function runningMeansOf({ nodes }: Graph, parameters: ReadonlySet<string>): ReadonlyMap<string, number> {
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const behind = nodes.filter(usesBatchStatistics).filter(({ inputs: [x] }) => {
    return makers.get(x)?.inputs.some((name) => parameters.has(name)) ?? false;
  });
  return new Map(behind.map((node) => [node.inputs[3], floatAttribute(node, "momentum", 0.9)]));
}

function notItsOwn(node: GraphNode, name: string, owner: GraphNode | undefined): ConsiliumError {
  return new ConsiliumError("onnx-unsupported", {
    subject: `${describeNode(node)}, running statistics ${name}`,
    expected: "tensors of the file, each of one norm",
    actual: owner === undefined ? "computed values" : `those of ${describeNode(owner)} too`,
    hint: "Export the network in evaluation mode, or train it with frozen statistics (training.runningStatistics).",
  });
}

/** The network with the statistics that a study asks for; as its file says where the study says nothing. */
export function withBatchStatistics(network: Graph, mode: TrainingSpec["runningStatistics"]): Graph {
  if (mode === "asExported") return network;
  const isNorm = ({ opType }: GraphNode): boolean => opType === "BatchNormalization";
  if (mode === "frozen")
    return { ...network, nodes: network.nodes.map((node) => (isNorm(node) ? frozen(node) : node)) };
  const trained = (node: GraphNode): GraphNode => ({
    ...node,
    attributes: { ...node.attributes, training_mode: attr.int(1) },
  });
  if (network.nodes.some(isNorm))
    return { ...network, nodes: network.nodes.map((node) => (isNorm(node) ? trained(node) : node)) };
  throw new ConsiliumError("study-invalid", {
    subject: "training.runningStatistics",
    expected: "a network with BatchNormalization",
    actual: `${mode} for network ${network.name}, which has none`,
    hint: "Leave the key out.",
  });
}

/** The network as it predicts: frozen statistics, nothing dropped. */
export function inferenceForm(network: Graph): Graph {
  return { ...network, nodes: network.nodes.map(inferenceNode) };
}

/** One node of it. */
export function inferenceNode(node: GraphNode): GraphNode {
  if (usesBatchStatistics(node)) return frozen(node);
  return node.opType === "Dropout" ? { ...node, inputs: node.inputs.slice(0, 1) } : node;
}

function frozen(node: GraphNode): GraphNode {
  const { training_mode: _, ...attributes } = node.attributes;
  return { ...node, attributes, outputs: node.outputs.slice(0, 1) };
}

/**
 * Appends a norm with the batch's statistics; returns the names of the next running mean and variance, by buffer:
 * momentum running + (1 - momentum) batch's, with the batch's variance n / (n - 1) times the biased one.
 *
 * ONNX Runtime writes a norm's next statistics over those that it was given. It is given some of its own, with a
 * momentum of zero, so that what comes out are the batch's.
 */
export function appendBatchNorm(b: GraphBuilder, node: GraphNode): ReadonlyMap<string, string> {
  const [x, scale, bias, mean, variance] = node.inputs;
  const shape = b.shape(x);
  const count = elementCount(shape) / shape[1];
  if (count < 2) {
    throw new ConsiliumError("shape-mismatch", {
      subject: describeNode(node),
      expected: "more than one value in each channel of a batch",
      actual: `[${shape.join(", ")}]`,
      hint: "Take a larger batch or patch: the variance of a single value says nothing.",
    });
  }
  const own = [mean, variance].map((name) => b.emit("Sub", [name, name]));
  const names = [node.outputs[1] || `${node.outputs[0]}.mean`, node.outputs[2] || `${node.outputs[0]}.variance`];
  b.append({
    ...node,
    inputs: [x, scale, bias, ...own],
    outputs: [node.outputs[0], ...names],
    attributes: { ...node.attributes, momentum: attr.float(0) },
  });
  const momentum = floatAttribute(node, "momentum", 0.9);
  const moved = (running: string, ofBatch: string, factor: number): string =>
    b.emit("Add", [withScalar(b, "Mul", running, momentum), withScalar(b, "Mul", ofBatch, (1 - momentum) * factor)]);
  return new Map([
    [mean, moved(mean, names[0], 1)],
    [variance, moved(variance, names[1], count / (count - 1))],
  ]);
}
