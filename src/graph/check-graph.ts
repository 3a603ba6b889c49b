/** The checker that runs after every pass: names defined once and before use, outputs present, arity plausible. */
import { ConsiliumError } from "../base/index.ts";
import { describeNode, type Graph } from "./graph.ts";

/** @throws ConsiliumError `graph-invalid` naming the node and the value. */
export function checkGraph(graph: Graph): Graph {
  const defined = new Set<string>();
  const define = (name: string, by: string): void => {
    if (defined.has(name)) throw invalid(by, `${name} defined once`, "a second definition");
    defined.add(name);
  };
  for (const { name } of graph.inputs) define(name, "graph inputs");
  for (const name of graph.initializers.keys()) define(name, "initializers");
  for (const node of graph.nodes) {
    for (const name of node.inputs) {
      if (name !== "" && !defined.has(name))
        throw invalid(describeNode(node), `${name} defined before its use`, "none");
    }
    if (node.outputs.length === 0) throw invalid(describeNode(node), "at least one output", "none");
    for (const name of node.outputs) if (name !== "") define(name, describeNode(node));
  }
  for (const { name } of graph.outputs) {
    if (!defined.has(name)) throw invalid("graph outputs", `a definition of ${name}`, "none");
  }
  return graph;
}

function invalid(subject: string, expected: string, actual: string): ConsiliumError {
  const hint = "The graph is not valid ONNX: export the network again.";
  return new ConsiliumError("graph-invalid", { subject, expected, actual, hint });
}
