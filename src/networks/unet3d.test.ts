import { describe, expect, test } from "vitest";
import { openForwardSession, openTrainingSession } from "../runtime/index.ts";
import { networkParameters } from "../training/index.ts";
import { unet3d } from "./unet3d.ts";

const network = (stem: number, detail: boolean, mirror: boolean): ReturnType<typeof unet3d> =>
  unet3d({ inputChannels: 2, classes: 3, stem, detail, mirror, levels: 2, baseFeatures: 3, maxFeatures: 320, seed: 5 });
const SGD = { kind: "sgd", learningRate: 1, momentum: 0, nesterov: false, weightDecay: 0 } as const;

describe.each([
  [1, false, false],
  [1, true, false],
  [1, false, true],
  [2, false, false],
  [2, true, false],
  [2, true, true],
  [3, true, false],
])("a U-Net on blocks of %i^3 voxels, detail %s, mirror %s", (stem, detail, mirror) => {
  const side = 8 * stem;
  const shape = [1, 2, side, side, side];
  const image = Float32Array.from({ length: 2 * side ** 3 }, (_, i) => Math.sin(0.7 * i) + Math.cos(0.05 * i));
  const labels = Uint8Array.from({ length: side ** 3 }, (_, i) => (image[i] > 0.5 ? 1 + (i % 2) : 0));

  test("gives logits for every voxel", async () => {
    const session = await openForwardSession(network(stem, detail, mirror), shape, { threads: 1 });
    const logits = await session.run(image, networkParameters(network(stem, detail, mirror)).data);
    await session.close();
    expect(logits.length).toBe(3 * side ** 3);
    const within = new Set(Array.from({ length: stem }, (_, x) => logits[x]));
    expect(within.size).toBe(stem);
  });

  test("has the gradient that the loss shows along it", async () => {
    const { data } = networkParameters(network(stem, detail, mirror));
    const session = await openTrainingSession(network(stem, detail, mirror), {
      inputShape: shape,
      optimiser: SGD,
      threads: 1,
      withGradient: true,
    });
    const lossAt = async (parameters: Float32Array): Promise<{ loss: number; gradient: Float32Array }> => {
      session.load(parameters, null, 0);
      const { loss, gradient } = await session.step({ image, labels }, 0);
      return { loss, gradient: gradient?.slice() ?? new Float32Array() };
    };
    const { gradient } = await lossAt(data);
    const square = gradient.reduce((sum, g) => sum + g * g, 0);
    const step = 5e-4 / Math.sqrt(square);
    const moved = (sign: number): Float32Array => data.map((w, i) => w + sign * step * gradient[i]);
    const slope = ((await lossAt(moved(1))).loss - (await lossAt(moved(-1))).loss) / (2 * step);
    await session.close();
    expect(slope / square).toBeGreaterThan(0.98);
    expect(slope / square).toBeLessThan(1.02);
  });
});

test("a U-Net with mirror sees the other side, however far away", async () => {
  const shape = [1, 2, 8, 8, 64];
  const image = Float32Array.from({ length: 2 * 8 * 8 * 64 }, (_, i) => Math.sin(0.7 * i));
  const oneSide = image.slice();
  // Voxels at the left edge, whose mirror images lie at the right edge.
  for (let i = 0; i < image.length; i += 64) oneSide[i] += 0.5;
  const changeAtRightEdge = async (mirror: boolean): Promise<number> => {
    const graph = network(1, false, mirror);
    const session = await openForwardSession(graph, shape, { threads: 1 });
    const parameters = networkParameters(graph).data;
    const [before, after] = [(await session.run(image, parameters)).slice(), await session.run(oneSide, parameters)];
    await session.close();
    return Math.abs(after[63] - before[63]);
  };
  // What is left without mirror comes through the norms' means.
  expect(await changeAtRightEdge(true)).toBeGreaterThan(5 * (await changeAtRightEdge(false)));
});
