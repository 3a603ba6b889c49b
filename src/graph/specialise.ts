/**
 * A network as its exporter wrote it, made ready for training at one input size: initializers that an exporter merged
 * because they were equal are given back their own names, sizes become numbers, and shape arithmetic is folded away.
 */
import { ConsiliumError } from "../base/index.ts";
import { createGraphBuilder, type GraphBuilder } from "./builder.ts";
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

/**
 * A builder that holds the graph at these input shapes.
 * @param inputShapes one entry for each input of the graph.
 * @throws ConsiliumError `shape-mismatch` where a fixed size of the file is another.
 */
export function specialise(
  graph: Graph,
  inputShapes: Readonly<Record<string, readonly number[]>>,
  prefix = "",
): GraphBuilder {
  const builder = createGraphBuilder(graph.opset, prefix);
  for (const { name, dtype, shape } of graph.inputs) {
    const given = inputShapes[name];
    const fits = given?.length === shape.length && shape.every((dim, i) => typeof dim === "string" || dim === given[i]);
    if (!fits) {
      throw new ConsiliumError("shape-mismatch", {
        subject: `input ${name}`,
        expected: `[${shape.join(", ")}]`,
        actual: given === undefined ? "no shape" : `[${given.join(", ")}]`,
        hint: "Give every input of the network a shape that fits, or export it with dynamic axes.",
      });
    }
    builder.input(name, dtype, given);
  }
  for (const [name, tensor] of graph.initializers) builder.weight(name, tensor);
  for (const node of graph.nodes) builder.append(node);
  return builder;
}
