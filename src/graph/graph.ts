/**
 * ONNX graphs as readonly records. Nodes are plain data; passes are functions from graph to graph; nothing is
 * registered anywhere. Nodes stand in topological order and every name is defined once (static single assignment),
 * which `checkGraph` verifies.
 */
import type { OpType } from "./op-types.ts";
import type { DataType, Tensor } from "./tensor.ts";

/** A size, or the name of one that is only known when the graph runs. */
export type Dim = number | string;

export interface ValueInfo {
  readonly name: string;
  readonly dtype: DataType;
  readonly shape: readonly Dim[];
}

export type Attribute =
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "int"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "floats"; readonly value: readonly number[] }
  | { readonly kind: "ints"; readonly value: readonly number[] }
  | { readonly kind: "strings"; readonly value: readonly string[] }
  | { readonly kind: "tensor"; readonly value: Tensor };

export type Attributes = Readonly<Record<string, Attribute>>;

export interface GraphNode {
  readonly opType: OpType;
  /** For messages; may be empty. */
  readonly name: string;
  /** An empty name is an optional input that is absent. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes;
}

export interface Graph {
  readonly name: string;
  /** Version of the default operator set. */
  readonly opset: number;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers: ReadonlyMap<string, Tensor>;
  readonly nodes: readonly GraphNode[];
}

export function intAttribute(node: GraphNode, name: string, otherwise: number): number {
  const attribute = node.attributes[name];
  return attribute?.kind === "int" ? attribute.value : otherwise;
}

export function floatAttribute(node: GraphNode, name: string, otherwise: number): number {
  const attribute = node.attributes[name];
  return attribute?.kind === "float" ? attribute.value : otherwise;
}

export function stringAttribute(node: GraphNode, name: string, otherwise: string): string {
  const attribute = node.attributes[name];
  return attribute?.kind === "string" ? attribute.value : otherwise;
}

export function intsAttribute(node: GraphNode, name: string): readonly number[] | undefined {
  const attribute = node.attributes[name];
  return attribute?.kind === "ints" ? attribute.value : undefined;
}

/** Attributes from plain values: whole numbers in `ints`, others as written by `float`. */
export const attr = {
  int: (value: number): Attribute => ({ kind: "int", value }),
  float: (value: number): Attribute => ({ kind: "float", value }),
  string: (value: string): Attribute => ({ kind: "string", value }),
  ints: (value: readonly number[]): Attribute => ({ kind: "ints", value }),
} as const;

/** How messages name a node. */
export function describeNode(node: GraphNode): string {
  return `${node.opType} ${node.name || node.outputs[0] || "(no name)"}`;
}
