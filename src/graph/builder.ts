/**
 * Builds a graph node by node, inferring types and shapes as it goes and computing at once what is already known.
 * The builder is the one mutable thing in this folder; it lives inside a pass and ends in a readonly graph.
 */
import { ConsiliumError, invariant } from "../base/index.ts";
import { foldConstant } from "./constant-rules.ts";
import { type Attributes, describeNode, type Graph, type GraphNode, type ValueInfo } from "./graph.ts";
import type { Fact } from "./node-readings.ts";
import type { OpType } from "./op-types.ts";
import { SHAPE_RULES } from "./shape-rules.ts";
import { type DataType, elementCount, int64Tensor, type Tensor } from "./tensor.ts";

/** Integer initializers up to this size are read as shape arithmetic. */
const KNOWN_ELEMENTS = 4096;

export interface GraphBuilder {
  readonly opset: number;
  input(name: string, dtype: DataType, shape: readonly number[]): string;
  /** A tensor that may be replaced later (a weight): its value is not folded into anything. */
  weight(name: string, tensor: Tensor): string;
  /** A tensor that is what it is; equal constants share one name. */
  constant(tensor: Tensor, name?: string): string;
  ints(values: readonly number[]): string;
  scalar(value: number): string;
  /** Appends a node with new output names and returns the first. */
  emit(opType: OpType, inputs: readonly string[], attributes?: Attributes): string;
  emitMany(opType: OpType, inputs: readonly string[], outputs: number, attributes?: Attributes): string[];
  /** Appends a node under its own names. */
  append(node: GraphNode): void;
  fact(name: string): Fact;
  shape(name: string): readonly number[];
  /** The nodes so far, constants folded away. */
  nodes(): readonly GraphNode[];
  /** The graph with these outputs; what no output needs is left out. */
  build(name: string, outputs: readonly string[]): Graph;
}

export function createGraphBuilder(opset: number, prefix = ""): GraphBuilder {
  const facts = new Map<string, Fact>();
  const inputs: ValueInfo[] = [];
  const weights = new Map<string, Tensor>();
  const nodes: GraphNode[] = [];
  const constants = new Map<string, string>();
  let counter = 0;

  function define(name: string, fact: Fact): string {
    if (name === "" || facts.has(name)) {
      throw new ConsiliumError("graph-invalid", {
        subject: `value ${name || "(no name)"}`,
        expected: "every value defined once, under a name",
        actual: name === "" ? "no name" : "a second definition",
        hint: "Export the network again; the file is not a valid ONNX graph.",
      });
    }
    facts.set(name, fact);
    return name;
  }
  function fresh(hint: string): string {
    counter++;
    return `${prefix}${hint}_${counter}`;
  }
  function fact(name: string): Fact {
    const found = facts.get(name);
    if (found !== undefined) return found;
    throw new ConsiliumError("graph-invalid", {
      subject: `value ${name}`,
      expected: "a definition before its use",
      actual: "none",
      hint: "Export the network again; the file is not a valid ONNX graph.",
    });
  }
  function append(node: GraphNode): void {
    const known = node.inputs.map((name) => (name === "" ? undefined : fact(name)));
    const results = SHAPE_RULES[node.opType](node, known);
    invariant(results.length >= node.outputs.length, `a shape rule for every output of ${describeNode(node)}`);
    const value = node.outputs.length === 1 ? foldConstant(node, known, results[0]) : undefined;
    if (value === undefined) nodes.push(node);
    node.outputs.forEach((name, i) => {
      if (name !== "") define(name, value === undefined ? withoutValue(results[i]) : { ...results[i], value });
    });
  }
  function emitMany(opType: OpType, names: readonly string[], outputs: number, attributes: Attributes = {}): string[] {
    const base = fresh(opType);
    const made = Array.from({ length: outputs }, (_, i) => (outputs === 1 ? base : `${base}_${i}`));
    append({ opType, name: base, inputs: names, outputs: made, attributes });
    return made;
  }
  function constant(tensor: Tensor, name?: string): string {
    const key =
      name ??
      `${tensor.dtype}[${tensor.shape.join()}]${tensor.data.length <= KNOWN_ELEMENTS ? tensor.data.join() : fresh("big")}`;
    const existing = constants.get(key);
    if (existing !== undefined) return existing;
    const made = define(name ?? fresh("constant"), { dtype: tensor.dtype, shape: tensor.shape, value: tensor });
    constants.set(key, made);
    return made;
  }
  return {
    opset,
    input(name, dtype, shape) {
      inputs.push({ name, dtype, shape });
      return define(name, { dtype, shape });
    },
    weight(name, tensor) {
      weights.set(name, tensor);
      const value = tensor.dtype === "int64" && elementCount(tensor.shape) <= KNOWN_ELEMENTS ? { value: tensor } : {};
      return define(name, { dtype: tensor.dtype, shape: tensor.shape, ...value });
    },
    constant,
    ints: (values) => constant(int64Tensor([values.length], values)),
    scalar: (value) => constant({ dtype: "float32", shape: [], data: Float32Array.of(value) }),
    emit: (opType, names, attributes) => emitMany(opType, names, 1, attributes)[0],
    emitMany,
    append,
    fact,
    shape: (name) => fact(name).shape,
    nodes: () => nodes,
    build(name, outputs) {
      const live = liveNodes(nodes, outputs);
      const produced = new Set([...live.flatMap((node) => node.outputs), ...inputs.map((input) => input.name)]);
      const initializers = new Map<string, Tensor>();
      for (const used of [...live.flatMap((node) => node.inputs), ...outputs]) {
        if (used === "" || produced.has(used) || initializers.has(used)) continue;
        const tensor = weights.get(used) ?? fact(used).value;
        invariant(tensor !== undefined, `a source for ${used}`);
        initializers.set(used, tensor);
      }
      const infos = outputs.map((output): ValueInfo => {
        const { dtype, shape } = fact(output);
        return { name: output, dtype, shape };
      });
      return { name, opset, inputs, outputs: infos, initializers, nodes: live };
    },
  };
}

function withoutValue({ dtype, shape }: Fact): Fact {
  return { dtype, shape };
}

/** The nodes that the outputs need, in their order. */
export function liveNodes(nodes: readonly GraphNode[], outputs: readonly string[]): GraphNode[] {
  const needed = new Set(outputs);
  const live: GraphNode[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((name) => needed.has(name))) continue;
    for (const name of node.inputs) needed.add(name);
    live.push(node);
  }
  return live.reverse();
}
