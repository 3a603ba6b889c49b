/**
 * ONNX files to graphs and back (onnx.proto, IR version 3 to 10). Only what networks and training steps need is
 * kept; functions of the model are written out where they are called. What could change a result and is not understood
 * is refused, never dropped.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ConsiliumError } from "../base/index.ts";
import {
  type AttributeProto,
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "./gen/onnx/onnx_pb.ts";
import type { Attribute, Dim, Graph, GraphNode, ValueInfo } from "./graph.ts";
import { domainOf, inlineFunctions } from "./inline-functions.ts";
import { isOpType, type OpType } from "./op-types.ts";
import { withoutSequences } from "./sequence-splits.ts";
import { ARRAY_BY_TYPE, type DataType, elementCount, type Tensor, tensorValues } from "./tensor.ts";

const IR_VERSION = 8n;
const OPSET_RANGE = { from: 13, to: 21 } as const;

/** TensorProto.DataType of the types that the product computes with. */
const TYPE_NUMBER: Readonly<Record<DataType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
};
const TYPE_BY_NUMBER = new Map(Object.entries(TYPE_NUMBER).map(([type, number]) => [number, type as DataType]));

/**
 * Hands out bytes that a tensor keeps in another file: from an offset on, so many or to the file's end.
 * @throws ConsiliumError where it may not or cannot be read.
 */
export type ExternalReader = (location: string, offset: number, length: number | undefined) => Uint8Array;

/** A node of a model whose operator the product does not know. */
export interface UnknownOperator {
  /** With its domain, where that is not ONNX's own. */
  readonly operator: string;
  readonly node: string;
  readonly outputs: readonly string[];
}

/**
 * @param external reads weights beside the model; without it only weights inside the bytes are accepted.
 * @throws ConsiliumError `onnx-corrupt` for bytes that are no ONNX model, `onnx-unsupported` for what is outside
 *   the product's reach (other types, weights elsewhere), `operator-unsupported` for an unknown operator.
 */
export function decodeOnnx(bytes: Uint8Array, subject: string, external?: ExternalReader): Graph {
  const { model, opset } = decodeModel(bytes, subject);
  const nodes = flatNodes(model, subject);
  const unknown = unknownAmong(nodes);
  if (unknown.length > 0) {
    const [{ operator, node, outputs }] = unknown;
    const others = unknown.length === 1 ? "" : ` (and ${unknown.length - 1} other nodes like it)`;
    throw new ConsiliumError("operator-unsupported", {
      subject: `${subject}, node ${node}`,
      expected: "an operator that this version has rules for",
      actual: `${operator}${others}`,
      hint: `It is needed for ${outputs.join(", ")}. Export the network without it, or ask for a rule.`,
    });
  }
  return decodeGraph(model.graph as GraphProto, nodes, opset, { subject, external });
}

/**
 * Every node of a model that stands in the way of reading it, in the graph's order.
 * @throws ConsiliumError as `decodeOnnx`, but for unknown operators.
 */
export function unknownOperators(bytes: Uint8Array, subject: string): readonly UnknownOperator[] {
  return unknownAmong(flatNodes(decodeModel(bytes, subject).model, subject));
}

/** One list of nodes: functions written out, sequences of pieces resolved. */
function flatNodes(model: ModelProto, subject: string): readonly NodeProto[] {
  const nodes = inlineFunctions(model, subject);
  const tensors = new Map((model.graph?.initializer ?? []).map((tensor) => [tensor.name, tensor]));
  const constants = new Map(nodes.filter(({ opType }) => opType === "Constant").map((node) => [node.output[0], node]));
  return withoutSequences(nodes, (name) => {
    const attribute = constants.get(name)?.attribute[0];
    if (attribute?.name === "value_int") return [Number(attribute.i)];
    if (attribute?.name === "value_ints") return attribute.ints.map(Number);
    const tensor = attribute?.t ?? tensors.get(name);
    if (tensor === undefined || ![TYPE_NUMBER.int64, TYPE_NUMBER.int32].includes(tensor.dataType)) return undefined;
    return tensor.dataLocation === 1 ? undefined : tensorValues(decodeTensor(tensor, { subject, external: undefined }));
  });
}

function unknownAmong(nodes: readonly NodeProto[]): readonly UnknownOperator[] {
  return nodes
    .filter(({ domain, opType }) => domainOf(domain) !== "" || !isOpType(opType))
    .map(({ domain, opType, name, output }) => ({
      operator: domainOf(domain) === "" ? opType : `${domain}.${opType}`,
      node: name || output[0] || "(no name)",
      outputs: output,
    }));
}

function decodeModel(bytes: Uint8Array, subject: string): { model: ModelProto; opset: number } {
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw new ConsiliumError("onnx-corrupt", {
      subject,
      expected: "an ONNX model (protobuf)",
      actual: `${bytes.length} bytes that do not parse`,
      hint: "Export or copy the file again.",
      cause,
    });
  }
  if (model.graph === undefined || model.graph.node.length === 0) {
    throw new ConsiliumError("onnx-corrupt", {
      subject,
      expected: "an ONNX model with a graph",
      actual: "none",
      hint: "Check that the file is an ONNX model and not a checkpoint of another kind.",
    });
  }
  const opset = Number(model.opsetImport.find((entry) => domainOf(entry.domain) === "")?.version ?? 0);
  if (opset < OPSET_RANGE.from || opset > OPSET_RANGE.to) {
    throw unsupported(subject, `operator set ${OPSET_RANGE.from} to ${OPSET_RANGE.to}`, `operator set ${opset}`);
  }
  return { model, opset };
}

/** What decoding a tensor needs to know of the file that it is in. */
interface Source {
  readonly subject: string;
  readonly external: ExternalReader | undefined;
}

function decodeGraph(proto: GraphProto, nodes: readonly NodeProto[], opset: number, source: Source): Graph {
  const { subject } = source;
  const initializers = new Map<string, Tensor>();
  for (const tensor of proto.initializer) initializers.set(tensor.name, decodeTensor(tensor, source));
  return {
    name: proto.name,
    opset,
    inputs: proto.input.filter(({ name }) => !initializers.has(name)).map((value) => decodeValueInfo(value, subject)),
    outputs: proto.output.map((value) => decodeValueInfo(value, subject)),
    initializers,
    nodes: nodes.map(({ opType, name, input, output, attribute }): GraphNode => {
      const attributes = Object.fromEntries(attribute.map((a) => [a.name, decodeAttribute(a, source)]));
      return { opType: opType as OpType, name, inputs: input, outputs: output, attributes };
    }),
  };
}

function decodeValueInfo(proto: ValueInfoProto, subject: string): ValueInfo {
  const type = proto.type?.value;
  if (type?.case !== "tensorType") throw unsupported(subject, `a tensor for ${proto.name}`, "another kind of value");
  const shape = (type.value.shape?.dim ?? []).map((dim, axis): Dim => {
    if (dim.value.case === "dimValue") return Number(dim.value.value);
    return dim.value.case === "dimParam" && dim.value.value !== "" ? dim.value.value : `${proto.name}_${axis}`;
  });
  return { name: proto.name, dtype: dataType(type.value.elemType, proto.name, subject), shape };
}

function dataType(number: number, name: string, subject: string): DataType {
  const type = TYPE_BY_NUMBER.get(number);
  if (type === undefined) {
    throw unsupported(subject, "float, double, int32, int64, int8, uint8 or bool", `data type ${number} of ${name}`);
  }
  return type;
}

function decodeTensor(proto: TensorProto, source: Source): Tensor {
  const { subject } = source;
  const dtype = dataType(proto.dataType, proto.name, subject);
  const shape = proto.dims.map(Number);
  const data = proto.dataLocation === 1 ? externalData(proto, dtype, source) : tensorData(proto, dtype);
  if (data.length !== elementCount(shape)) {
    throw new ConsiliumError("onnx-corrupt", {
      subject: `${subject}, tensor ${proto.name}`,
      expected: `${elementCount(shape)} values for the shape [${shape.join(", ")}]`,
      actual: `${data.length}`,
      hint: "Export or copy the file again.",
    });
  }
  return { dtype, shape, data } as Tensor;
}

/** Raw little-endian data, at the beginning of a buffer of its own. */
function fromRaw(bytes: Uint8Array, dtype: DataType): Tensor["data"] {
  const Type = ARRAY_BY_TYPE[dtype];
  const whole = bytes.length - (bytes.length % Type.BYTES_PER_ELEMENT);
  return new Type(Uint8Array.from(bytes.subarray(0, whole)).buffer);
}

function externalData(proto: TensorProto, dtype: DataType, { subject, external }: Source): Tensor["data"] {
  const entries = new Map(proto.externalData.map(({ key, value }) => [key, value]));
  const location = entries.get("location");
  if (external === undefined || location === undefined) {
    throw unsupported(subject, "weights inside the file", `weights of ${proto.name} in another file`);
  }
  const length = entries.get("length");
  const bytes = external(
    location,
    Number(entries.get("offset") ?? 0),
    length === undefined ? undefined : Number(length),
  );
  return fromRaw(bytes, dtype);
}

function tensorData(proto: TensorProto, dtype: DataType): Tensor["data"] {
  if (proto.rawData.length > 0) return fromRaw(proto.rawData, dtype);
  if (dtype === "float32") return Float32Array.from(proto.floatData);
  if (dtype === "float64") return Float64Array.from(proto.doubleData);
  if (dtype === "int64") return BigInt64Array.from(proto.int64Data);
  return ARRAY_BY_TYPE[dtype].from(proto.int32Data);
}

function decodeAttribute(proto: AttributeProto, source: Source): Attribute {
  switch (proto.type) {
    case 1:
      return { kind: "float", value: proto.f };
    case 2:
      return { kind: "int", value: Number(proto.i) };
    case 3:
      return { kind: "string", value: Buffer.from(proto.s).toString("utf8") };
    case 4:
      if (proto.t === undefined) break;
      return { kind: "tensor", value: decodeTensor(proto.t, source) };
    case 6:
      return { kind: "floats", value: proto.floats };
    case 7:
      return { kind: "ints", value: proto.ints.map(Number) };
    case 8:
      return { kind: "strings", value: proto.strings.map((s) => Buffer.from(s).toString("utf8")) };
  }
  throw unsupported(source.subject, "attributes that are numbers, strings or tensors", `attribute ${proto.name}`);
}

function unsupported(subject: string, expected: string, actual: string): ConsiliumError {
  const hint = "Export the network again with float32 weights and operator set 13 to 21.";
  return new ConsiliumError("onnx-unsupported", { subject, expected, actual, hint });
}

/** ONNX bytes; tensors are written as raw little-endian data. Equal graphs give equal bytes. */
export function encodeOnnx(graph: Graph, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  const model = create(ModelProtoSchema, {
    irVersion: IR_VERSION,
    producerName: "consilium",
    opsetImport: [create(OperatorSetIdProtoSchema, { domain: "", version: BigInt(graph.opset) })],
    graph: create(GraphProtoSchema, {
      name: graph.name,
      node: graph.nodes.map((node) =>
        create(NodeProtoSchema, {
          name: node.name,
          opType: node.opType,
          input: [...node.inputs],
          output: [...node.outputs],
          attribute: Object.entries(node.attributes).map(([name, value]) => encodeAttribute(name, value)),
        }),
      ),
      initializer: [...graph.initializers].map(([name, tensor]) => encodeTensor(name, tensor)),
      input: graph.inputs.map(encodeValueInfo),
      output: graph.outputs.map(encodeValueInfo),
    }),
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  });
  return toBinary(ModelProtoSchema, model);
}

function encodeValueInfo({ name, dtype, shape }: ValueInfo): ValueInfoProto {
  const dim = shape.map((size) => ({
    value:
      typeof size === "number"
        ? { case: "dimValue" as const, value: BigInt(size) }
        : { case: "dimParam" as const, value: size },
  }));
  const tensorType = { elemType: TYPE_NUMBER[dtype], shape: { dim } };
  return create(ValueInfoProtoSchema, { name, type: { value: { case: "tensorType", value: tensorType } } });
}

function encodeTensor(name: string, { dtype, shape, data }: Tensor): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dataType: TYPE_NUMBER[dtype],
    dims: shape.map(BigInt),
    rawData: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength),
  });
}

function encodeAttribute(name: string, attribute: Attribute): AttributeProto {
  switch (attribute.kind) {
    case "float":
      return create(AttributeProtoSchema, { name, type: 1, f: attribute.value });
    case "int":
      return create(AttributeProtoSchema, { name, type: 2, i: BigInt(attribute.value) });
    case "string":
      return create(AttributeProtoSchema, { name, type: 3, s: Buffer.from(attribute.value) });
    case "tensor":
      return create(AttributeProtoSchema, { name, type: 4, t: encodeTensor("", attribute.value) });
    case "floats":
      return create(AttributeProtoSchema, { name, type: 6, floats: [...attribute.value] });
    case "ints":
      return create(AttributeProtoSchema, { name, type: 7, ints: attribute.value.map(BigInt) });
    case "strings":
      return create(AttributeProtoSchema, { name, type: 8, strings: attribute.value.map((s) => Buffer.from(s)) });
  }
}
