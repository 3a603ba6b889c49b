/** Every lowering of a gradient gives the same gradient, whatever the shape; a table changes bits, not results. */
import { afterAll, expect, it } from "vitest";
import { createRandom } from "../base/index.ts";
import { createGraphBuilder, elementCount, type Window } from "../graph/index.ts";
import { openGraphSession, openTrainingSession, profileModel, runRecord, tuneLowerings } from "../runtime/index.ts";
import {
  type ConvolutionShape,
  convInputGradient,
  convWeightGradient,
  type InputLowering,
  type Lowerings,
  loweringsOf,
  networkParameters,
  parseLoweringTable,
  SHIPPED_LOWERINGS,
  type WeightLowering,
} from "../training/index.ts";
import { unet3d } from "./unet3d.ts";

/** Of the largest value. */
const TOLERANCE = 1e-5;

function convolution(
  input: readonly number[],
  weight: readonly number[],
  strides: readonly number[],
  begin: readonly number[],
  end = begin,
  dilations: readonly number[] = strides.map(() => 1),
): ConvolutionShape {
  const kernel = weight.slice(2);
  const window: Window = { kernel, strides, dilations, padsBegin: begin, padsEnd: end };
  const counts = kernel.map(
    (k, i) => Math.floor((input[i + 2] + begin[i] + end[i] - dilations[i] * (k - 1) - 1) / strides[i]) + 1,
  );
  return { input, weight, output: [input[0], weight[0], ...counts], window, group: 1 };
}

const SHAPES: readonly (readonly [string, ConvolutionShape, inputWays: number, weightWays: number])[] = [
  ["3 x 3 x 3", convolution([2, 3, 5, 4, 6], [4, 3, 3, 3, 3], [1, 1, 1], [1, 1, 1]), 3, 5],
  ["stride 2", convolution([1, 3, 6, 5, 7], [4, 3, 3, 3, 3], [2, 2, 2], [1, 1, 1]), 2, 2],
  ["kernel and stride 2", convolution([2, 3, 4, 6, 4], [2, 3, 2, 2, 2], [2, 2, 2], [0, 0, 0]), 2, 2],
  ["uneven", convolution([1, 2, 5, 7, 6], [3, 2, 1, 3, 2], [1, 1, 1], [0, 1, 0], [0, 0, 1]), 3, 5],
  ["dilated", convolution([1, 2, 9, 8], [3, 2, 3, 3], [2, 1], [2, 1], [1, 2], [2, 2]), 1, 2],
];

async function gradientBy(
  gradient: "input" | "weight",
  shape: ConvolutionShape,
  only: Lowerings,
): Promise<Float32Array> {
  const random = createRandom("lowerings", gradient);
  const b = createGraphBuilder(17);
  const feed = (name: string, sizes: readonly number[]) => {
    b.input(name, "float32", sizes);
    const data = Float32Array.from({ length: elementCount(sizes) }, () => random.normal());
    return { [name]: { dtype: "float32" as const, shape: sizes, data } };
  };
  const feeds = { ...feed("dy", shape.output), ...feed("other", gradient === "input" ? shape.weight : shape.input) };
  const result =
    gradient === "input"
      ? convInputGradient(b, "dy", "other", shape, only)
      : convWeightGradient(b, "other", "dy", shape, only);
  expect(b.shape(result)).toEqual(gradient === "input" ? shape.input : shape.weight);
  const session = await openGraphSession(b.build("gradient", [result]), { threads: 1 });
  const values = (await session.run(feeds))[result];
  await session.close();
  return values;
}

it.each(SHAPES)("agrees in every way: %s", async (_, shape, inputWays, weightWays) => {
  for (const [gradient, ways] of [
    ["input", inputWays],
    ["weight", weightWays],
  ] as const) {
    let fitting: readonly string[] = [];
    const only = (name?: string): Lowerings => ({
      byInput: (_shape, names) => {
        fitting = names;
        return (name ?? "transposedConvolution") as InputLowering;
      },
      byWeight: (_shape, names) => {
        fitting = names;
        return (name ?? "columns") as WeightLowering;
      },
    });
    const reference = await gradientBy(gradient, shape, only());
    expect(fitting).toHaveLength(ways);
    for (const name of fitting) {
      const values = await gradientBy(gradient, shape, only(name));
      const worst = values.reduce((most, value, i) => Math.max(most, Math.abs(value - reference[i])), 0);
      const largest = reference.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      expect([name, worst < TOLERANCE * largest]).toEqual([name, true]);
    }
  }
});

it("agrees where dy is taken in two slabs of planes", async () => {
  // 75 MB of shifted copies
  const shape = convolution([1, 2, 31, 32, 64], [32, 2, 3, 3, 3], [1, 1, 1], [1, 1, 1]);
  const by = (name: WeightLowering): Promise<Float32Array> =>
    gradientBy("weight", shape, { byInput: () => "flippedKernel", byWeight: () => name });
  const [reference, values] = [await by("rowsOfDy"), await by("rowsOfDyByTap")];
  const [largest, worst] = [reference, values.map((value, i) => value - reference[i])].map((list) =>
    list.reduce((most, value) => Math.max(most, Math.abs(value)), 0),
  );
  expect(worst).toBeGreaterThan(0);
  expect(worst).toBeLessThan(TOLERANCE * largest);
});

const NETWORK = unet3d({
  inputChannels: 2,
  classes: 3,
  baseFeatures: 2,
  levels: 2,
  maxFeatures: 8,
  stem: 1,
  detail: false,
  mirror: false,
  seed: 1,
});
const INPUT = [1, 2, 8, 8, 8];
const sessions: { close(): Promise<void> }[] = [];
afterAll(async () => {
  for (const session of sessions) await session.close();
});

async function lossesWith(lowerings: Lowerings): Promise<number[]> {
  const optimiser = { kind: "sgd", learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0 } as const;
  const session = await openTrainingSession(NETWORK, { inputShape: INPUT, optimiser, threads: 1, lowerings });
  sessions.push(session);
  session.load(networkParameters(NETWORK).data, null, 0);
  const image = Float32Array.from({ length: elementCount(INPUT) }, (_, i) => Math.sin(i * 0.7));
  const labels = Uint8Array.from({ length: 512 }, (_, i) => i % 3);
  const losses: number[] = [];
  for (let i = 0; i < 4; i++) losses.push((await session.step({ image, labels }, 0.1)).loss);
  return losses;
}

it("tunes a table that trains alike under another record", async () => {
  const { table, measured } = await tuneLowerings(NETWORK, { inputShapes: [INPUT], threads: 1, runs: 1 });
  expect(parseLoweringTable(JSON.parse(JSON.stringify(table)), "tuned")).toEqual(table);
  expect(measured.length).toBe(
    Object.keys(table.inputGradient.shapes).length + Object.keys(table.weightGradient.shapes).length,
  );
  for (const { ms } of measured) {
    expect(ms.length).toBeGreaterThan(1);
    expect(ms.every((each, i) => Number.isFinite(each.ms) && each.ms >= (ms[i - 1]?.ms ?? 0))).toBe(true);
  }
  const slow = parseLoweringTable(
    {
      ...SHIPPED_LOWERINGS,
      inputGradient: { shapes: {}, otherwise: [{ use: "transposedConvolution" }] },
      weightGradient: { shapes: {}, otherwise: [{ use: "columns" }] },
    },
    "slow",
  );
  const [usual, tuned, other] = [
    await lossesWith(loweringsOf(SHIPPED_LOWERINGS)),
    await lossesWith(loweringsOf(table)),
    await lossesWith(loweringsOf(slow)),
  ];
  for (let i = 0; i < usual.length; i++) {
    expect(tuned[i]).toBeCloseTo(usual[i], 4);
    expect(other[i]).toBeCloseTo(usual[i], 4);
  }
  expect(runRecord(1, slow)).not.toEqual(runRecord(1));
  expect(runRecord(1)).toEqual(runRecord(1, SHIPPED_LOWERINGS));
});

it("profiles a step: every operator, whose multiply-adds are those of the graph", async () => {
  const profile = await profileModel(NETWORK, { inputShape: INPUT, work: "inference", runs: 2, threads: 1 });
  // by hand: 3x3x3 convolutions, an upsampling of 2x2x2, a head of single voxels
  const [fine, coarse] = [512, 64];
  const expected =
    27 * (fine * (2 * 2 + 2 * 2) + coarse * (2 * 4 + 4 * 4)) +
    coarse * 4 * 2 * 8 +
    27 * fine * (4 * 2 + 2 * 2) +
    fine * 2 * 3;
  expect(profile.operators.reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0)).toBe(expected);
  expect(profile.operators.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
  expect(profile.nodes.length).toBe(profile.operators.reduce((sum, { nodes }) => sum + nodes, 0));
  const step = await profileModel(NETWORK, { inputShape: INPUT, work: "training", runs: 1, threads: 1 });
  expect(step.operators.map(({ operator }) => operator)).toEqual(
    expect.arrayContaining(["Conv", "FusedMatMul", "LeakyRelu"]),
  );
  expect(step.operators.every(({ ms }, i, all) => i === 0 || ms <= all[i - 1].ms)).toBe(true);
  expect(step.valueBytes).toBeGreaterThan(profile.valueBytes);
});
