import { describe, expect, it } from "vitest";
import { graphCost } from "./cost.ts";
import { type Attributes, attr, type Graph, type GraphNode } from "./graph.ts";
import type { OpType } from "./op-types.ts";
import { float32Tensor, type Tensor } from "./tensor.ts";

type Row = readonly [OpType, readonly string[], string, Attributes?];

function graphOf(
  input: readonly number[],
  rows: readonly Row[],
  weights: Readonly<Record<string, Tensor>> = {},
): Graph {
  const nodes = rows.map(
    ([opType, inputs, output, attributes = {}]): GraphNode => ({
      opType,
      name: "",
      inputs,
      outputs: [output],
      attributes,
    }),
  );
  return {
    name: "test",
    opset: 17,
    inputs: [{ name: "x", dtype: "float32", shape: input }],
    outputs: [{ name: nodes[nodes.length - 1].outputs[0], dtype: "float32", shape: [] }],
    initializers: new Map(Object.entries(weights)),
    nodes,
  };
}

const weight = (...shape: number[]): Tensor => float32Tensor(shape, new Float32Array(shape.reduce((p, n) => p * n, 1)));

describe("multiply-adds", () => {
  it.each<readonly [string, readonly number[], Row, Tensor, number]>([
    ["Conv", [1, 2, 5, 5], ["Conv", ["x", "w"], "y"], weight(3, 2, 3, 3), 3 * 3 * 3 * (2 * 3 * 3)],
    ["Conv in groups", [1, 4, 5], ["Conv", ["x", "w"], "y", { group: attr.int(2) }], weight(6, 2, 1), 6 * 5 * 2],
    ["ConvTranspose", [1, 2, 4], ["ConvTranspose", ["x", "w"], "y"], weight(2, 3, 2), 2 * 4 * 3 * 2],
    ["MatMul", [2, 3, 4], ["MatMul", ["x", "w"], "y"], weight(4, 5), 2 * 3 * 4 * 5],
    ["Gemm", [4, 3], ["Gemm", ["x", "w"], "y", { transA: attr.int(1) }], weight(4, 5), 3 * 4 * 5],
    [
      "Einsum",
      [2, 3, 4],
      ["Einsum", ["x", "w"], "y", { equation: attr.string("bij,jk->bik") }],
      weight(4, 5),
      2 * 3 * 4 * 5,
    ],
  ])("of %s", (_, input, row, w, wanted) => {
    expect(graphCost(graphOf(input, [row], { w })).multiplyAdds).toBe(wanted);
  });
});

describe("bytes alive at once", () => {
  it("a chain in place needs its input and one value", () => {
    const rows: Row[] = [
      ["Relu", ["x"], "a"],
      ["Exp", ["a"], "b"],
      ["Neg", ["b"], "y"],
    ];
    expect(graphCost(graphOf([100], rows)).peakBytes).toBe(2 * 400);
  });

  it("a value that is needed again stays", () => {
    const rows: Row[] = [
      ["Relu", ["x"], "a"],
      ["Exp", ["a"], "b"],
      ["Neg", ["b"], "c"],
      ["Add", ["a", "c"], "y"],
    ];
    expect(graphCost(graphOf([100], rows)).peakBytes).toBe(3 * 400);
  });

  it("views cost nothing and keep what they show", () => {
    const rows: Row[] = [
      ["Softmax", ["x"], "a"],
      ["Flatten", ["a"], "b"],
      ["Softmax", ["b"], "c"],
      ["Softmax", ["c"], "y"],
    ];
    expect(graphCost(graphOf([10, 10], rows)).peakBytes).toBe(3 * 400);
  });

  it("weights count throughout", () => {
    const rows: Row[] = [["MatMul", ["x", "w"], "y"]];
    expect(graphCost(graphOf([1, 4], rows, { w: weight(4, 50) })).peakBytes).toBe(16 + 800 + 200);
  });
});
