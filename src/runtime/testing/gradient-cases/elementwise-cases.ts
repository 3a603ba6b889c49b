/** Cases of arithmetic, comparison and choice, element by element with broadcasting. */
import { attr, float32Tensor } from "../../../graph/index.ts";
import { awayFromZero, distinct, type GradientCase, positive, several, simple, spread } from "../gradient-case.ts";

export const ELEMENTWISE_CASES: readonly GradientCase[] = [
  { ...simple("Abs"), domain: awayFromZero },
  several("Add", [
    [2, 3, 4],
    [3, 1],
  ]),
  several("Add", [[], [2, 3]]),
  several("Sub", [
    [3, 1],
    [2, 3, 4],
  ]),
  several("Mul", [
    [2, 3, 4],
    [1, 4],
  ]),
  {
    ...several("Div", [
      [2, 3, 4],
      [3, 1],
    ]),
    domain: positive,
  },
  { ...several("Pow", [[2, 3], [3]]), domain: positive },
  { op: "Pow", name: "square", inputs: [[2, 3]], build: (b, x) => b.emit("Pow", [x[0], b.scalar(2)]) },
  { op: "Pow", name: "first power", inputs: [[2, 3]], build: (b, x) => b.emit("Pow", [x[0], b.scalar(1)]) },
  {
    op: "Pow",
    name: "an integer exponent",
    inputs: [[2, 3]],
    build: (b, x) => b.emit("Pow", [x[0], b.ints([3])]),
    domain: (v) => 0.5 * v,
  },
  { ...several("Max", [[4, 5], [5]]), domain: spread },
  { ...several("Max", [[4, 5], [5], [4, 1]]), domain: spread },
  {
    ...several("Min", [
      [4, 5],
      [4, 1],
    ]),
    domain: spread,
  },
  ...(["Max", "Min"] as const).map(
    (op): GradientCase => ({
      ...several(op, [[3], [3]]),
      name: "equal operands",
      kink: {
        at:
          op === "Max"
            ? [
                [1, 2, 3],
                [1, 3, 2],
              ]
            : [
                [1, 3, 2],
                [1, 2, 3],
              ],
        gradients: [
          [0.5, 0, 1],
          [0.5, 1, 0],
        ],
      },
    }),
  ),
  { ...simple("Abs", [3]), name: "at zero", kink: { at: [[0, -2, 2]], gradients: [[0, -1, 1]] } },
  several("Sum", [[2, 3], [3], [2, 1]]),
  several("Mean", [[2, 3], [3], [2, 1]]),
  {
    ...several("Mod", [[4, 3], [3]], { fmod: attr.int(1) }),
    // quotients between 2.3 and 3.7, none near a whole number, where they jump
    domain: (_, i, input) => (input === 0 ? (i % 2 === 0 ? 5.3 : -7.3) : 2 + 0.1 * i),
  },
  simple("Neg"),
  simple("Exp"),
  { ...simple("Log"), domain: positive },
  { ...simple("Sqrt"), domain: positive },
  { ...simple("Reciprocal"), domain: positive },
  simple("Erf"),
  simple("Sin"),
  simple("Cos"),
  { ...simple("Sign"), domain: awayFromZero },
  { ...simple("Round"), domain: (_, i) => i + 0.2 },
  { ...simple("Floor"), domain: (_, i) => i + 0.2 },
  { ...simple("Ceil"), domain: (_, i) => i + 0.2 },
  simple("Identity"),
  simple("Dropout"),
  {
    op: "Cast",
    name: "to double and back",
    inputs: [[3]],
    build: (b, x) => b.emit("Cast", [b.emit("Cast", x, { to: attr.int(11) })], { to: attr.int(1) }),
  },
  {
    op: "CastLike",
    name: "double and back",
    inputs: [[3]],
    build: (b, x) => {
      const double = b.constant({ dtype: "float64", shape: [], data: Float64Array.of(0) });
      return b.emit("CastLike", [b.emit("CastLike", [x[0], double]), b.scalar(0)]);
    },
  },
  {
    op: "CastLike",
    name: "a value that is only read for its type",
    inputs: [[3]],
    build: (b, x) => {
      const double = b.constant({ dtype: "float64", shape: [3], data: Float64Array.of(0.5, -2, 3) });
      // the second operand depends on what is differentiated by, the result does not
      return b.emit("Add", [b.emit("CastLike", [double, x[0]]), x[0]]);
    },
  },
  {
    op: "Clip",
    name: "both sides",
    inputs: [[4, 5]],
    build: (b, x) => b.emit("Clip", [x[0], b.scalar(-5), b.scalar(8)]),
    domain: spread,
  },
  {
    op: "Clip",
    name: "below",
    inputs: [[4, 5]],
    build: (b, x) => b.emit("Clip", [x[0], b.scalar(0.5)]),
    domain: spread,
  },
  {
    op: "Clip",
    name: "above",
    inputs: [[4, 5]],
    build: (b, x) => b.emit("Clip", [x[0], "", b.scalar(0.5)]),
    domain: spread,
  },
  {
    op: "Where",
    name: "both branches",
    inputs: [[3, 4], [4]],
    build: (b, x) => b.emit("Where", [b.emit("Greater", [x[0], b.scalar(0)]), b.emit("Mul", [x[0], x[0]]), x[1]]),
    domain: awayFromZero,
  },
  ...(["Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"] as const).map(
    (op): GradientCase => ({
      op,
      name: "chooses",
      inputs: [[3, 4]],
      build: (b, x) => {
        const other = b.constant(float32Tensor([4], [0.5, -3, 10, -20]));
        return b.emit("Where", [b.emit(op, [x[0], other]), x[0], b.scalar(2)]);
      },
      domain: distinct,
    }),
  ),
  ...(["And", "Or", "Xor"] as const).map(
    (op): GradientCase => ({
      op,
      name: "chooses",
      inputs: [[3, 4]],
      build: (b, x) => {
        const [low, high] = [b.emit("Greater", [x[0], b.scalar(-20.5)]), b.emit("Less", [x[0], b.scalar(20.5)])];
        return b.emit("Where", [b.emit(op, [low, high]), x[0], b.scalar(2)]);
      },
      domain: distinct,
    }),
  ),
  {
    op: "Not",
    name: "chooses",
    inputs: [[3, 4]],
    build: (b, x) => b.emit("Where", [b.emit("Not", [b.emit("Less", [x[0], b.scalar(0.5)])]), x[0], b.scalar(2)]),
    domain: distinct,
  },
];
