/** Files that exporters write in other ways: functions of the model's own, operators from elsewhere, older operator sets. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { createGraphBuilder } from "./builder.ts";
import { decodeOnnx, type ExternalReader, encodeOnnx, unknownOperators } from "./codec.ts";
import {
  type AttributeProto,
  AttributeProtoSchema,
  FunctionProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
} from "./gen/onnx/onnx_pb.ts";
import { attr, type Graph } from "./graph.ts";
import { float32Tensor, type Tensor, tensorValues } from "./tensor.ts";

const PLAIN: Graph = {
  name: "plain",
  opset: 18,
  inputs: [{ name: "x", dtype: "float32", shape: [2] }],
  outputs: [{ name: "y", dtype: "float32", shape: [2] }],
  initializers: new Map(),
  nodes: [{ opType: "Relu", name: "", inputs: ["x"], outputs: ["y"], attributes: {} }],
};

function node(
  opType: string,
  input: string[],
  output: string[],
  domain = "",
  attribute: AttributeProto[] = [],
): NodeProto {
  return create(NodeProtoSchema, { opType, input, output, domain, attribute });
}

/** The plain model with other nodes and with functions. */
function modelOf(nodes: readonly NodeProto[], change: (model: ModelProto) => void = () => {}): Uint8Array {
  const model = fromBinary(ModelProtoSchema, encodeOnnx(PLAIN));
  if (model.graph) model.graph.node = [...nodes];
  change(model);
  return toBinary(ModelProtoSchema, model);
}

const float = (name: string, f: number): AttributeProto => create(AttributeProtoSchema, { name, type: 1, f });
const reference = (name: string, refAttrName: string): AttributeProto =>
  create(AttributeProtoSchema, { name, refAttrName, type: 1 });
const opset = (version: number) => [create(OperatorSetIdProtoSchema, { domain: "", version: BigInt(version) })];

/** leaky(a) = LeakyRelu(a, alpha = slope, by default 0.3); twice(a) = leaky(leaky(a, 0.5)). */
const LEAKY = create(FunctionProtoSchema, {
  name: "leaky",
  domain: "own",
  input: ["a"],
  output: ["b"],
  attribute: ["slope"],
  attributeProto: [float("slope", 0.3)],
  node: [node("LeakyRelu", ["a"], ["inner"], "", [reference("alpha", "slope")]), node("Identity", ["inner"], ["b"])],
  opsetImport: opset(18),
});
const TWICE = create(FunctionProtoSchema, {
  name: "twice",
  domain: "own",
  input: ["a"],
  output: ["c"],
  node: [node("leaky", ["a"], ["m"], "own", [float("slope", 0.5)]), node("leaky", ["m"], ["c"], "own")],
  opsetImport: opset(18),
});

describe("functions of the model", () => {
  it("are written out where they are called, with their attributes", () => {
    const bytes = modelOf([node("twice", ["x"], ["h"], "own"), node("twice", ["h"], ["y"], "own")], (model) => {
      model.functions = [LEAKY, TWICE];
    });
    const { nodes } = decodeOnnx(bytes, "test");
    expect(nodes.map(({ opType }) => opType)).toEqual(
      Array.from({ length: 4 }, () => ["LeakyRelu", "Identity"]).flat(),
    );
    const slopes = nodes.flatMap(({ attributes }) => attributes.alpha?.value ?? []);
    expect(slopes.map((value) => Number(value).toFixed(1))).toEqual(["0.5", "0.3", "0.5", "0.3"]);
    const outputs = nodes.flatMap((each) => each.outputs);
    expect(new Set(outputs).size).toBe(8);
    expect([nodes[0].inputs, outputs.at(-1), nodes[4].inputs]).toEqual([["x"], "y", ["h"]]);
  });

  it("may leave inputs out and hand inputs on", () => {
    const through = create(FunctionProtoSchema, { name: "through", domain: "own", input: ["a", "b"], output: ["a"] });
    const limit = create(FunctionProtoSchema, {
      name: "limit",
      domain: "own",
      input: ["a", "low"],
      output: ["c"],
      node: [node("Clip", ["a", "low"], ["c"])],
    });
    const bytes = modelOf([node("limit", ["x"], ["h"], "own"), node("through", ["h"], ["y"], "own")], (model) => {
      model.functions = [through, limit];
    });
    const { nodes } = decodeOnnx(bytes, "test");
    expect(nodes.map(({ opType, inputs, outputs }) => [opType, inputs, outputs])).toEqual([
      ["Clip", ["x", ""], ["h"]],
      ["Identity", ["h"], ["y"]],
    ]);
  });

  it("that call themselves, or grow without end, are refused", () => {
    const self = create(FunctionProtoSchema, {
      name: "self",
      domain: "own",
      input: ["a"],
      output: ["b"],
      node: [node("self", ["a"], ["m"], "own"), node("self", ["m"], ["b"], "own")],
    });
    const bytes = modelOf([node("self", ["x"], ["y"], "own")], (model) => {
      model.functions = [self];
    });
    expect(() => decodeOnnx(bytes, "test")).toThrow(/\[onnx-unsupported\] test, node .* nested at most 32 deep/);
  });

  it("of another operator set are refused", () => {
    const bytes = modelOf([node("leaky", ["x"], ["y"], "own")], (model) => {
      model.functions = [{ ...LEAKY, opsetImport: opset(15) }];
    });
    expect(() => decodeOnnx(bytes, "test")).toThrow(/function own.leaky: expected .* set 18, got operator set 15/);
  });
});

describe("weights in another file", () => {
  const WEIGHT = float32Tensor([2, 2], [1, -2, 3, 0.5]);
  const inside: Graph = { ...PLAIN, initializers: new Map([["w", WEIGHT]]) };
  const pointingTo = (entries: Readonly<Record<string, string>>): Uint8Array => {
    const model = fromBinary(ModelProtoSchema, encodeOnnx(inside));
    for (const tensor of model.graph?.initializer ?? []) {
      tensor.rawData = new Uint8Array();
      tensor.dataLocation = 1;
      tensor.externalData = Object.entries(entries).map(([key, value]) =>
        create(StringStringEntryProtoSchema, { key, value }),
      );
    }
    return toBinary(ModelProtoSchema, model);
  };
  const bytesOf = new Uint8Array(WEIGHT.data.buffer);

  it("are asked for by file, offset and length", () => {
    const asked: unknown[] = [];
    const reader: ExternalReader = (...place) => {
      asked.push(place);
      return bytesOf;
    };
    const { initializers } = decodeOnnx(pointingTo({ location: "w.bin", offset: "8", length: "16" }), "test", reader);
    expect(initializers.get("w")).toEqual(WEIGHT);
    decodeOnnx(pointingTo({ location: "w.bin" }), "test", reader);
    expect(asked).toEqual([
      ["w.bin", 8, 16],
      ["w.bin", 0, undefined],
    ]);
  });

  it("that are too few are refused", () => {
    const short = pointingTo({ location: "w.bin" });
    expect(() => decodeOnnx(short, "test", () => bytesOf.subarray(0, 12))).toThrow(
      /\[onnx-corrupt\] test, tensor w: expected 4 values .* got 3/,
    );
  });

  it("are refused where only bytes are at hand, as for a study's network", () => {
    expect(() => decodeOnnx(pointingTo({ location: "w.bin" }), "test")).toThrow(
      /\[onnx-unsupported\] test: expected weights inside the file, got weights of w in another file/,
    );
  });
});

describe("what the product has no rules for", () => {
  const bytes = modelOf([
    node("Relu", ["x"], ["h"]),
    node("FancyNorm", ["h"], ["i"], "com.vendor"),
    node("Loop", ["i"], ["y"]),
  ]);

  it("is refused by operator, node and tensors", () => {
    expect(() => decodeOnnx(bytes, "test")).toThrow(
      /\[operator-unsupported\] test, node i: .* got com.vendor.FancyNorm \(and 1 other nodes like it\). It is needed for i/,
    );
  });

  it("is listed in full", () => {
    expect(unknownOperators(bytes, "test")).toEqual([
      { operator: "com.vendor.FancyNorm", node: "i", outputs: ["i"] },
      { operator: "Loop", node: "y", outputs: ["y"] },
    ]);
  });

  it("includes operator sets before 13, whose Softmax means something else", () => {
    const old = modelOf([node("Softmax", ["x"], ["y"])], (model) => {
      model.opsetImport = opset(12);
    });
    expect(() => decodeOnnx(old, "test")).toThrow(/expected operator set 13 to 21, got operator set 12/);
  });
});

describe("pieces of a sequence, as the dynamo exporter writes splits", () => {
  const int = (name: string, value: number): NodeProto["attribute"][number] =>
    create(AttributeProtoSchema, { name, type: 2, i: BigInt(value) });
  const ints = (name: string, values: readonly number[]): NodeProto =>
    Object.assign(node("Constant", [], [name]), {
      attribute: [create(AttributeProtoSchema, { name: "value_ints", type: 7, ints: values.map(BigInt) })],
    });
  const number = (name: string, value: number): NodeProto =>
    Object.assign(node("Constant", [], [name]), { attribute: [int("value_int", value)] });
  const split = (inputs: string[], ...attributes: NodeProto["attribute"]): NodeProto =>
    Object.assign(node("SplitToSequence", inputs, ["pieces"]), { attribute: attributes });
  const piece = (index: number, splitNode: NodeProto, ...before: NodeProto[]): number[] => {
    const bytes = modelOf([...before, splitNode, number("at", index), node("SequenceAt", ["pieces", "at"], ["y"])]);
    const { nodes } = decodeOnnx(bytes, "test");
    expect(nodes.map(({ opType }) => opType)).not.toContain("SequenceAt");
    const b = createGraphBuilder(18);
    b.constant(float32Tensor([1, 5], [0, 1, 2, 3, 4]), "x");
    for (const each of nodes) b.append(each);
    const { value, shape } = b.fact("y");
    expect(shape).toEqual(value?.shape);
    return [...tensorValues(value as Tensor)];
  };

  it("are slices where sizes and numbers are constants", () => {
    const sizes = ints("sizes", [1, 3, 1]);
    const axis = int("axis", 1);
    expect(piece(0, split(["x", "sizes"], axis), sizes)).toEqual([0]);
    expect(piece(1, split(["x", "sizes"], axis), sizes)).toEqual([1, 2, 3]);
    expect(piece(-1, split(["x", "sizes"], axis), sizes)).toEqual([4]);
    expect(piece(2, split(["x", "two"], axis), number("two", 2))).toEqual([4]);
    expect(piece(1, split(["x"], axis))).toEqual([1]);
    expect(piece(3, split(["x"], axis, int("keepdims", 0)))).toEqual([3]);
  });

  it("are refused by name where they are not", () => {
    const bytes = modelOf([
      split(["x", "h"], int("axis", 1)),
      number("at", 0),
      node("SequenceAt", ["pieces", "at"], ["y"]),
    ]);
    expect(() => decodeOnnx(bytes, "test")).toThrow(/\[operator-unsupported\].*got SplitToSequence \(and 1 other/);
    const beyond = modelOf([
      ints("sizes", [1, 4]),
      split(["x", "sizes"], int("axis", 1)),
      number("at", 2),
      node("SequenceAt", ["pieces", "at"], ["y"]),
    ]);
    expect(() => decodeOnnx(beyond, "test")).toThrow(/\[operator-unsupported\]/);
  });
});

it("the largest and smallest whole numbers of an attribute stay what they are", () => {
  const b = createGraphBuilder(18);
  for (const value of [2 ** 63, -(2 ** 63)]) {
    const one = b.emit("Constant", [], { value_int: attr.int(value) });
    const several = b.emit("Constant", [], { value_ints: attr.ints([value]) });
    for (const name of [one, several]) expect(tensorValues(b.fact(name).value as Tensor)).toEqual([value]);
  }
});
