/** What the product computes before a graph runs, against what ONNX Runtime computes of the same node. */
import { describe, expect, it } from "vitest";
import {
  type Attributes,
  attr,
  createGraphBuilder,
  foldsConstants,
  OP_TYPES,
  type OpType,
  type Tensor,
  tensorOf,
  tensorValues,
} from "../graph/index.ts";
import { openGraph } from "./testing/check-gradient.ts";

type Case = readonly [op: OpType, inputs: readonly Tensor[], attributes?: Attributes, opset?: number];

const floats = (shape: readonly number[], ...values: number[]): Tensor => tensorOf("float32", shape, values);
const ints = (shape: readonly number[], ...values: number[]): Tensor => tensorOf("int64", shape, values);
const bools = (...values: number[]): Tensor => tensorOf("bool", [values.length], values);
const A = floats([2, 3], 1.5, -2, 3, 0.25, 7, -1);
const B = floats([3], 2, 3, -0.5);
const P = floats([2, 3], 1.5, 2, 3, 0.25, 7, 1);
const N = ints([2, 3], 7, -7, 5, 1, 0, -12);
const D = ints([3], 3, 2, -5);
const AXIS_1 = { axes: attr.ints([1]) };

const CASES: readonly Case[] = [
  ["Abs", [A]],
  ["Add", [N, D]],
  ["And", [bools(0, 0, 1, 1), bools(0, 1, 0, 1)]],
  ["Cast", [floats([4], 1.7, -1.7, 0, 3)], { to: attr.int(7) }],
  ["Cast", [floats([3], 1.7, 0, -2)], { to: attr.int(9) }],
  ["Cast", [N], { to: attr.int(1) }],
  ["CastLike", [floats([2], 2.9, -2.9), ints([1], 0)]],
  ["Ceil", [A]],
  ["Concat", [A, P], { axis: attr.int(1) }],
  ["Constant", [], { value: { kind: "tensor", value: A } }],
  ["Constant", [], { value_float: attr.float(0.5) }],
  ["Constant", [], { value_ints: attr.ints([3, -4]) }],
  ["ConstantOfShape", [ints([2], 2, 3)], { value: { kind: "tensor", value: floats([1], 4) } }],
  ["Cos", [A]],
  ["Div", [A, B]],
  ["Div", [N, D]],
  ["Equal", [N, D]],
  ["Exp", [A]],
  ["Expand", [B, ints([2], 2, 3)]],
  ["Flatten", [A], { axis: attr.int(0) }],
  ["Floor", [A]],
  ["Gather", [A, ints([2], -1, 0)], { axis: attr.int(1) }],
  ["GatherElements", [A, ints([2, 2], 0, -1, 2, 1)], { axis: attr.int(1) }],
  ["GatherND", [A, ints([2, 2], 0, 1, -1, 2)]],
  ["GatherND", [A, ints([2, 1], 2, 0)], { batch_dims: attr.int(1) }],
  ["Greater", [A, B]],
  ["GreaterOrEqual", [N, D]],
  ["Identity", [A]],
  ["Less", [A, B]],
  ["LessOrEqual", [N, D]],
  ["Log", [P]],
  ["Max", [A, B]],
  ["Mean", [A, B]],
  ["Min", [A, B]],
  ["Mod", [N, D]],
  ["Mod", [A, B], { fmod: attr.int(1) }],
  ["Mul", [N, D]],
  ["Neg", [A]],
  ["Not", [bools(0, 1)]],
  ["Or", [bools(0, 0, 1, 1), bools(0, 1, 0, 1)]],
  ["Pow", [P, B]],
  ["Range", [ints([], 2), ints([], 11), ints([], 3)]],
  ["Reciprocal", [A]],
  ["ReduceMax", [A], AXIS_1],
  ["ReduceMean", [A], AXIS_1],
  ["ReduceMin", [A], { axes: attr.ints([0]), keepdims: attr.int(0) }],
  ["ReduceProd", [A], AXIS_1],
  ["ReduceSum", [A, ints([1], 0)]],
  ["Reshape", [A, ints([2], 3, -1)]],
  ["ScatterND", [A, ints([2, 2], 0, 1, -1, 2), floats([2], 8, 9)]],
  ["Shape", [A]],
  ["Shape", [floats([1, 2, 1, 2], 1, 2, 3, 4)], { start: attr.int(1), end: attr.int(-1) }],
  ["Sign", [A]],
  ["Sin", [A]],
  ["Size", [A]],
  ["Slice", [A, ints([2], -1, 0), ints([2], -9, 3), ints([2], 0, 1), ints([2], -1, 2)]],
  ["Sqrt", [P]],
  ["Squeeze", [floats([1, 2], 3, 4), ints([1], 0)]],
  ["Sub", [A, B]],
  ["Sum", [A, B, B]],
  ["Tile", [A, ints([2], 2, 3)]],
  ["Transpose", [A], { perm: attr.ints([1, 0]) }],
  ["Trilu", [A, ints([], 1)]],
  ["Trilu", [A], { upper: attr.int(0) }],
  ["Unsqueeze", [A, ints([2], 0, 2)]],
  ["Where", [bools(1, 0, 1), A, B]],
  ["Xor", [bools(0, 0, 1, 1), bools(0, 1, 0, 1)]],
];

describe("constants folded", () => {
  it.each(CASES.map((each, i): [string, number] => [each[0], i]))("%s (case %i) as ONNX Runtime does", async (_, i) => {
    const [op, inputs, attributes = {}, opset = 17] = CASES[i];
    const b = createGraphBuilder(opset);
    const folded = b.fact(
      b.emit(
        op,
        inputs.map((tensor) => b.constant(tensor)),
        attributes,
      ),
    );
    if (folded.value === undefined) throw new Error("not folded");
    // the same node with its inputs as inputs: the shapes of some results need the values of integer inputs
    const names = inputs.map((_tensor, input) => `x${input}`);
    const graph = {
      name: "unfolded",
      opset,
      inputs: inputs.map(({ dtype, shape }, input) => ({ name: names[input], dtype, shape })),
      outputs: [{ name: "y", dtype: folded.dtype, shape: folded.shape }],
      initializers: new Map<string, Tensor>(),
      nodes: [{ opType: op, name: "", inputs: names, outputs: ["y"], attributes }],
    };
    const session = await openGraph(graph);
    const { y } = await session.run(Object.fromEntries(inputs.map((tensor, input) => [names[input], tensor])));
    await session.close();
    expect([y.dtype, [...y.shape]]).toEqual([folded.dtype, [...folded.shape]]);
    const wanted = Array.from(y.data, Number);
    const values = tensorValues(folded.value);
    values.forEach((value, at) => {
      if (Number.isNaN(wanted[at])) expect(value).toBeNaN();
      else expect(value).toBeCloseTo(wanted[at], 5);
    });
  });

  it("every operator that is folded has a case", () => {
    const tested = new Set(CASES.map(([op]) => op));
    expect(OP_TYPES.filter((op) => foldsConstants(op) && !tested.has(op))).toEqual([]);
  });

  it("keeps the largest integer, by which exporters say `to the end`", () => {
    const b = createGraphBuilder(17);
    const end = b.constant({ dtype: "int64", shape: [1], data: BigInt64Array.of(2n ** 63n - 1n) });
    const joined = b.emit("Concat", [end, b.ints([1])], { axis: attr.int(0) });
    expect(b.fact(joined).value?.data[0]).toBe(2n ** 63n - 1n);
  });
});
