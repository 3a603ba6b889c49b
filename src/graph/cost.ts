/**
 * What running a graph takes, read off its shapes: multiply-adds of its products and convolutions, and the bytes of
 * values that are alive at once when nodes run in their order and a value goes after its last use, as ONNX Runtime does
 * it with one node at a time. Scratch memory of kernels is not in it, so it is a lower bound.
 */
import { invariant } from "../base/index.ts";
import { createGraphBuilder } from "./builder.ts";
import { einsumEquation } from "./einsum-equation.ts";
import { type Graph, type GraphNode, intAttribute } from "./graph.ts";
import type { Fact } from "./node-readings.ts";
import type { OpType } from "./op-types.ts";
import { ARRAY_BY_TYPE, elementCount } from "./tensor.ts";

export interface GraphCost {
  readonly multiplyAdds: number;
  /** Inputs, initializers and results that are alive at once, at most. */
  readonly peakBytes: number;
  readonly nodes: number;
}

/** Results that share their input's memory. */
const VIEWS: ReadonlySet<OpType> = new Set(["Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"]);

/** Results that may take the place of an input of the same size that nothing else needs. */
const IN_PLACE: ReadonlySet<OpType> = new Set([
  "Abs",
  "Add",
  "Clip",
  "Div",
  "Elu",
  "Exp",
  "LeakyRelu",
  "Log",
  "Mul",
  "Neg",
  "Reciprocal",
  "Relu",
  "Sigmoid",
  "Sqrt",
  "Sub",
  "Tanh",
]);

/** @param graph one whose inputs have known sizes, such as a training step. */
export function graphCost(graph: Graph): GraphCost {
  const b = createGraphBuilder(graph.opset);
  for (const { name, dtype, shape } of graph.inputs) {
    b.input(
      name,
      dtype,
      shape.map((size) => {
        invariant(typeof size === "number", `a known size of input ${name}`);
        return size;
      }),
    );
  }
  for (const [name, tensor] of graph.initializers) b.constant(tensor, name);
  for (const node of graph.nodes) b.append(node);
  const nodes = b.nodes();
  const outputs = graph.outputs.map(({ name }) => name);
  const fixed = [...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()];
  return {
    multiplyAdds: nodes.reduce((sum, node) => sum + multiplyAdds(node, b.fact), 0),
    peakBytes: peakBytes(nodes, fixed, outputs, (name) => bytesOf(b.fact(name))),
    nodes: nodes.length,
  };
}

function bytesOf({ dtype, shape }: Fact): number {
  return elementCount(shape) * ARRAY_BY_TYPE[dtype].BYTES_PER_ELEMENT;
}

/** Of one node; operators that work element by element count nothing. */
export function multiplyAdds(node: GraphNode, fact: (name: string) => Fact): number {
  const shapes = node.inputs.map((name) => (name === "" ? [] : fact(name).shape));
  const output = fact(node.outputs[0]).shape;
  switch (node.opType) {
    case "Conv":
      return elementCount(output) * elementCount(shapes[1].slice(1));
    case "ConvTranspose":
      return elementCount(shapes[0]) * elementCount(shapes[1].slice(1));
    case "MatMul":
      return elementCount(output) * (shapes[0].at(-1) ?? 1);
    case "Gemm":
      return elementCount(output) * shapes[0][intAttribute(node, "transA", 0) === 1 ? 0 : 1];
    case "Einsum":
      return [...einsumEquation(node, shapes).sizes.values()].reduce((product, size) => product * size, 1);
    default:
      return 0;
  }
}

function peakBytes(
  nodes: readonly GraphNode[],
  fixed: readonly string[],
  outputs: readonly string[],
  bytes: (name: string) => number,
): number {
  const owner = new Map<string, string>();
  const ownerOf = (name: string): string => owner.get(name) ?? name;
  const lastUse = new Map<string, number>();
  nodes.forEach((node, i) => {
    if (VIEWS.has(node.opType)) owner.set(node.outputs[0], ownerOf(node.inputs[0]));
    for (const name of [...node.inputs, ...node.outputs]) if (name !== "") lastUse.set(ownerOf(name), i);
  });
  for (const name of [...fixed, ...outputs]) lastUse.set(ownerOf(name), nodes.length);
  let alive = fixed.reduce((sum, name) => sum + bytes(name), 0);
  let peak = alive;
  nodes.forEach((node, i) => {
    const own = node.outputs.filter((name) => name !== "" && ownerOf(name) === name);
    const made = own.reduce((sum, name) => sum + bytes(name), 0);
    const dying = [...new Set(node.inputs.filter((name) => name !== "").map(ownerOf))].filter(
      (name) => lastUse.get(name) === i,
    );
    const reused = IN_PLACE.has(node.opType) && dying.some((name) => bytes(name) === made) ? made : 0;
    peak = Math.max(peak, alive + made - reused);
    const unread = own.filter((name) => lastUse.get(name) === i);
    alive += made - [...dying, ...unread].reduce((sum, name) => sum + bytes(name), 0);
  });
  return peak;
}
