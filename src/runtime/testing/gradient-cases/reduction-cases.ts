/** Cases of reductions and products. Reductions take their axes as an attribute before operator set 18, ReduceSum 13. */
import { attr, type OpType } from "../../../graph/index.ts";
import { awayFromZero, distinct, type GradientCase, several, simple, withInts } from "../gradient-case.ts";

const REDUCTIONS: readonly (readonly [OpType, GradientCase["domain"]])[] = [
  ["ReduceMean", undefined],
  ["ReduceMax", distinct],
  ["ReduceMin", distinct],
  ["ReduceL1", awayFromZero],
  ["ReduceL2", awayFromZero],
  ["ReduceLogSumExp", undefined],
  ["ReduceProd", awayFromZero],
  ["ReduceSumSquare", undefined],
];

const KEPT = { keepdims: attr.int(1) };
const GONE = { keepdims: attr.int(0) };

export const REDUCTION_CASES: readonly GradientCase[] = [
  ...REDUCTIONS.flatMap(([op, domain]): GradientCase[] => [
    { ...simple(op, [2, 3, 4], { axes: attr.ints([-1, 0]) }), domain },
    { ...simple(op, [3, 5], { ...GONE, axes: attr.ints([1]) }), domain },
    { ...simple(op, [2, 3], GONE), domain },
    { ...withInts(op, [2, 3, 2], [[1]], KEPT), domain, opset: 18 },
  ]),
  withInts("ReduceSum", [2, 3, 4], [[1]], GONE),
  withInts("ReduceSum", [2, 3, 4], [[-1, 0]], KEPT),
  { ...withInts("ReduceSum", [2, 3], [[]], { noop_with_empty_axes: attr.int(1) }) },
  {
    // two zeros in the first row, one in the second, none in the third
    ...simple("ReduceProd", [3, 4], { axes: attr.ints([1]) }),
    name: "zeros among the factors",
    domain: (v, i) => ([0, 2, 5].includes(i) ? 0 : awayFromZero(v)),
  },
  ...(["ReduceMax", "ReduceMin"] as const).map((op): GradientCase => {
    const [best, other] = op === "ReduceMax" ? [3, 1] : [1, 3];
    return {
      ...simple(op, [2, 4], { axes: attr.ints([1]) }),
      name: "several extrema",
      kink: {
        at: [[best, other, best, other, other, other, best, other]],
        gradients: [[0.5, 0, 0.5, 0, 0, 0, 1, 0]],
      },
    };
  }),
  {
    ...simple("ReduceL2", [2, 2], { axes: attr.ints([1]) }),
    name: "of zeros",
    kink: { at: [[0, 0, 3, 4]], gradients: [[0, 0, Math.fround(0.6), Math.fround(0.8)]] },
  },
  { ...simple("ReduceL1", [3]), name: "of zero", kink: { at: [[0, -2, 2]], gradients: [[0, -1, 1]] } },
  several("MatMul", [
    [2, 3, 4],
    [4, 5],
  ]),
  several("MatMul", [
    [3, 4],
    [2, 4, 5],
  ]),
  several("MatMul", [
    [3, 4],
    [4, 5],
  ]),
  several("MatMul", [
    [2, 1, 3, 4],
    [3, 4, 2],
  ]),
  several("MatMul", [[4], [4, 5]]),
  several("MatMul", [[4], [2, 4, 5]]),
  several("MatMul", [[2, 3, 4], [4]]),
  several("MatMul", [[4], [4]]),
  ...[0, 1].flatMap((transA) =>
    [0, 1].map((transB) =>
      several("Gemm", [transA ? [4, 3] : [3, 4], transB ? [5, 4] : [4, 5], [5]], {
        transA: attr.int(transA),
        transB: attr.int(transB),
        alpha: attr.float(0.5),
        beta: attr.float(2),
      }),
    ),
  ),
  several("Gemm", [
    [3, 4],
    [4, 5],
    [3, 1],
  ]),
  several("Gemm", [[3, 4], [4, 5], []]),
  several("Gemm", [
    [3, 4],
    [4, 5],
  ]),
  ...["bij,bjk->bik", "bhid,bhjd->bhij", "ij,kj", "...ij,...jk->...ik", "bij,jk->k"].map((equation) => {
    const size: Readonly<Record<string, number>> = { b: 2, h: 2, i: 3, j: 4, k: 5, d: 3 };
    const inputs = equation
      .split("->")[0]
      .split(",")
      .map((term) => [...term.replace("...", "b")].map((label) => size[label]));
    return several("Einsum", inputs, { equation: attr.string(equation) });
  }),
  several("Einsum", [[2, 3, 4]], { equation: attr.string("ijk->kj") }),
  several("Einsum", [[2, 3], [3], [2]], { equation: attr.string("ij,j,i->j") }),
  several(
    "Einsum",
    [
      [1, 2, 3],
      [4, 3, 2],
    ],
    { equation: attr.string("...ij,...jk->...ik") },
  ),
];
