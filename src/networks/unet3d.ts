/**
 * A 3D U-Net (Cicek et al. 2016) in the manner of nnU-Net (Isensee et al. 2021): stages of blocks of convolution,
 * instance normalisation and leaky ReLU, strided convolutions down, transposed convolutions up, skips by
 * concatenation. Kernels and strides may differ along the axes, for scans with thick slices. Any input whose sides
 * divide by the product of strides (and the stem) goes through it.
 *
 * The encoder is plain, or residual (Isensee et al. 2024): one convolution, then stages of residual blocks whose
 * shortcut is averaged where the block strides and projected where features change (He et al. 2019, ResNet-D).
 *
 * With a stem above 1 the network works on blocks of stem^3 voxels: a strided convolution embeds each block before the
 * first level, as patch embedding does in vision transformers (Dosovitskiy et al. 2021; Hatamizadeh et al. 2022).
 * After the last level a transposed convolution writes the logits of each block's voxels. A step then costs several
 * times less for each voxel, and a patch may hold a whole brain. With `detail` the blocks are spread over their voxels
 * as features, and one more convolution joins these to the image itself, so that outlines follow voxels, not blocks.
 */
import { attr, type Graph, int64Tensor } from "../graph/index.ts";
import { createLayers, cube, type Layers, type Sides } from "./layers.ts";

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
  /** Features of each level, instead of doubling ones. */
  readonly features?: readonly number[];
  /** Kernel of each level, of odd sides; 3 x 3 x 3 if not given. */
  readonly kernels?: readonly Sides[];
  /** Stride into each level but the first; 2 x 2 x 2 if not given. */
  readonly strides?: readonly Sides[];
  readonly encoder?: "plain" | "residual";
  /** Blocks of each encoder stage; two if not given. */
  readonly encoderBlocks?: readonly number[];
  /** Blocks of each decoder stage; two, or one behind a residual encoder. */
  readonly decoderBlocks?: number;
  /** Logits of every decoder stage but the coarsest level, finest first. */
  readonly deepSupervision?: boolean;
  readonly seed: number;
}

const KERNEL = cube(3);
/** Channels in which blocks are spread over their voxels. */
const DETAIL_FEATURES = 8;

/** image float32 [N, inputChannels, D, H, W] to logits [N, classes, D, H, W]; initial weights as PyTorch's, by seed. */
export function unet3d(options: UNet3DOptions): Graph {
  const { levels, inputChannels, classes, stem, detail, mirror } = options;
  const layers = createLayers(options.seed);
  const features =
    options.features ??
    Array.from({ length: levels }, (_, l) => Math.min(options.baseFeatures * 2 ** l, options.maxFeatures));
  const kernelOf = (l: number): Sides => options.kernels?.[l] ?? KERNEL;
  const strideInto = (l: number): Sides => (l === 0 ? cube(1) : (options.strides?.[l - 1] ?? cube(2)));
  const residual = options.encoder === "residual";

  let value = mirror ? besideMirrorImage(layers, "image") : "image";
  let width = mirror ? 2 * inputChannels : inputChannels;
  if (stem > 1) {
    value = layers.conv("stem", value, width, features[0], { kernel: cube(stem), stride: cube(stem) });
    width = features[0];
  }
  if (residual) {
    value = block(layers, "encoder.stem", value, width, features[0], kernelOf(0), cube(1));
    width = features[0];
  }
  const encode = residual ? residualBlock : block;
  const skips: string[] = [];
  for (let l = 0; l < levels; l++) {
    for (let i = 0; i < (options.encoderBlocks?.[l] ?? 2); i++) {
      const stride = i === 0 ? strideInto(l) : cube(1);
      value = encode(layers, `encoder.${l}.${i}`, value, width, features[l], kernelOf(l), stride);
      width = features[l];
    }
    skips.push(value);
  }
  const stages: string[] = [];
  for (let l = levels - 2; l >= 0; l--) {
    const up = layers.up(`decoder.${l}.up`, value, features[l + 1], features[l], strideInto(l + 1));
    value = layers.emit("Concat", `decoder.${l}.join`, [up, skips[l]], { axis: attr.int(1) }, `decoder.${l}.join`);
    for (let i = 0; i < (options.decoderBlocks ?? (residual ? 1 : 2)); i++) {
      const from = i === 0 ? 2 * features[l] : features[l];
      value = block(layers, `decoder.${l}.${i}`, value, from, features[l], kernelOf(l), cube(1));
    }
    stages[l] = value;
  }
  const one = { kernel: cube(1), stride: cube(1) };
  if (detail) detailHead(layers, value, inputChannels, features[0], classes, stem);
  else if (stem > 1) layers.up("head", value, features[0], classes, cube(stem), "logits");
  else layers.conv("head", value, features[0], classes, { ...one, output: "logits" });
  const coarse = options.deepSupervision
    ? stages.slice(1).map((stage, i) => {
        const output = `logits.${i + 1}`;
        return layers.conv(`head.${i + 1}`, stage, features[i + 1], classes, { ...one, output });
      })
    : [];
  const name =
    `unet3d ${levels} levels, ${features[0]} base features` +
    `${residual ? ", residual encoder" : ""}${stem > 1 ? `, stem ${stem}` : ""}${detail ? ", detail" : ""}${mirror ? ", mirror" : ""}`;
  return layers.graph(name, inputChannels, classes, ["logits", ...coarse]);
}

/** Convolution, instance normalisation, leaky ReLU. */
function block(
  layers: Layers,
  name: string,
  input: string,
  from: number,
  to: number,
  kernel: Sides,
  stride: Sides,
): string {
  const mixed = layers.conv(`${name}.conv`, input, from, to, { kernel, stride });
  return layers.leakyRelu(name, layers.instanceNorm(`${name}.norm`, mixed, to));
}

/** Two convolutions, added to their input, before the last leaky ReLU. */
function residualBlock(
  layers: Layers,
  name: string,
  input: string,
  from: number,
  to: number,
  kernel: Sides,
  stride: Sides,
): string {
  const first = block(layers, `${name}.first`, input, from, to, kernel, stride);
  const second = layers.conv(`${name}.second.conv`, first, to, to, { kernel, stride: cube(1) });
  const inner = layers.instanceNorm(`${name}.second.norm`, second, to);
  let shortcut = input;
  if (stride.some((side) => side > 1)) {
    const sides = { kernel_shape: attr.ints(stride), strides: attr.ints(stride) };
    shortcut = layers.emit("AveragePool", `${name}.pool`, [shortcut], sides);
  }
  if (from !== to) {
    const projection = { kernel: cube(1), stride: cube(1), bias: false };
    const projected = layers.conv(`${name}.skip.conv`, shortcut, from, to, projection);
    shortcut = layers.instanceNorm(`${name}.skip.norm`, projected, to);
  }
  return layers.leakyRelu(name, layers.emit("Add", `${name}.sum`, [inner, shortcut]));
}

/** The image and, as further channels, the image reversed along its last axis (left to right). */
function besideMirrorImage(layers: Layers, input: string): string {
  const bounds = { starts: -1, ends: -(2 ** 31), axes: 4, steps: -1 };
  const names = Object.entries(bounds).map(([name, value]) =>
    layers.fixed(`mirror.${name}`, int64Tensor([1], [value])),
  );
  const mirrored = layers.emit("Slice", "mirror", [input, ...names]);
  return layers.emit("Concat", "mirror.join", [input, mirrored], { axis: attr.int(1) });
}

/** Blocks back to voxels, joined to the image. */
function detailHead(
  layers: Layers,
  input: string,
  imageChannels: number,
  from: number,
  classes: number,
  stem: number,
): string {
  const width = stem > 1 ? DETAIL_FEATURES : from;
  const spread = stem > 1 ? layers.up("head.up", input, from, width, cube(stem)) : input;
  const bent = layers.leakyRelu("head.act", spread);
  const joined = layers.emit("Concat", "head.join", [bent, "image"], { axis: attr.int(1) }, "head.join");
  const options = { kernel: KERNEL, stride: cube(1), output: "logits" };
  return layers.conv("head", joined, width + imageChannels, classes, options);
}
