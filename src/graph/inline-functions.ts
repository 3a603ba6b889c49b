/**
 * Model-local functions (ONNX FunctionProto) written out where they are called, so that everything after reads one flat
 * list of nodes. Values inside a call are named after the call; attributes that refer to the function's own are replaced
 * by what the call gives, or by the function's default.
 */
import { clone, create } from "@bufbuild/protobuf";
import { ConsiliumError } from "../base/index.ts";
import {
  type AttributeProto,
  AttributeProtoSchema,
  type FunctionProto,
  type ModelProto,
  type NodeProto,
  NodeProtoSchema,
} from "./gen/onnx/onnx_pb.ts";

/** ONNX forbids functions that call themselves; deeper nesting than this is taken for it. */
const DEPTH = 32;
/** Calls inside calls can name exponentially many nodes with few bytes. */
const NODES = 1_000_000;

/** The default domain has two spellings. */
export function domainOf(domain: string): string {
  return domain === "ai.onnx" ? "" : domain;
}

/** @throws ConsiliumError `onnx-unsupported` for functions that do not end or need another operator set. */
export function inlineFunctions(model: ModelProto, subject: string): readonly NodeProto[] {
  const functions = new Map(model.functions.map((f) => [keyOf(f.domain, f.name, f.overload), f]));
  const nodes: NodeProto[] = [];
  const expand = (node: NodeProto, depth: number): void => {
    const called = functions.get(keyOf(node.domain, node.opType, node.overload));
    if (called === undefined) {
      nodes.push(node);
      if (nodes.length > NODES) throw endless(subject, node);
      return;
    }
    if (depth === 0) throw endless(subject, node);
    expectSameOpset(model, called, subject);
    for (const inner of bodyOf(called, node)) expand(inner, depth - 1);
  };
  for (const node of model.graph?.node ?? []) expand(node, DEPTH);
  return nodes;
}

function keyOf(domain: string, name: string, overload: string): string {
  return JSON.stringify([domainOf(domain), name, overload]);
}

/** The function's nodes under the call's names: parameters are the call's own values, all others are new. */
function bodyOf(called: FunctionProto, call: NodeProto): NodeProto[] {
  const scope = call.output.find((name) => name !== "") ?? call.name;
  const names = new Map<string, string>([["", ""]]);
  called.output.forEach((name, i) => {
    if (call.output[i]) names.set(name, call.output[i]);
  });
  called.input.forEach((name, i) => names.set(name, call.input[i] ?? ""));
  const rename = (name: string): string => names.get(name) ?? `${scope}::${name}`;
  const given = new Map([...called.attributeProto, ...call.attribute].map((attribute) => [attribute.name, attribute]));
  // an input that is handed on as an output needs a node between the two names
  const handedOn = called.output.flatMap((name, i): NodeProto[] =>
    called.input.includes(name) && call.output[i]
      ? [create(NodeProtoSchema, { opType: "Identity", input: [rename(name)], output: [call.output[i]] })]
      : [],
  );
  const body = called.node.map((node) =>
    create(NodeProtoSchema, {
      opType: node.opType,
      domain: node.domain,
      overload: node.overload,
      name: `${call.name || scope}/${node.name || node.output[0]}`,
      input: node.input.map(rename),
      output: node.output.map(rename),
      attribute: node.attribute.flatMap((attribute) => resolveAttribute(attribute, given)),
    }),
  );
  return [...body, ...handedOn];
}

function resolveAttribute(attribute: AttributeProto, given: ReadonlyMap<string, AttributeProto>): AttributeProto[] {
  if (attribute.refAttrName === "") return [attribute];
  const value = given.get(attribute.refAttrName);
  return value === undefined ? [] : [Object.assign(clone(AttributeProtoSchema, value), { name: attribute.name })];
}

function expectSameOpset(model: ModelProto, called: FunctionProto, subject: string): void {
  const version = (entries: readonly { domain: string; version: bigint }[]): bigint | undefined =>
    entries.find((entry) => domainOf(entry.domain) === "")?.version;
  const [own, whole] = [version(called.opsetImport), version(model.opsetImport)];
  if (own === undefined || own === whole) return;
  throw new ConsiliumError("onnx-unsupported", {
    subject: `${subject}, function ${called.domain}.${called.name}`,
    expected: `the model's operator set ${whole}`,
    actual: `operator set ${own}`,
    hint: "Export the network again with one operator set, or with its functions inlined.",
  });
}

function endless(subject: string, node: NodeProto): ConsiliumError {
  return new ConsiliumError("onnx-unsupported", {
    subject: `${subject}, node ${node.name || node.output[0]}`,
    expected: `functions nested at most ${DEPTH} deep that make at most ${NODES} nodes`,
    actual: `more, at ${node.domain}.${node.opType}`,
    hint: "A function may not call itself: export the network again.",
  });
}
