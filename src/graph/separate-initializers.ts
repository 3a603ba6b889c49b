/** A network as its exporter wrote it, made ready for training. */
import type { Graph } from "./graph.ts";
import type { Tensor } from "./tensor.ts";

/**
 * PyTorch's exporter stores equal initial values once and lets an Identity node stand for every other parameter
 * (`Identity(initializer) -> parameter name`). Trained, they are different parameters again.
 */
export function separateMergedInitializers(graph: Graph): Graph {
  const initializers = new Map<string, Tensor>(graph.initializers);
  const nodes = graph.nodes.filter((node) => {
    const source = node.opType === "Identity" ? graph.initializers.get(node.inputs[0]) : undefined;
    if (source === undefined) return true;
    initializers.set(node.outputs[0], { ...source, data: source.data.slice() } as Tensor);
    return false;
  });
  return { ...graph, initializers, nodes };
}
