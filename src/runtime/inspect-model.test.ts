/** A network that trains, one whose gradients do not pass, one with operators from elsewhere, one of another size. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { attr, encodeOnnx, float32Tensor, type Graph, type GraphNode, type Tensor } from "../graph/index.ts";
import { inspectModel, type ModelInspection } from "./inspect-model.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "consilium-inspect-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const WEIGHT = float32Tensor([3, 2, 3, 3], new Float32Array(54).fill(0.1));
const CONV: GraphNode = {
  opType: "Conv",
  name: "first",
  inputs: ["x", "w", "b"],
  outputs: ["h"],
  attributes: { pads: attr.ints([1, 1, 1, 1]) },
};

function inspect(
  nodes: readonly GraphNode[],
  inputShape?: readonly number[],
  change: Partial<Graph> = {},
): ModelInspection {
  const graph: Graph = {
    name: "net",
    opset: 17,
    inputs: [{ name: "x", dtype: "float32", shape: ["N", 2, "H", "W"] }],
    outputs: [{ name: "y", dtype: "float32", shape: ["N", 3, "H", "W"] }],
    initializers: new Map([
      ["w", WEIGHT],
      ["b", float32Tensor([3], [1, 2, 3])],
    ]),
    nodes,
    ...change,
  };
  const path = join(folder, "net.onnx");
  writeFileSync(path, encodeOnnx(graph));
  return inspectModel(path, inputShape);
}

const relu: GraphNode = { opType: "Relu", name: "last", inputs: ["h"], outputs: ["y"], attributes: {} };

it("a network that trains: parameters, multiply-adds, memory", () => {
  const { trainable, network, inputShape, obstacles, opset } = inspect([CONV, relu], [2, 2, 8, 10]);
  expect({ trainable, obstacles, opset, inputShape }).toEqual({
    trainable: true,
    obstacles: [],
    opset: 17,
    inputShape: [2, 2, 8, 10],
  });
  expect(network?.operators).toEqual({ Conv: 1, Relu: 1 });
  expect(network?.parameters).toEqual({ tensors: 2, values: 57 });
  const forward = 2 * 3 * 8 * 10 * 2 * 9;
  expect(network?.cost?.forwardMultiplyAdds).toBe(forward);
  // of the gradients, that by the weight: nobody asks for the one by the image
  expect(network?.cost?.stepMultiplyAdds).toBe(2 * forward);
  expect(network?.cost?.outputShape).toEqual([2, 3, 8, 10]);
  expect(network?.cost?.stepPeakBytes).toBeGreaterThan(network?.cost?.forwardPeakBytes ?? Number.POSITIVE_INFINITY);
});

it("sizes that the network leaves open are one case of 64", () => {
  expect(inspect([CONV, relu]).inputShape).toEqual([1, 2, 64, 64]);
});

it("every node that a gradient cannot pass, with operator, node and tensors", () => {
  const nodes: GraphNode[] = [
    CONV,
    {
      opType: "Resize",
      name: "up",
      inputs: ["h", "", "s"],
      outputs: ["i"],
      attributes: { mode: attr.string("linear"), antialias: attr.int(1) },
    },
    {
      opType: "ScatterND",
      name: "put",
      inputs: ["i", "at", "v"],
      outputs: ["y"],
      attributes: { reduction: attr.string("max") },
    },
  ];
  const { trainable, obstacles, network } = inspect(nodes, [1, 2, 4, 4], {
    opset: 18,
    initializers: new Map<string, Tensor>([
      ["w", WEIGHT],
      ["b", float32Tensor([3], [1, 2, 3])],
      ["/s", float32Tensor([4], [1, 1, 0.5, 0.5])],
      ["/at", { dtype: "int64", shape: [1, 1], data: BigInt64Array.of(0n) }],
      ["/v", float32Tensor([1, 3, 2, 2], new Float32Array(12))],
    ]),
    nodes: nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map((n) => (["s", "at", "v"].includes(n) ? `/${n}` : n)),
    })),
  });
  expect(trainable).toBe(false);
  expect(obstacles).toEqual([
    {
      code: "gradient-unsupported",
      where: "ScatterND put, needed for y",
      what: "expected reduction none or add, got reduction max",
    },
    { code: "gradient-unsupported", where: "Resize up, needed for i", what: "expected antialias 0, got antialias 1" },
  ]);
  expect(network?.cost).toBeDefined();
});

it("every operator that is not known", () => {
  const foreign = { ...relu, opType: "NonMaxSuppression" as GraphNode["opType"] };
  const { trainable, obstacles, network } = inspect([CONV, foreign]);
  expect({ trainable, network }).toEqual({ trainable: false, network: undefined });
  expect(obstacles).toEqual([
    {
      code: "operator-unsupported",
      where: "NonMaxSuppression last, needed for y",
      what: "no rule for the operator",
    },
  ]);
});

it("an input that the network does not take", () => {
  const { trainable, obstacles, network } = inspect([CONV, relu], [1, 3, 8, 8]);
  expect(trainable).toBe(false);
  expect(obstacles).toEqual([
    { code: "shape-mismatch", where: "input x", what: "expected [N, 2, H, W], got [1, 3, 8, 8]" },
  ]);
  expect(network?.cost).toBeUndefined();
});

it("parameters that an exporter may have merged are noted, and shared weights of different values are not", () => {
  const second: GraphNode = { ...CONV, name: "second", inputs: ["h", "v", "b"], outputs: ["y"] };
  const initializers = (bias: readonly number[]): Graph["initializers"] =>
    new Map([
      ["w", WEIGHT],
      ["v", float32Tensor([3, 3, 3, 3], new Float32Array(81).fill(0.1))],
      ["b", float32Tensor([3], bias)],
    ]);
  const notes = (bias: readonly number[]) =>
    inspect([CONV, second], [1, 2, 8, 8], { initializers: initializers(bias) }).network?.notes;
  expect(notes([1, 1, 1])).toEqual([
    expect.stringMatching(/share one parameter each of equal values \(b\).*optimize=False/),
  ]);
  expect(notes([1, 2, 3])).toEqual([]);
});
