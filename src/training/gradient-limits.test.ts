/** Every limit that the page of operators tells is one that the rules keep, in words that name operator and tensors. */
import { expect, it } from "vitest";
import {
  attr,
  createGraphBuilder,
  float32Tensor,
  type GraphBuilder,
  int64Tensor,
  type OpType,
  tensorOf,
} from "../graph/index.ts";
import { differentiate } from "./differentiate.ts";
import { GRADIENT_LIMITS } from "./gradient-limits.ts";

type Case = readonly [
  op: OpType,
  x: readonly number[],
  build: (b: GraphBuilder, x: string) => string,
  said: RegExp,
  opset?: number,
];

const weight = (b: GraphBuilder, ...values: number[]): string =>
  b.weight(`w${b.nodes().length}${values.length}${values[0]}`, float32Tensor([values.length], values));

const CASES: readonly Case[] = [
  [
    "BatchNormalization",
    [2, 2, 4],
    (b, x) => {
      const inputs = [x, weight(b, 1, 1), weight(b, 2, 0), weight(b, 3, 0), weight(b, 4, 1)];
      return b.emitMany("BatchNormalization", inputs, 3, { training_mode: attr.int(1) })[1];
    },
    /norm's result alone, got one on its running statistics/,
  ],
  [
    "Dropout",
    [4],
    (b, x) => b.emit("Dropout", [x, b.scalar(0.5), b.constant(tensorOf("bool", [], [1]))]),
    /is drawn outside, got training mode/,
  ],
  [
    "Einsum",
    [3, 3],
    (b, x) => b.emit("Einsum", [x], { equation: attr.string("ii->i") }),
    /each label once .* got a diagonal/,
  ],
  [
    "LayerNormalization",
    [2, 4],
    (b, x) => b.emitMany("LayerNormalization", [x, weight(b, 1, 1, 1, 1)], 2)[1],
    /depends on the normalised values, got one that depends on statistics/,
  ],
  [
    "Pad",
    [4],
    (b, x) => b.emit("Pad", [x, b.ints([-1, 1])], { mode: attr.string("edge") }),
    /pads of zero or more in mode edge, got negative pads/,
  ],
  [
    "Resize",
    [1, 1, 4],
    (b, x) => b.emit("Resize", [x, "", "", b.ints([1, 1, 2])], { mode: attr.string("linear"), antialias: attr.int(1) }),
    /antialias 0, got antialias 1/,
    18,
  ],
  [
    "Resize",
    [1, 1, 4],
    (b, x) => {
      const roi = b.constant(float32Tensor([6], [0, 0, 0.2, 1, 1, 0.8]));
      return b.emit("Resize", [x, roi, "", b.ints([1, 1, 3])], {
        mode: attr.string("linear"),
        coordinate_transformation_mode: attr.string("tf_crop_and_resize"),
      });
    },
    /coordinate mode half_pixel.* got tf_crop_and_resize/,
  ],
  [
    "ScatterElements",
    [4],
    (b, x) =>
      b.emit("ScatterElements", [x, b.ints([1]), b.constant(float32Tensor([1], [2]))], {
        reduction: attr.string("mul"),
      }),
    /reduction none or add, got reduction mul/,
  ],
  [
    "ScatterND",
    [4],
    (b, x) =>
      b.emit("ScatterND", [x, b.constant(int64Tensor([1, 1], [0])), b.constant(float32Tensor([1], [2]))], {
        reduction: attr.string("max"),
      }),
    /reduction none or add, got reduction max/,
  ],
];

it.each(CASES.map((each, i): [string, number] => [each[0], i]))("%s (case %i) is refused beyond its limit", (op, i) => {
  const [, shape, build, said, opset = 17] = CASES[i];
  const b = createGraphBuilder(opset);
  const x = b.input("x", "float32", shape);
  const y = build(b, x);
  const loss = b.emit("ReduceSum", [y, b.ints(b.shape(y).map((_, axis) => axis))], { keepdims: attr.int(0) });
  const refused = (): unknown => differentiate(b, loss, [x]);
  expect(refused).toThrow(said);
  expect(refused).toThrow(new RegExp(`^\\[gradient-unsupported\\] ${op} \\S+, needed for ${op}`));
});

it("every limit has a case", () => {
  expect([...new Set(CASES.map(([op]) => op))].sort()).toEqual(Object.keys(GRADIENT_LIMITS).sort());
});
