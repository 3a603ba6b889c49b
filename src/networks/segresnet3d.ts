/**
 * SegResNet (Myronenko 2018, without its variational branch) as MONAI builds it: an encoder of residual blocks that go
 * before their convolutions through group normalisation and ReLU, strided convolutions down, and a light decoder: a
 * convolution of single voxels, trilinear interpolation, and the encoder's result of that level added.
 */
import { float32Tensor, type Graph } from "../graph/index.ts";
import { createLayers, cube, type Layers } from "./layers.ts";

export interface SegResNet3DOptions {
  readonly inputChannels: number;
  readonly classes: number;
  /** Features at the first level; they double with each further one. Divisible by `groups`. */
  readonly baseFeatures: number;
  /** Residual blocks of each encoder level. */
  readonly encoderBlocks: readonly number[];
  /** Residual blocks of each decoder level, coarsest first: one fewer than the encoder's. */
  readonly decoderBlocks: readonly number[];
  /** Groups of channels that are normalised together. */
  readonly groups: number;
  readonly seed: number;
}

const THREE = { kernel: cube(3), stride: cube(1), bias: false } as const;
const ONE = { kernel: cube(1), stride: cube(1), bias: false } as const;

/** image float32 [N, inputChannels, D, H, W] to logits [N, classes, D, H, W]; initial weights as PyTorch's, by seed. */
export function segResNet3d(options: SegResNet3DOptions): Graph {
  const { inputChannels, classes, baseFeatures, encoderBlocks, decoderBlocks, groups } = options;
  const layers = createLayers(options.seed);
  const levels = encoderBlocks.length;
  const features = Array.from({ length: levels }, (_, l) => baseFeatures * 2 ** l);
  let value = layers.conv("first", "image", inputChannels, baseFeatures, THREE);
  const skips: string[] = [];
  for (let l = 0; l < levels; l++) {
    if (l > 0) {
      const strided = { ...THREE, stride: cube(2) };
      value = layers.conv(`encoder.${l}.down`, value, features[l - 1], features[l], strided);
    }
    for (let i = 0; i < encoderBlocks[l]; i++) {
      value = residualBlock(layers, `encoder.${l}.${i}`, value, features[l], groups);
    }
    skips.push(value);
  }
  const scales = layers.fixed("scales", float32Tensor([5], Float32Array.of(1, 1, 2, 2, 2)));
  decoderBlocks.forEach((blocks, i) => {
    const l = levels - 2 - i;
    const mixed = layers.conv(`decoder.${l}.mix`, value, features[l + 1], features[l], ONE);
    const mode = { mode: { kind: "string", value: "linear" } } as const;
    const finer = layers.emit("Resize", `decoder.${l}.finer`, [mixed, "", scales], mode);
    value = layers.emit("Add", `decoder.${l}.sum`, [finer, skips[l]]);
    for (let j = 0; j < blocks; j++) {
      value = residualBlock(layers, `decoder.${l}.${j}`, value, features[l], groups);
    }
  });
  const last = normalised(layers, "head", value, baseFeatures, groups);
  layers.conv("head.conv", last, baseFeatures, classes, { ...ONE, bias: true, output: "logits" });
  return layers.graph(`segresnet3d ${levels} levels, ${baseFeatures} base features`, inputChannels, classes, [
    "logits",
  ]);
}

function normalised(layers: Layers, name: string, input: string, channels: number, groups: number): string {
  return layers.emit("Relu", `${name}.act`, [layers.groupNorm(`${name}.norm`, input, channels, groups)]);
}

function residualBlock(layers: Layers, name: string, input: string, channels: number, groups: number): string {
  let value = input;
  for (const part of [`${name}.first`, `${name}.second`]) {
    value = layers.conv(`${part}.conv`, normalised(layers, part, value, channels, groups), channels, channels, THREE);
  }
  return layers.emit("Add", `${name}.sum`, [value, input]);
}
