/**
 * A 3D U-Net (Cicek et al. 2016) as nnU-Net builds its plain one (Isensee et al. 2021): two blocks of convolution,
 * instance normalisation and leaky ReLU at each level, strided convolutions down, transposed convolutions up, skips by
 * concatenation. Any input whose sides divide by stem * 2^(levels - 1) goes through it.
 *
 * With a stem above 1 the network works on blocks of stem^3 voxels: a strided convolution embeds each block before the
 * first level, as patch embedding does in vision transformers (Dosovitskiy et al. 2021; Hatamizadeh et al. 2022).
 * After the last level a transposed convolution writes the logits of each block's voxels. A step then costs several
 * times less for each voxel, and a patch may hold a whole brain. With `detail` the blocks are spread over their voxels
 * as features, and one more convolution joins these to the image itself, so that outlines follow voxels, not blocks.
 */
import { createRandom, type Random } from "../base/index.ts";
import {
  attr,
  checkGraph,
  float32Tensor,
  type Graph,
  type GraphNode,
  int64Tensor,
  type Tensor,
} from "../graph/index.ts";

export interface UNet3DOptions {
  readonly inputChannels: number;
  readonly classes: number;
  /** Side of the blocks of voxels that the first level sees; 1 is every voxel by itself. */
  readonly stem: number;
  /** Join the image to the last level's result, voxel by voxel. */
  readonly detail: boolean;
  /** Show the image beside its mirror image, left for right. */
  readonly mirror: boolean;
  /** Resolution levels, the first one included. */
  readonly levels: number;
  /** Features at the first level. */
  readonly baseFeatures: number;
  /** Features stop doubling here. */
  readonly maxFeatures: number;
  readonly seed: number;
}

const OPSET = 17;
const SLOPE = 0.01;
const EPSILON = 1e-5;
/** Channels in which blocks are spread over their voxels. */
const DETAIL_FEATURES = 8;

/** image float32 [N, inputChannels, D, H, W] to logits [N, classes, D, H, W]; initial weights as PyTorch's, by seed. */
export function unet3d(options: UNet3DOptions): Graph {
  const { levels, inputChannels, classes, stem, detail, mirror } = options;
  const layers = createLayers(options.seed);
  const features = Array.from({ length: levels }, (_, l) =>
    Math.min(options.baseFeatures * 2 ** l, options.maxFeatures),
  );
  const skips: string[] = [];
  let value = mirror ? layers.besideMirrorImage("image") : "image";
  const seen = mirror ? 2 * inputChannels : inputChannels;
  if (stem > 1) value = layers.conv("stem", value, seen, features[0], stem, stem);
  for (let l = 0; l < levels; l++) {
    const from = l > 0 ? features[l - 1] : stem > 1 ? features[0] : seen;
    value = layers.block(`encoder.${l}.0`, value, from, features[l], l === 0 ? 1 : 2);
    value = layers.block(`encoder.${l}.1`, value, features[l], features[l], 1);
    skips.push(value);
  }
  for (let l = levels - 2; l >= 0; l--) {
    const up = layers.up(`decoder.${l}.up`, value, features[l + 1], features[l], 2);
    const joined = layers.emit("Concat", `decoder.${l}.join`, [up, skips[l]], { axis: attr.int(1) });
    value = layers.block(`decoder.${l}.0`, joined, 2 * features[l], features[l], 1);
    value = layers.block(`decoder.${l}.1`, value, features[l], features[l], 1);
  }
  if (detail) layers.detail("head", value, inputChannels, features[0], classes, stem, "logits");
  else if (stem > 1) layers.up("head", value, features[0], classes, stem, "logits");
  else layers.conv("head", value, features[0], classes, 1, 1, "logits");
  return checkGraph({
    name: `unet3d ${levels} levels, ${options.baseFeatures} base features${stem > 1 ? `, stem ${stem}` : ""}${detail ? ", detail" : ""}${mirror ? ", mirror" : ""}`,
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
  /** Transposed convolution whose kernel is its stride: each voxel becomes a block. */
  up(name: string, input: string, from: number, to: number, stride: number, output?: string): string;
  /** The image and, as further channels, the image reversed along its last axis (left to right). */
  besideMirrorImage(input: string): string;
  /** Blocks back to voxels, joined to the image. */
  detail(
    name: string,
    input: string,
    imageChannels: number,
    from: number,
    to: number,
    stride: number,
    output: string,
  ): string;
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
    // A kernel of its own stride tiles the input; any other is centred.
    const pad = kernel === stride ? 0 : (kernel - 1) / 2;
    const attributes = { strides: attr.ints(cube(stride)), pads: attr.ints([...cube(pad), ...cube(pad)]) };
    return emit("Conv", name, [input, ...names], attributes, output ?? `${name}.out`);
  };
  const up: Layers["up"] = (name, input, from, to, stride, output = `${name}.out`) => {
    const names = parameters(name, [from, to, stride, stride, stride], to, to * stride ** 3);
    const strides = attr.ints([stride, stride, stride]);
    return emit("ConvTranspose", name, [input, ...names], { strides }, output);
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
    up,
    besideMirrorImage(input) {
      const bounds = { starts: -1, ends: -(2 ** 31), axes: 4, steps: -1 };
      const names = Object.entries(bounds).map(([name, value]) => {
        initializers.set(`mirror.${name}`, int64Tensor([1], [value]));
        return `mirror.${name}`;
      });
      const mirrored = emit("Slice", "mirror", [input, ...names], {}, "mirror.out");
      return emit("Concat", "mirror.join", [input, mirrored], { axis: attr.int(1) }, "mirror.join.out");
    },
    detail(name, input, imageChannels, from, to, stride, output) {
      const spread = stride > 1 ? up(`${name}.up`, input, from, DETAIL_FEATURES, stride) : input;
      const bent = emit("LeakyRelu", `${name}.act`, [spread], { alpha: attr.float(SLOPE) }, `${name}.act.out`);
      const joined = emit("Concat", `${name}.join`, [bent, "image"], { axis: attr.int(1) });
      return conv(name, joined, (stride > 1 ? DETAIL_FEATURES : from) + imageChannels, to, 3, 1, output);
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
