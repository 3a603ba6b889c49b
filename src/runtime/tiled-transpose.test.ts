/** Transposed convolutions in a step, written as products where they tile, beside ONNX Runtime's own of the network. */
import { expect, it } from "vitest";
import { createRandom } from "../base/index.ts";
import { attr, checkGraph, elementCount, float32Tensor, type Graph } from "../graph/index.ts";
import { buildForwardStep, networkParameters } from "../training/index.ts";
import { openForwardSession } from "./forward-session.ts";
import { openGraphSession } from "./graph-session.ts";

const random = createRandom("tiled transpose");
const tensor = (shape: readonly number[]) =>
  float32Tensor(
    shape,
    Float32Array.from({ length: elementCount(shape) }, () => random.normal()),
  );

function networkOf(
  weight: readonly number[],
  strides: readonly number[],
  { group = 1, pads = strides.flatMap(() => [0, 0]), bias = true }: { group?: number; pads?: number[]; bias?: boolean },
): Graph {
  const outputs = weight[1] * group;
  const initializers = new Map([["up.weight", tensor(weight)]]);
  if (bias) initializers.set("up.bias", tensor([outputs]));
  const sides = strides.map((_, i) => `S${i}`);
  return checkGraph({
    name: "up",
    opset: 17,
    inputs: [{ name: "image", dtype: "float32", shape: ["N", weight[0], ...sides] }],
    outputs: [{ name: "logits", dtype: "float32", shape: ["N", outputs, ...sides.map((side) => `${side}o`)] }],
    initializers,
    nodes: [
      {
        opType: "ConvTranspose",
        name: "up",
        inputs: ["image", ...initializers.keys()],
        outputs: ["logits"],
        attributes: { strides: attr.ints(strides), pads: attr.ints(pads), group: attr.int(group) },
      },
    ],
  });
}

it.each([
  ["2 x 2 x 2", [3, 4, 2, 2, 2], [2, 2, 2], {}, [2, 3, 3, 4, 5], true],
  ["of planes alone, without a bias", [3, 2, 1, 2, 2], [1, 2, 2], { bias: false }, [1, 3, 3, 4, 5], true],
  ["2D, uneven", [2, 3, 3, 2], [3, 2], {}, [1, 2, 4, 3], true],
  ["overlapping", [3, 4, 3, 3, 3], [2, 2, 2], {}, [1, 3, 3, 4, 2], false],
  ["in groups", [4, 2, 2, 2], [2, 2], { group: 2 }, [1, 4, 3, 3], false],
  ["with pads", [2, 2, 2, 2], [2, 2], { pads: [1, 0, 0, 1] }, [1, 2, 3, 3], false],
])("gives what the network gives: %s", async (_, weight, strides, more, input, tiles) => {
  const network = networkOf(weight, strides, more);
  const { graph } = buildForwardStep(network, input);
  expect(graph.nodes.some(({ opType }) => opType === "ConvTranspose")).toBe(!tiles);
  const image = tensor(input).data as Float32Array;
  const session = await openForwardSession(network, input, { threads: 1 });
  const ours = await session.run(image, networkParameters(network).data);
  await session.close();
  const plain = await openGraphSession(network, { threads: 1 });
  const { logits } = await plain.run({ image: { dtype: "float32", shape: input, data: image } });
  await plain.close();
  expect(ours).toHaveLength(logits.length);
  expect(ours.reduce((worst, value, i) => Math.max(worst, Math.abs(value - logits[i])), 0)).toBeLessThan(1e-5);
});
