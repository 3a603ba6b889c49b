/** Every gradient rule against finite differences, and every shape rule against the shapes of ONNX Runtime. */
import { describe, expect, it } from "vitest";
import { createGraphBuilder, OP_TYPES } from "../graph/index.ts";
import { differentiate, GRADIENT_RULES, hasGradient } from "../training/index.ts";
import { failuresOf } from "./testing/check-gradient.ts";
import { simple } from "./testing/gradient-case.ts";
import { GRADIENT_CASES } from "./testing/gradient-cases/index.ts";

describe("gradient rules", () => {
  it.each(GRADIENT_CASES)("$op $name", async (testCase) => {
    expect(await failuresOf(testCase)).toEqual([]);
  });

  it("every operator with a gradient has a case", () => {
    const tested = new Set(GRADIENT_CASES.map(({ op }) => op));
    expect(OP_TYPES.filter((op) => hasGradient(op) && !tested.has(op))).toEqual([]);
  });

  it("a gradient that is 5 % off is found, and one that is missing (positive controls)", async () => {
    const { Tanh } = GRADIENT_RULES;
    const larger: typeof Tanh = (c) => Tanh(c).map((g) => g && c.builder.emit("Mul", [g, c.builder.scalar(1.05)]));
    expect(await failuresOf(simple("Tanh"), { ...GRADIENT_RULES, Tanh: larger })).not.toEqual([]);
    expect(await failuresOf(simple("Tanh"), { ...GRADIENT_RULES, Tanh: () => [] })).not.toEqual([]);
  });

  it("names the operator, node and tensors that have no gradient", () => {
    const b = createGraphBuilder(17);
    const x = b.input("x", "float32", [4]);
    const picked = b.emit("ScatterElements", [x, b.ints([1, 2]), b.emit("Neg", [x])], {
      reduction: { kind: "string", value: "max" },
    });
    const loss = b.emit("ReduceSum", [picked, b.ints([0])]);
    expect(() => differentiate(b, loss, [x])).toThrow(
      /\[gradient-unsupported\] ScatterElements ScatterElements_.* needed for ScatterElements_.*reduction max/,
    );
  });
});
