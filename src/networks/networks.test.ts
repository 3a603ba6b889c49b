/** Networks in other shapes than the plain U-Net's: sizes as PyTorch's packages have them, and gradients. */
import { describe, expect, test } from "vitest";
import type { Graph } from "../graph/index.ts";
import { openForwardSession, openTrainingSession } from "../runtime/index.ts";
import { parseStudy } from "../study/index.ts";
import { networkParameters, objectiveOfStudy } from "../training/index.ts";
import { segResNet3d } from "./segresnet3d.ts";
import { networkOfStudy } from "./study-network.ts";
import { unet3d } from "./unet3d.ts";

const SGD = { kind: "sgd", learningRate: 1, momentum: 0, nesterov: false, weightDecay: 0 } as const;
const TALL = {
  kernels: [
    [1, 3, 3],
    [3, 3, 3],
    [3, 3, 3],
  ],
  strides: [
    [1, 2, 2],
    [2, 2, 2],
  ],
} as const;
const unet = {
  inputChannels: 2,
  classes: 3,
  stem: 1,
  detail: false,
  mirror: false,
  levels: 3,
  baseFeatures: 6,
  maxFeatures: 320,
  features: [6, 10, 16],
  deepSupervision: true,
  seed: 5,
  ...TALL,
} as const;
const plain = unet3d({ ...unet, encoderBlocks: [2, 1, 3], decoderBlocks: 2 });
const residual = unet3d({ ...unet, encoder: "residual", encoderBlocks: [1, 2, 3] });
const segResNet = (baseFeatures: number): Graph =>
  segResNet3d({
    inputChannels: 4,
    classes: 3,
    baseFeatures,
    encoderBlocks: [1, 2, 2, 4],
    decoderBlocks: [1, 1, 1],
    groups: 8,
    seed: 5,
  });

// Counts by PyTorch: PlainConvUNet and ResidualEncoderUNet of dynamic-network-architectures 0.4.4 with conv_bias, affine
// InstanceNorm3d and deep supervision; SegResNet of MONAI 1.6.1 with init_filters 8.
test.each([
  ["an anisotropic U-Net", plain, 31_164],
  ["a U-Net with a residual encoder", residual, 57_776],
  ["a SegResNet", segResNet(8), 1_176_843],
])("%s has as many parameters as PyTorch's", (_name, network, count) => {
  expect(networkParameters(network).data.length).toBe(count);
});

describe.each([
  ["an anisotropic U-Net", plain, [1, 2, 4, 8, 8], { deepSupervision: [0.6, 0.4] }],
  ["a U-Net with a residual encoder", residual, [1, 2, 4, 8, 8], { deepSupervision: [0.6, 0.4] }],
  ["a SegResNet", segResNet(8), [1, 4, 16, 16, 16], {}],
])("%s", (_name, network, shape, supervision) => {
  const voxels = shape.slice(2).reduce((product, side) => product * side, 1);
  const image = Float32Array.from({ length: shape[1] * voxels }, (_, i) => Math.sin(0.7 * i) + Math.cos(0.05 * i));
  const labels = Uint8Array.from({ length: voxels }, (_, i) => (image[i] > 0.5 ? 1 + (i % 2) : 0));
  const objective = { loss: { kind: "crossEntropy" }, ...supervision } as const;

  test("has the gradient that the loss shows along it", async () => {
    const { data } = networkParameters(network);
    const options = { inputShape: shape, optimiser: SGD, objective, threads: 1, withGradient: true };
    const session = await openTrainingSession(network, options);
    const at = async (parameters: Float32Array): Promise<{ loss: number; gradient: Float32Array }> => {
      session.load(parameters, null, 0);
      const { loss, gradient } = await session.step({ image, labels }, 0);
      return { loss, gradient: gradient?.slice() ?? new Float32Array() };
    };
    const { gradient } = await at(data);
    const square = gradient.reduce((sum, g) => sum + g * g, 0);
    const step = 1e-3 / Math.sqrt(square);
    const moved = (sign: number): Float32Array => data.map((w, i) => w + sign * step * gradient[i]);
    const slope = ((await at(moved(1))).loss - (await at(moved(-1))).loss) / (2 * step);
    await session.close();
    expect(slope / square).toBeGreaterThan(0.97);
    expect(slope / square).toBeLessThan(1.03);
    const idle = session.layout.entries.filter(({ offset, length }) =>
      gradient.subarray(offset, offset + length).every((g) => g === 0),
    );
    expect(idle.map(({ name }) => name)).toEqual([]);
  });

  test("predicts with its finest output", async () => {
    const session = await openForwardSession(network, shape, { threads: 1 });
    const logits = await session.run(image, networkParameters(network).data);
    await session.close();
    expect(logits.length).toBe(3 * voxels);
  });
});

test("a study declares them, sides along x, y, z", async () => {
  const study = parseStudy({
    schema: "consilium.study/1",
    name: "anisotropic",
    network: {
      kind: "unet3d",
      levels: 3,
      baseFeatures: 4,
      strides: [
        [2, 2, 1],
        [2, 2, 2],
      ],
      deepSupervision: true,
    },
    training: { optimiser: { kind: "sgd", learningRate: 0.1 }, patch: [16, 12, 4], stepsPerRound: 1 },
    rounds: { count: 1 },
  });
  const network = networkOfStudy(study);
  expect(network.outputs.length).toBe(2);
  expect(objectiveOfStudy(study).deepSupervision).toEqual([2 / 3, 1 / 3]);
  const inputShape = [1, 4, 4, 12, 16];
  const objective = objectiveOfStudy(study);
  const session = await openTrainingSession(network, { inputShape, optimiser: SGD, objective, threads: 1 });
  session.load(networkParameters(network).data, null, 0);
  const voxels = 16 * 12 * 4;
  const image = Float32Array.from({ length: 4 * voxels }, (_, i) => Math.sin(i));
  const { loss } = await session.step({ image, labels: new Uint8Array(voxels) }, 0);
  await session.close();
  expect(loss).toBeGreaterThan(0);
  const seg = parseStudy({
    ...study,
    network: { kind: "segresnet3d" },
    training: { ...study.training, patch: [16, 16, 8] },
  });
  expect(networkOfStudy(seg).name).toContain("segresnet3d 4 levels, 16");
});
