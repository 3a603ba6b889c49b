/**
 * Layers of 3D networks, laid into one graph as they are asked for: each makes its nodes and its parameters, with
 * initial weights as PyTorch's, by seed.
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

/** Along depth, height and width. */
export type Sides = readonly [number, number, number];

const OPSET = 17;
const EPSILON = 1e-5;
const LEAKY_SLOPE = 0.01;

export interface ConvOptions {
  readonly kernel: Sides;
  readonly stride: Sides;
  readonly bias?: boolean;
  readonly output?: string;
}

export interface Layers {
  emit(
    opType: GraphNode["opType"],
    name: string,
    inputs: readonly string[],
    attributes?: GraphNode["attributes"],
    output?: string,
  ): string;
  /** A constant that is never trained. */
  fixed(name: string, tensor: Tensor): string;
  /** A kernel equal to its stride tiles its input; any other is centred. */
  conv(name: string, input: string, from: number, to: number, options: ConvOptions): string;
  /** Transposed convolution whose kernel is its stride: each voxel becomes a block. */
  up(name: string, input: string, from: number, to: number, stride: Sides, output?: string): string;
  instanceNorm(name: string, input: string, channels: number): string;
  groupNorm(name: string, input: string, channels: number, groups: number): string;
  leakyRelu(name: string, input: string): string;
  /** image [N, inputChannels, D, H, W] to outputs [N, channels, ...], the first as fine as the image. */
  graph(name: string, inputChannels: number, channels: number, outputs: readonly string[]): Graph;
}

export function createLayers(seed: number): Layers {
  const nodes: GraphNode[] = [];
  const initializers = new Map<string, Tensor>();
  const random = createRandom(seed, "initial weights");

  const emit: Layers["emit"] = (opType, name, inputs, attributes = {}, output = `${name}.out`) => {
    nodes.push({ opType, name, inputs, outputs: [output], attributes });
    return output;
  };
  /** He et al. 2015 with PyTorch's default slope of sqrt 5: uniform within 1 / sqrt(fan-in), for weight and bias. */
  const parameters = (name: string, shape: readonly number[], biases: number, fanIn: number): string[] => {
    const bound = 1 / Math.sqrt(fanIn);
    initializers.set(`${name}.weight`, uniformTensor(random, shape, bound));
    if (biases === 0) return [`${name}.weight`];
    initializers.set(`${name}.bias`, uniformTensor(random, [biases], bound));
    return [`${name}.weight`, `${name}.bias`];
  };
  const fixed: Layers["fixed"] = (name, tensor) => {
    // a name that begins with a slash is a constant, as in files of PyTorch's exporter
    initializers.set(`/${name}`, tensor);
    return `/${name}`;
  };
  const scaleAndBias = (name: string, shape: readonly number[]): string[] => {
    const size = shape.reduce((product, side) => product * side, 1);
    initializers.set(`${name}.weight`, float32Tensor(shape, new Float32Array(size).fill(1)));
    initializers.set(`${name}.bias`, float32Tensor(shape, new Float32Array(size)));
    return [`${name}.weight`, `${name}.bias`];
  };
  return {
    emit,
    fixed,
    conv(name, input, from, to, { kernel, stride, bias = true, output }) {
      const names = parameters(name, [to, from, ...kernel], bias ? to : 0, from * volume(kernel));
      const pads = kernel.map((side, i) => (side === stride[i] ? 0 : (side - 1) / 2));
      const attributes = { strides: attr.ints(stride), pads: attr.ints([...pads, ...pads]) };
      return emit("Conv", name, [input, ...names], attributes, output);
    },
    up(name, input, from, to, stride, output) {
      const names = parameters(name, [from, to, ...stride], to, to * volume(stride));
      return emit("ConvTranspose", name, [input, ...names], { strides: attr.ints(stride) }, output);
    },
    instanceNorm(name, input, channels) {
      const epsilon = { epsilon: attr.float(EPSILON) };
      return emit("InstanceNormalization", name, [input, ...scaleAndBias(name, [channels])], epsilon);
    },
    /** As PyTorch exports it: the groups' voxels in a row, normalised each by itself. */
    groupNorm(name, input, channels, groups) {
      const rows = fixed("groups.shape", int64Tensor([3], [0, groups, -1]));
      const ones = fixed("groups.ones", float32Tensor([groups], new Float32Array(groups).fill(1)));
      const zeros = fixed("groups.zeros", float32Tensor([groups], new Float32Array(groups)));
      const grouped = emit("Reshape", `${name}.rows`, [input, rows]);
      const epsilon = { epsilon: attr.float(EPSILON) };
      const normal = emit("InstanceNormalization", `${name}.normal`, [grouped, ones, zeros], epsilon);
      const shape = emit("Shape", `${name}.shape`, [input]);
      const back = emit("Reshape", `${name}.back`, [normal, shape]);
      const [scale, bias] = scaleAndBias(name, [channels, 1, 1, 1]);
      return emit("Add", name, [emit("Mul", `${name}.scaled`, [back, scale]), bias]);
    },
    leakyRelu: (name, input) => emit("LeakyRelu", name, [input], { alpha: attr.float(LEAKY_SLOPE) }),
    graph(name, inputChannels, channels, outputs) {
      return checkGraph({
        name,
        opset: OPSET,
        inputs: [{ name: "image", dtype: "float32", shape: ["N", inputChannels, "D", "H", "W"] }],
        outputs: outputs.map((output, i) => ({
          name: output,
          dtype: "float32",
          shape: ["N", channels, ...["D", "H", "W"].map((side) => (i === 0 ? side : `${side}${i}`))],
        })),
        initializers,
        nodes,
      });
    },
  };
}

export const cube = (side: number): Sides => [side, side, side];

function volume(sides: Sides): number {
  return sides[0] * sides[1] * sides[2];
}

function uniformTensor(random: Random, shape: readonly number[], bound: number): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  // A loop: `Float32Array.from` collects its values in a list first.
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = random.between(-bound, bound);
  return float32Tensor(shape, values);
}
