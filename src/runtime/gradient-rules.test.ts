/**
 * Every gradient rule against finite differences: the loss is a fixed random projection of the operator's result, and
 * the derivative along random directions is compared with central differences of the graph itself.
 */
import { describe, expect, it } from "vitest";
import { createRandom } from "../base/index.ts";
import {
  type Attributes,
  attr,
  createGraphBuilder,
  float32Tensor,
  type GraphBuilder,
  type OpType,
} from "../graph/index.ts";
import { differentiate } from "../training/index.ts";
import { openGraphSession } from "./graph-session.ts";

interface Case {
  readonly name: string;
  readonly inputs: readonly (readonly number[])[];
  /** Returns the name of the result; `x` are the inputs' names. */
  readonly build: (b: GraphBuilder, x: readonly string[]) => string;
  /** Maps standard normal values to the operator's domain. */
  readonly domain?: (value: number) => number;
  readonly opset?: number;
}

const simple = (opType: OpType, shape: readonly number[] = [2, 3, 4], attributes: Attributes = {}): Case => ({
  name: `${opType}${Object.keys(attributes).length > 0 ? ` ${JSON.stringify(attributes)}` : ""}`,
  inputs: [shape],
  build: (b, x) => b.emit(opType, x, attributes),
});
const binary = (opType: OpType, left: readonly number[], right: readonly number[]): Case => ({
  name: `${opType} [${left}] [${right}]`,
  inputs: [left, right],
  build: (b, x) => b.emit(opType, x),
});
const awayFromZero = (v: number): number => v + Math.sign(v) * 0.3;
/** Far apart, so that a finite step crosses no kink. */
const spread = (v: number): number => 30 * v;
const positive = (v: number): number => 0.5 + Math.abs(v);

function conv(name: string, x: readonly number[], w: readonly number[], attributes: Attributes, bias = true): Case {
  const inputs = bias ? [x, w, [w[0]]] : [x, w];
  return { name: `Conv ${name}`, inputs, build: (b, names) => b.emit("Conv", names, attributes) };
}
function convTranspose(
  name: string,
  x: readonly number[],
  w: readonly number[],
  attributes: Attributes,
  outputs: number,
): Case {
  return {
    name: `ConvTranspose ${name}`,
    inputs: [x, w, [outputs]],
    build: (b, n) => b.emit("ConvTranspose", n, attributes),
  };
}

const CASES: readonly Case[] = [
  { ...simple("Abs"), domain: awayFromZero },
  binary("Add", [2, 3, 4], [3, 1]),
  binary("Sub", [3, 1], [2, 3, 4]),
  binary("Mul", [2, 3, 4], [1, 4]),
  { ...binary("Div", [2, 3, 4], [3, 1]), domain: positive },
  { ...binary("Pow", [2, 3], [3]), domain: positive },
  { ...binary("Max", [4, 5], [5]), domain: spread },
  { ...binary("Min", [4, 5], [4, 1]), domain: spread },
  simple("Neg"),
  simple("Exp"),
  { ...simple("Log"), domain: positive },
  { ...simple("Sqrt"), domain: positive },
  { ...simple("Reciprocal"), domain: positive },
  simple("Erf"),
  simple("Sigmoid"),
  simple("Tanh"),
  simple("Softplus"),
  { ...simple("Relu"), domain: awayFromZero },
  { ...simple("LeakyRelu", [2, 3, 4], { alpha: attr.float(0.1) }), domain: awayFromZero },
  { ...simple("Elu", [2, 3, 4], { alpha: attr.float(0.7) }), domain: awayFromZero },
  { ...binary("PRelu", [2, 3, 4], [3, 1]), domain: awayFromZero },
  { ...simple("Gelu"), opset: 20 },
  { ...simple("Gelu", [2, 3, 4], { approximate: attr.string("tanh") }), opset: 20 },
  simple("Identity"),
  simple("Dropout"),
  {
    name: "Cast",
    inputs: [[3]],
    build: (b, x) => b.emit("Cast", [b.emit("Cast", x, { to: attr.int(11) })], { to: attr.int(1) }),
  },
  {
    name: "Clip",
    inputs: [[4, 5]],
    build: (b, x) => b.emit("Clip", [x[0], b.scalar(-5), b.scalar(8)]),
    domain: spread,
  },
  simple("Softmax", [2, 4, 3], { axis: attr.int(1) }),
  simple("Softmax"),
  simple("LogSoftmax", [2, 4, 3], { axis: attr.int(1) }),
  {
    name: "ReduceSum",
    inputs: [[2, 3, 4]],
    build: (b, x) => b.emit("ReduceSum", [x[0], b.ints([1])], { keepdims: attr.int(0) }),
  },
  simple("ReduceMean", [2, 3, 4], { axes: attr.ints([-1, 0]) }),
  { ...simple("ReduceMax", [3, 5], { axes: attr.ints([1]) }), domain: spread },
  {
    name: "Concat",
    inputs: [
      [2, 3],
      [2, 1],
    ],
    build: (b, x) => b.emit("Concat", x, { axis: attr.int(-1) }),
  },
  {
    name: "Split",
    inputs: [[2, 5]],
    build: (b, x) => {
      const [first, second] = b.emitMany("Split", [x[0], b.ints([2, 3])], 2, { axis: attr.int(1) });
      return b.emit("Mul", [b.emit("ReduceSum", [first, b.ints([1])]), second]);
    },
  },
  {
    name: "Slice",
    inputs: [[4, 6]],
    build: (b, x) => b.emit("Slice", [x[0], b.ints([1, -4]), b.ints([4, -1]), b.ints([0, 1])]),
  },
  { name: "Pad", inputs: [[2, 3]], build: (b, x) => b.emit("Pad", [x[0], b.ints([1, 0, 0, 2])]) },
  { name: "Reshape", inputs: [[2, 6]], build: (b, x) => b.emit("Reshape", [x[0], b.ints([3, -1])]) },
  simple("Flatten", [2, 3, 4], { axis: attr.int(2) }),
  { name: "Squeeze", inputs: [[2, 1, 3]], build: (b, x) => b.emit("Squeeze", [x[0], b.ints([1])]) },
  { name: "Unsqueeze", inputs: [[2, 3]], build: (b, x) => b.emit("Unsqueeze", [x[0], b.ints([0, 2])]) },
  simple("Transpose", [2, 3, 4], { perm: attr.ints([2, 0, 1]) }),
  { name: "Expand", inputs: [[3, 1]], build: (b, x) => b.emit("Expand", [x[0], b.ints([2, 3, 4])]) },
  {
    name: "Where",
    inputs: [[3, 4], [4]],
    build: (b, x) => b.emit("Where", [b.emit("Greater", [x[0], b.scalar(0)]), b.emit("Mul", [x[0], x[0]]), x[1]]),
    domain: awayFromZero,
  },
  binary("MatMul", [2, 3, 4], [4, 5]),
  binary("MatMul", [3, 4], [2, 4, 5]),
  {
    name: "Gemm",
    inputs: [[4, 3], [5, 4], [5]],
    build: (b, x) =>
      b.emit("Gemm", x, { transA: attr.int(1), transB: attr.int(1), alpha: attr.float(0.5), beta: attr.float(2) }),
  },
  {
    name: "InstanceNormalization",
    inputs: [[2, 3, 4, 5, 2], [3], [3]],
    build: (b, x) => b.emit("InstanceNormalization", x),
  },
  {
    name: "BatchNormalization, frozen",
    inputs: [[2, 3, 4], [3], [3]],
    build: (b, x) => {
      const mean = b.weight("mean", float32Tensor([3], [0.1, -0.2, 0.3]));
      const variance = b.weight("variance", float32Tensor([3], [0.5, 1.5, 1]));
      return b.emit("BatchNormalization", [...x, mean, variance]);
    },
  },
  simple("GlobalAveragePool", [2, 3, 4, 5]),
  { ...simple("GlobalMaxPool", [2, 3, 4]), domain: spread },
  {
    ...simple("MaxPool", [1, 2, 4, 6], { kernel_shape: attr.ints([2, 2]), strides: attr.ints([2, 2]) }),
    domain: spread,
  },
  simple("AveragePool", [1, 2, 4, 6], { kernel_shape: attr.ints([2, 2]), strides: attr.ints([2, 2]) }),
  simple("AveragePool", [1, 2, 5, 5], {
    kernel_shape: attr.ints([3, 3]),
    strides: attr.ints([2, 2]),
    pads: attr.ints([1, 1, 1, 1]),
  }),
  conv("1D", [2, 3, 9], [4, 3, 3], { pads: attr.ints([1, 1]) }),
  conv("2D stride 2", [2, 3, 8, 7], [4, 3, 3, 3], { strides: attr.ints([2, 2]), pads: attr.ints([1, 1, 1, 1]) }),
  conv("3D", [2, 3, 4, 5, 6], [4, 3, 3, 3, 3], { pads: attr.ints([1, 1, 1, 1, 1, 1]) }),
  conv("3D without pads", [1, 2, 5, 4, 6], [3, 2, 3, 3, 3], {}),
  conv("3D asymmetric kernel and pads", [1, 2, 5, 4, 6], [3, 2, 1, 3, 2], { pads: attr.ints([0, 1, 0, 0, 1, 1]) }),
  conv("3D pointwise", [2, 3, 2, 3, 4], [5, 3, 1, 1, 1], {}),
  conv("3D stride 2", [1, 2, 6, 8, 4], [3, 2, 3, 3, 3], {
    strides: attr.ints([2, 2, 2]),
    pads: attr.ints([1, 1, 1, 1, 1, 1]),
  }),
  conv("3D anisotropic stride, odd sides", [1, 2, 5, 7, 5], [3, 2, 3, 3, 3], {
    strides: attr.ints([1, 2, 2]),
    pads: attr.ints([1, 1, 1, 1, 1, 1]),
  }),
  conv("3D stride 3, kernel 2", [1, 2, 7, 6, 6], [3, 2, 2, 2, 2], { strides: attr.ints([3, 3, 3]) }),
  conv("2D dilated", [1, 2, 9, 9], [3, 2, 3, 3], { dilations: attr.ints([2, 2]), pads: attr.ints([2, 2, 2, 2]) }),
  conv("2D dilated stride 2", [1, 2, 9, 9], [3, 2, 3, 3], {
    dilations: attr.ints([2, 2]),
    strides: attr.ints([2, 2]),
    pads: attr.ints([2, 2, 2, 2]),
  }),
  conv("2D groups", [1, 4, 5, 5], [6, 2, 3, 3], { group: attr.int(2), pads: attr.ints([1, 1, 1, 1]) }, false),
  conv("2D auto_pad", [1, 2, 6, 5], [3, 2, 3, 3], { auto_pad: attr.string("SAME_UPPER"), strides: attr.ints([2, 2]) }),
  convTranspose("3D 2x2x2", [1, 3, 2, 3, 2], [3, 2, 2, 2, 2], { strides: attr.ints([2, 2, 2]) }, 2),
  convTranspose(
    "2D overlapping, output padding",
    [1, 3, 4, 4],
    [3, 2, 3, 3],
    { strides: attr.ints([2, 2]), pads: attr.ints([1, 1, 1, 1]), output_padding: attr.ints([1, 1]) },
    2,
  ),
  {
    name: "Resize linear",
    inputs: [[1, 2, 3, 4]],
    build: (b, x) =>
      b.emit("Resize", [x[0], "", b.constant(float32Tensor([4], [1, 1, 2, 1.5]))], { mode: attr.string("linear") }),
  },
  {
    name: "Resize nearest",
    inputs: [[1, 2, 3, 4]],
    build: (b, x) =>
      b.emit("Resize", [x[0], "", "", b.ints([1, 2, 6, 8])], {
        mode: attr.string("nearest"),
        coordinate_transformation_mode: attr.string("asymmetric"),
        nearest_mode: attr.string("floor"),
      }),
  },
  {
    name: "Resize align_corners",
    inputs: [[1, 1, 3, 4]],
    build: (b, x) =>
      b.emit("Resize", [x[0], "", "", b.ints([1, 1, 5, 7])], {
        mode: attr.string("linear"),
        coordinate_transformation_mode: attr.string("align_corners"),
      }),
  },
];

const STEP = 1e-2;
const TOLERANCE = 1.5e-2;

async function gradientError(
  { inputs, build, domain = (v) => v, opset = 17 }: Case,
  seed: string,
  break_ = false,
): Promise<number> {
  const random = createRandom(seed);
  const b = createGraphBuilder(opset);
  const names = inputs.map((shape, i) => b.input(`x${i}`, "float32", shape));
  const y = build(b, names);
  const size = b.shape(y).reduce((product, n) => product * n, 1);
  const weights = float32Tensor(
    b.shape(y),
    Float32Array.from({ length: size }, () => random.normal()),
  );
  const axes = b.shape(y).map((_, i) => i);
  const loss = b.emit("ReduceSum", [b.emit("Mul", [y, b.constant(weights)]), b.ints(axes)], { keepdims: attr.int(0) });
  const gradients = differentiate(b, loss, names);
  const outputs = names.map((name) => gradients.get(name) ?? "");
  const session = await openGraphSession(b.build("test", [loss, ...outputs]), { threads: 1 });
  const at = inputs.map((shape) =>
    Float32Array.from({ length: shape.reduce((p, n) => p * n, 1) }, () => domain(random.normal())),
  );
  const direction = at.map((values) => values.map(() => random.normal()));
  const run = (shift: number): Promise<Record<string, Float32Array>> =>
    session.run(
      Object.fromEntries(
        inputs.map((shape, i) => [
          names[i],
          { dtype: "float32" as const, shape, data: at[i].map((v, j) => v + shift * direction[i][j]) },
        ]),
      ),
    );
  const [here, ahead, behind] = [await run(0), await run(STEP), await run(-STEP)];
  const slope =
    outputs.reduce((sum, name, i) => sum + here[name].reduce((s, g, j) => s + g * direction[i][j], 0), 0) *
    (break_ ? 1.05 : 1);
  const scale = outputs.reduce((sum, name) => sum + here[name].reduce((s, g) => s + g * g, 0), 0);
  await session.close();
  return Math.abs(slope - (ahead[loss][0] - behind[loss][0]) / (2 * STEP)) / Math.sqrt(scale);
}

describe("gradient rules", () => {
  it.each(CASES)("$name", async (testCase) => {
    for (const seed of ["a", "b", "c"]) expect(await gradientError(testCase, seed)).toBeLessThan(TOLERANCE);
  });

  it("a gradient that is 5 % off is found (positive control)", async () => {
    const errors = await Promise.all(["a", "b", "c"].map((seed) => gradientError(simple("Tanh"), seed, true)));
    expect(Math.max(...errors)).toBeGreaterThan(TOLERANCE);
  });

  it("names the operator and node that has no gradient", () => {
    const b = createGraphBuilder(17);
    const x = b.input("x", "float32", [4]);
    const picked = b.emit("Gather", [x, b.ints([1, 2])]);
    const loss = b.emit("ReduceSum", [picked, b.ints([0])]);
    expect(() => differentiate(b, loss, [x])).toThrow(/\[gradient-unsupported\] Gather Gather_.* needed for/);
  });
});
