/** Norms over the batch and dropped values in a training session: by hand, in both kinds of session, and repeated. */
import { describe, expect, it } from "vitest";
import { createRandom } from "../base/index.ts";
import { attr, createGraphBuilder, float32Tensor, type Graph, parameterView, tensorOf } from "../graph/index.ts";
import type { OptimiserSpec } from "../study/index.ts";
import { inferenceForm, networkParameters, withBatchStatistics } from "../training/index.ts";
import { openForwardSession } from "./forward-session.ts";
import type { Batch } from "./training-batch.ts";
import { openTrainingSession, type TrainingSession, type TrainingSessionOptions } from "./training-session.ts";

const SGD: OptimiserSpec = { kind: "sgd", learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.01 };
const SHAPE = [2, 2, 2, 3, 2];
const VOXELS = 12;
const MOMENTUM = 0.8;

/** A norm over the batch, dropped values where a ratio is given, and a convolution. */
function network(ratio?: number): Graph {
  const b = createGraphBuilder(17);
  const random = createRandom(5, "network");
  const image = b.input("image", "float32", SHAPE);
  const weight = (name: string, ...values: number[]): string => b.weight(name, float32Tensor([values.length], values));
  const [normed] = b.emitMany(
    "BatchNormalization",
    [image, weight("scale", 1, 1.5), weight("bias", 0, 0.2), weight("mean", 0, 0), weight("variance", 1, 1)],
    3,
    { training_mode: attr.int(1), momentum: attr.float(MOMENTUM) },
  );
  const yes = b.constant(tensorOf("bool", [], [1]));
  const kept = ratio === undefined ? normed : b.emit("Dropout", [normed, b.scalar(ratio), yes]);
  const kernel = b.weight("kernel", float32Tensor([3, 2, 1, 1, 1], Float32Array.from({ length: 6 }, random.normal)));
  return b.build("network", [b.emit("Conv", [kept, kernel], { kernel_shape: attr.ints([1, 1, 1]) })]);
}

function batchOf(seed: number): Batch {
  const random = createRandom(seed, "batch");
  return {
    image: Float32Array.from({ length: 2 * 2 * VOXELS }, () => 2 + 3 * random.normal()),
    labels: Uint8Array.from({ length: 2 * VOXELS }, () => random.integer(3)),
  };
}

async function opened(graph: Graph, options: Partial<TrainingSessionOptions> = {}): Promise<TrainingSession> {
  const session = await openTrainingSession(graph, {
    inputShape: SHAPE,
    optimiser: SGD,
    objective: { loss: { kind: "crossEntropy" } },
    threads: 1,
    ...options,
  });
  session.load(networkParameters(graph).data, null, 0, { dropoutSeed: [1, "dropout"] });
  return session;
}

function valuesOf({ layout }: TrainingSession, data: Float32Array, name: string): number[] {
  const entry = layout.entries.find((each) => each.name === name);
  return entry === undefined ? [] : [...parameterView({ layout, data }, entry)];
}

/** Mean and unbiased variance of each channel of an image [2, 2, V]. */
function statisticsOf({ image }: Batch): { mean: number[]; variance: number[] } {
  const channels = [0, 1].map((channel) =>
    [0, 1].flatMap((n) => [...image.subarray((2 * n + channel) * VOXELS, (2 * n + channel + 1) * VOXELS)]),
  );
  const mean = channels.map((values) => values.reduce((sum, v) => sum + v, 0) / values.length);
  const variance = channels.map(
    (values, i) => values.reduce((sum, v) => sum + (v - mean[i]) ** 2, 0) / (values.length - 1),
  );
  return { mean, variance };
}

const moved = (old: readonly number[], batch: readonly number[]): number[] =>
  old.map((value, i) => MOMENTUM * value + (1 - MOMENTUM) * batch[i]);

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i], 5);
  });
}

describe("running statistics", () => {
  it.each([1, 2])("are those of PyTorch after every pass, %i batch(es) a step", async (accumulate) => {
    const session = await opened(network(), { accumulate });
    const batches = [1, 2, 3, 4].map(batchOf);
    let [mean, variance] = [
      [0, 0],
      [1, 1],
    ];
    for (let i = 0; i < batches.length; i += accumulate) {
      const now = batches.slice(i, i + accumulate);
      await session.step(now, 0.1);
      for (const batch of now) {
        const own = statisticsOf(batch);
        [mean, variance] = [moved(mean, own.mean), moved(variance, own.variance)];
      }
    }
    expectClose(valuesOf(session, session.parameters(), "mean"), mean);
    expectClose(valuesOf(session, session.parameters(), "variance"), variance);
    await session.close();
  });

  it("are taken as they are into a moving average, and moved by no decay, group or proximal term", async () => {
    const settings = { averageDecay: 0.9, proximal: 0.5, clipNorm: 0.01 };
    const [plain, other] = [await opened(network()), await opened(network(), settings)];
    for (const batch of [batchOf(1), batchOf(2)]) for (const session of [plain, other]) await session.step(batch, 0.1);
    for (const name of ["mean", "variance"]) {
      const expected = valuesOf(plain, plain.parameters(), name);
      expect(valuesOf(other, other.averaged(), name)).toEqual(expected);
      expect(valuesOf(other, other.parameters(), name)).toEqual(expected);
    }
    expect(valuesOf(other, other.averaged(), "kernel")).not.toEqual(valuesOf(other, other.parameters(), "kernel"));
  });

  it("are what the network predicts with", async () => {
    const graph = network(0.5);
    const { layout, data } = networkParameters(graph);
    const forward = await openForwardSession(graph, SHAPE, { threads: 1 });
    const frozen = inferenceForm(graph);
    const same = await openForwardSession(frozen, SHAPE, { threads: 1 });
    const { image } = batchOf(1);
    expect(layout.entries.filter(({ buffer }) => buffer).map(({ name }) => name)).toEqual(["mean", "variance"]);
    const values = await forward.run(image, data);
    expect(values).toEqual(await same.run(image, networkParameters(frozen).data));
    // mean 0 and variance 1: the norm is scale and bias alone
    const kernel = valuesOf({ layout } as TrainingSession, data, "kernel");
    const one = kernel[0] * image[0] + kernel[1] * (1.5 * image[VOXELS] + 0.2);
    expect(values[0]).toBeCloseTo(one, 3);
  });

  it("are frozen, or trained, where a study says so and the file does not", () => {
    const asExported = network();
    const frozen = withBatchStatistics(asExported, "frozen");
    expect(networkParameters(frozen).layout.entries.map(({ name }) => name)).toEqual(["bias", "kernel", "scale"]);
    expect(networkParameters(withBatchStatistics(frozen, "averaged")).layout).toEqual(
      networkParameters(asExported).layout,
    );
    expect(withBatchStatistics(asExported, "asExported")).toBe(asExported);
  });

  it("are refused where two norms share them, and for a key without a norm", () => {
    const b = createGraphBuilder(17);
    const x = b.input("image", "float32", SHAPE);
    const of = (name: string): string => b.weight(name, float32Tensor([2], [1, 1]));
    const shared = [of("scale"), of("bias"), of("mean"), of("variance")];
    const norm = (input: string): string =>
      b.emitMany("BatchNormalization", [input, ...shared], 3, { training_mode: attr.int(1) })[0];
    const twice = b.build("twice", [norm(norm(x))]);
    expect(() => networkParameters(twice)).toThrow(/\[onnx-unsupported\].*each of one norm, got those of/);
    const none = createGraphBuilder(17);
    const plain = none.build("plain", [none.emit("Relu", [none.input("image", "float32", SHAPE)])]);
    expect(() => withBatchStatistics(plain, "averaged")).toThrow(/\[study-invalid\].*BatchNormalization/);
  });
});

describe("dropped values", () => {
  const run = async (session: TrainingSession, steps: number): Promise<Float32Array> => {
    for (let i = 0; i < steps; i++) await session.step(batchOf(i), 0.1);
    return session.parameters();
  };

  it("are the same for the same seed, others for each pass and seed", async () => {
    const graph = network(0.5);
    const session = await opened(graph);
    const first = (await run(session, 3)).slice();
    const { data } = networkParameters(graph);
    session.load(data, null, 0, { dropoutSeed: [1, "dropout"] });
    expect(await run(session, 3)).toEqual(first);
    session.load(data, null, 0, { dropoutSeed: [2, "dropout"] });
    expect(await run(session, 3)).not.toEqual(first);
    expect(await run(await opened(graph), 3)).toEqual(first);
    await session.close();
  });

  it("are as many as the ratio says, and what stays is scaled by it", async () => {
    const b = createGraphBuilder(17);
    const image = b.input("image", "float32", [1, 2, 8, 8, 8]);
    const weight = b.weight("weight", float32Tensor([1], [1]));
    const scaled = b.emit("Mul", [image, weight]);
    // with the mask that PyTorch's exporter asks for and leaves unused, and behind it one that drops nothing
    const yes = b.constant(tensorOf("bool", [], [1]));
    const [kept] = b.emitMany("Dropout", [scaled, b.scalar(0.25), yes], 2);
    const graph = b.build("dropout", [b.emitMany("Dropout", [kept, b.scalar(0), yes], 2)[0]]);
    const session = await openTrainingSession(graph, {
      inputShape: [1, 2, 8, 8, 8],
      optimiser: SGD,
      objective: { loss: { kind: "crossEntropy" } },
      threads: 1,
      withGradient: true,
    });
    session.load(networkParameters(graph).data, null, 0, { dropoutSeed: [1] });
    const { logits = new Float32Array() } = await session.step(
      { image: new Float32Array(1024).fill(1), labels: new Uint8Array(512) },
      0,
    );
    const dropped = logits.filter((value) => value === 0).length;
    // binomial of 1024 values: standard deviation 13.9
    expect(Math.abs(dropped - 256)).toBeLessThan(70);
    expect([...new Set(logits)].sort()).toEqual([0, Math.fround(4 / 3)]);
    await session.close();
  });
});
