/**
 * A 3D U-Net (Cicek et al. 2016) as nnU-Net builds its plain one (Isensee et al. 2021): two blocks of convolution,
 * instance normalisation and leaky ReLU at each level, strided convolutions down, transposed convolutions up, skips by
 * concatenation. Any input whose sides divide by 2^(levels - 1) goes through it.
 */
import { createRandom, type Random } from "../base/index.ts";
import { attr, checkGraph, float32Tensor, type Graph, type GraphNode, type Tensor } from "../graph/index.ts";

export interface UNet3DOptions {
  readonly inputChannels: number;
  readonly classes: number;
  /** Resolution levels, the full one included. */
  readonly levels: number;
  readonly baseFeatures: number;
  /** Features stop doubling here. */
  readonly maxFeatures: number;
  readonly seed: number;
}

const OPSET = 17;
const SLOPE = 0.01;
const EPSILON = 1e-5;

/** image float32 [N, inputChannels, D, H, W] to logits [N, classes, D, H, W]; initial weights as PyTorch's, by seed. */
export function unet3d(options: UNet3DOptions): Graph {
  const { levels, inputChannels, classes } = options;
  const layers = createLayers(options.seed);
  const features = Array.from({ length: levels }, (_, l) =>
    Math.min(options.baseFeatures * 2 ** l, options.maxFeatures),
  );
  const skips: string[] = [];
  let value = "image";
  for (let l = 0; l < levels; l++) {
    const from = l === 0 ? inputChannels : features[l - 1];
    value = layers.block(`encoder.${l}.0`, value, from, features[l], l === 0 ? 1 : 2);
    value = layers.block(`encoder.${l}.1`, value, features[l], features[l], 1);
    skips.push(value);
  }
  for (let l = levels - 2; l >= 0; l--) {
    const up = layers.up(`decoder.${l}.up`, value, features[l + 1], features[l]);
    const joined = layers.emit("Concat", `decoder.${l}.join`, [up, skips[l]], { axis: attr.int(1) });
    value = layers.block(`decoder.${l}.0`, joined, 2 * features[l], features[l], 1);
    value = layers.block(`decoder.${l}.1`, value, features[l], features[l], 1);
  }
  layers.conv("head", value, features[0], classes, 1, 1, "logits");
  return checkGraph({
    name: `unet3d ${levels} levels, ${options.baseFeatures} base features`,
    opset: OPSET,
    inputs: [{ name: "image", dtype: "float32", shape: ["N", inputChannels, "D", "H", "W"] }],
    outputs: [{ name: "logits", dtype: "float32", shape: ["N", classes, "D", "H", "W"] }],
    initializers: layers.initializers,
    nodes: layers.nodes,
  });
}

interface Layers {
  readonly nodes: GraphNode[];
  readonly initializers: Map<string, Tensor>;
  emit(
    opType: GraphNode["opType"],
    name: string,
    inputs: readonly string[],
    attributes: GraphNode["attributes"],
    output?: string,
  ): string;
  conv(name: string, input: string, from: number, to: number, kernel: number, stride: number, output?: string): string;
  block(name: string, input: string, from: number, to: number, stride: number): string;
  up(name: string, input: string, from: number, to: number): string;
}

function createLayers(seed: number): Layers {
  const nodes: GraphNode[] = [];
  const initializers = new Map<string, Tensor>();
  const random = createRandom(seed, "initial weights");

  const emit: Layers["emit"] = (opType, name, inputs, attributes, output = name) => {
    nodes.push({ opType, name, inputs, outputs: [output], attributes });
    return output;
  };
  /** He et al. 2015 with PyTorch's default slope of sqrt 5: uniform within 1 / sqrt(fan-in), for weight and bias. */
  const parameters = (name: string, shape: readonly number[], outputs: number, fanIn: number): string[] => {
    const bound = 1 / Math.sqrt(fanIn);
    initializers.set(`${name}.weight`, uniformTensor(random, shape, bound));
    initializers.set(`${name}.bias`, uniformTensor(random, [outputs], bound));
    return [`${name}.weight`, `${name}.bias`];
  };
  const conv: Layers["conv"] = (name, input, from, to, kernel, stride, output) => {
    const names = parameters(name, [to, from, kernel, kernel, kernel], to, from * kernel ** 3);
    const cube = (value: number): number[] => [value, value, value];
    const pad = (kernel - 1) / 2;
    const attributes = { strides: attr.ints(cube(stride)), pads: attr.ints([...cube(pad), ...cube(pad)]) };
    return emit("Conv", name, [input, ...names], attributes, output ?? `${name}.out`);
  };
  return {
    nodes,
    initializers,
    emit,
    conv,
    block(name, input, from, to, stride) {
      const mixed = conv(`${name}.conv`, input, from, to, 3, stride);
      initializers.set(`${name}.norm.weight`, float32Tensor([to], new Float32Array(to).fill(1)));
      initializers.set(`${name}.norm.bias`, float32Tensor([to], new Float32Array(to)));
      const inputs = [mixed, `${name}.norm.weight`, `${name}.norm.bias`];
      const normal = emit(
        "InstanceNormalization",
        `${name}.norm`,
        inputs,
        { epsilon: attr.float(EPSILON) },
        `${name}.norm.out`,
      );
      return emit("LeakyRelu", `${name}.act`, [normal], { alpha: attr.float(SLOPE) }, `${name}.out`);
    },
    up(name, input, from, to) {
      const names = parameters(name, [from, to, 2, 2, 2], to, to * 8);
      return emit("ConvTranspose", name, [input, ...names], { strides: attr.ints([2, 2, 2]) }, `${name}.out`);
    },
  };
}

function uniformTensor(random: Random, shape: readonly number[], bound: number): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  return float32Tensor(
    shape,
    Float32Array.from({ length: count }, () => random.between(-bound, bound)),
  );
}
