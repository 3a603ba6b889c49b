import { describe, expect, it } from "vitest";
import { createRandom } from "../base/index.ts";
import { attr, createGraphBuilder, float32Tensor, type Graph } from "../graph/index.ts";
import type { OptimiserSpec } from "../study/index.ts";
import { networkParameters } from "../training/index.ts";
import type { Batch } from "./training-batch.ts";
import { openTrainingSession, type TrainingSessionOptions } from "./training-session.ts";

const SGD: OptimiserSpec = { kind: "sgd", learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.01 };
const ADAM: OptimiserSpec = {
  kind: "adamw",
  learningRate: 0.01,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
};
const SHAPE = [1, 2, 2, 3, 2];
const VOXELS = 12;

/** Two convolutions of single voxels with a ReLU between them. */
function tinyNetwork(): Graph {
  const b = createGraphBuilder(17);
  const random = createRandom(5, "tiny network");
  const weight = (name: string, shape: readonly number[]): string =>
    b.weight(
      name,
      float32Tensor(
        shape,
        Float32Array.from({ length: shape.reduce((p, n) => p * n, 1) }, () => random.normal()),
      ),
    );
  const image = b.input("image", "float32", SHAPE);
  const ones = { kernel_shape: attr.ints([1, 1, 1]) };
  const hidden = b.emit("Relu", [
    b.emit("Conv", [image, weight("first.weight", [4, 2, 1, 1, 1]), weight("first.bias", [4])], ones),
  ]);
  return b.build("tiny", [b.emit("Conv", [hidden, weight("last.weight", [3, 4, 1, 1, 1])], ones)]);
}

function batchOf(seed: number): Batch {
  const random = createRandom(seed, "batch");
  return {
    image: Float32Array.from({ length: 2 * VOXELS }, () => random.normal()),
    labels: Uint8Array.from({ length: VOXELS }, () => Math.floor(random.between(0, 3))),
    cases: [`Case_${seed}`],
  };
}

async function opened(options: Partial<TrainingSessionOptions> = {}) {
  const network = tinyNetwork();
  const objective = { loss: { kind: "crossEntropy" } } as const;
  const session = await openTrainingSession(network, {
    inputShape: SHAPE,
    optimiser: SGD,
    objective,
    threads: 1,
    ...options,
  });
  const { data } = networkParameters(network);
  session.load(data, null, 0);
  return { session, initial: data };
}

const distance = (a: Float32Array, b: Float32Array): number =>
  a.reduce((max, value, i) => Math.max(max, Math.abs(value - b[i])), 0);

describe("a training session", () => {
  it("takes one step on the mean gradient of several batches", async () => {
    const [one, two] = [batchOf(1), batchOf(2)];
    const { session: apart } = await opened({ accumulate: 2, clipNorm: 100 });
    for (let i = 0; i < 3; i++) await apart.step([one, two], 0.1);
    const { session: byHand, initial } = await opened({ withGradient: true });
    // SGD by hand on the mean of both gradients
    let [weights, velocity] = [initial.slice(), new Float32Array(initial.length)];
    for (let i = 0; i < 3; i++) {
      const gradients: Float32Array[] = [];
      for (const batch of [one, two]) {
        byHand.load(weights, null, 0);
        gradients.push((await byHand.step(batch, 0)).gradient?.slice() ?? new Float32Array());
      }
      const mean = weights.map((w, j) => (gradients[0][j] + gradients[1][j]) / 2 + 0.01 * w);
      velocity = velocity.map((v, j) => 0.9 * v + mean[j]);
      weights = weights.map((w, j) => w - 0.1 * (mean[j] + 0.9 * velocity[j]));
    }
    expect(distance(apart.parameters(), weights)).toBeLessThan(1e-5);
  });

  it("goes on from its own state with the same bits", async () => {
    const batches = [1, 2, 3, 4].map(batchOf);
    const { session } = await opened({ optimiser: ADAM, clipNorm: 0.5, proximal: 0.1 });
    const anchor = session.parameters().slice();
    for (const batch of batches) await session.step(batch, 0.01);
    const { session: first } = await opened({ optimiser: ADAM, clipNorm: 0.5, proximal: 0.1 });
    for (const batch of batches.slice(0, 2)) await first.step(batch, 0.01);
    const { session: second } = await opened({ optimiser: ADAM, clipNorm: 0.5, proximal: 0.1 });
    second.load(first.parameters(), first.state(), 2, { anchor });
    for (const batch of batches.slice(2)) await second.step(batch, 0.01);
    expect(second.parameters()).toEqual(session.parameters());
    expect(second.state()).toEqual(session.state());
  });

  it("keeps the exponential moving average of the parameters, from where they were loaded", async () => {
    const { session, initial } = await opened({ averageDecay: 0.6 });
    let average = Float64Array.from(initial);
    for (const seed of [1, 2, 3]) {
      await session.step(batchOf(seed), 0.1);
      const now = session.parameters();
      average = average.map((a, i) => 0.6 * a + 0.4 * now[i]);
    }
    expect(distance(session.averaged(), Float32Array.from(average))).toBeLessThan(1e-6);
    expect(distance(session.averaged(), session.parameters())).toBeGreaterThan(1e-4);
  });

  it("scales a gradient down to the norm that is declared", async () => {
    const plain = { ...SGD, momentum: 0, nesterov: false, weightDecay: 0 };
    const { session, initial } = await opened({ optimiser: plain, clipNorm: 1e-3 });
    await session.step(batchOf(1), 1);
    const moved = Math.hypot(...session.parameters().map((w, i) => w - initial[i]));
    expect(moved).toBeGreaterThan(0.99e-3);
    expect(moved).toBeLessThan(1.01e-3);
  });

  it("trains all but frozen parameters", async () => {
    const { session, initial } = await opened({ parameterGroups: [{ names: ["first.*"], frozen: true }] });
    await session.step(batchOf(1), 0.1);
    for (const { name, offset, length } of session.layout.entries) {
      const moved = distance(
        session.parameters().subarray(offset, offset + length),
        initial.subarray(offset, offset + length),
      );
      if (name.startsWith("first.")) expect(moved, name).toBe(0);
      else expect(moved, name).toBeGreaterThan(0);
    }
  });

  it("says which step, batch and case a loss without a number came from", async () => {
    const { session } = await opened({ accumulate: 2 });
    await session.step([batchOf(1), batchOf(2)], 0.1);
    const broken = { ...batchOf(3), image: new Float32Array(2 * VOXELS).fill(Number.NaN) };
    await expect(session.step([batchOf(4), broken], 0.1)).rejects.toMatchObject({
      code: "training-diverged",
      subject: "step 2, batch 2 (Case_3)",
    });
  });

  it.each([1, 2])(
    "says which step, batch and case there was no memory for, %i batch(es) a step",
    async (accumulate) => {
      const network = hugeNetwork();
      const session = await openTrainingSession(network, {
        inputShape: SHAPE,
        optimiser: SGD,
        objective: { loss: { kind: "crossEntropy" } },
        threads: 1,
        accumulate,
      });
      session.load(networkParameters(network).data, null, 0);
      const batches = [batchOf(1), batchOf(2)].slice(0, accumulate);
      await expect(session.step(batches, 0.1)).rejects.toMatchObject({
        code: "out-of-memory",
        subject: "step 1, batch 1 (Case_1)",
        hint: expect.stringContaining("smaller patch or batch"),
      });
      await session.close();
    },
  );
});

/** More than any processor addresses: 2^49 bytes for each voxel. */
function hugeNetwork(): Graph {
  const b = createGraphBuilder(18);
  const image = b.input("image", "float32", SHAPE);
  const scaled = b.emit("Mul", [image, b.weight("scale", float32Tensor([1], [1]))]);
  const spread = b.emit("Expand", [b.emit("Unsqueeze", [scaled, b.ints([5])]), b.ints([...SHAPE, 2 ** 47])]);
  return b.build("huge", [b.emit("ReduceMax", [spread, b.ints([5])], { keepdims: attr.int(0) })]);
}
