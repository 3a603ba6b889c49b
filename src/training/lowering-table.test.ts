import { expect, it } from "vitest";
import type { ConvolutionShape } from "./convolution-shape.ts";
import { loweringsDigest, loweringsOf, parseLoweringTable, SHIPPED_LOWERINGS, shapeKey } from "./lowering-table.ts";

const SHAPE: ConvolutionShape = {
  input: [1, 16, 8, 8, 8],
  weight: [16, 16, 3, 3, 3],
  output: [1, 16, 8, 8, 8],
  window: {
    kernel: [3, 3, 3],
    strides: [1, 1, 1],
    dilations: [1, 1, 1],
    padsBegin: [1, 1, 1],
    padsEnd: [1, 1, 1],
  },
  group: 1,
};
const WEIGHT = ["rowsOfDy", "rowsOfDyByTap", "planesOfDy", "columns", "swappedConvolution"] as const;

it("takes what was measured for a shape, and tries in order for all others", () => {
  const { weightGradient } = SHIPPED_LOWERINGS;
  const table = {
    ...SHIPPED_LOWERINGS,
    weightGradient: { ...weightGradient, shapes: { [shapeKey(SHAPE)]: "swappedConvolution" as const } },
  };
  expect(loweringsOf(table).byWeight(SHAPE, WEIGHT)).toBe("swappedConvolution");
  expect(loweringsOf(table).byWeight({ ...SHAPE, input: [2, 16, 8, 8, 8] }, WEIGHT)).toBe("rowsOfDy");
  expect(loweringsOf(table).byWeight({ ...SHAPE, weight: [16, 4, 3, 3, 3] }, WEIGHT)).toBe("planesOfDy");
  expect(loweringsOf(table).byWeight(SHAPE, ["columns"])).toBe("columns");
  const large = { ...SHAPE, input: [1, 32, 64, 64, 64], weight: [32, 32, 3, 3, 3] };
  expect(loweringsOf(table).byWeight(large, WEIGHT)).toBe("rowsOfDyByTap");
  expect(loweringsOf(table).byWeight({ ...large, input: [1, 32, 32, 32, 32] }, WEIGHT)).toBe("rowsOfDy");
  expect(loweringsDigest(table)).not.toBe(loweringsDigest(SHIPPED_LOWERINGS));
});

it.each([
  ["no table at all", 3, "its whole"],
  ["another version", { ...SHIPPED_LOWERINGS, schema: "consilium.lowerings/2" }, "schema"],
  ["a key that is not known", { ...SHIPPED_LOWERINGS, speed: 1 }, "speed"],
  [
    "a lowering that does not exist",
    { ...SHIPPED_LOWERINGS, inputGradient: { ...SHIPPED_LOWERINGS.inputGradient, shapes: { a: "fast" } } },
    "inputGradient.shapes.a",
  ],
  [
    "a list after which nothing may fit",
    { ...SHIPPED_LOWERINGS, weightGradient: { shapes: {}, otherwise: [{ use: "rowsOfDy" }] } },
    "weightGradient.otherwise",
  ],
])("refuses %s", (_, value, where) => {
  expect(() => parseLoweringTable(value, "tuned.json")).toThrow(
    expect.objectContaining({ code: "lowerings-invalid", actual: expect.stringContaining(where) }),
  );
});
