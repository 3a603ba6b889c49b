/** The pieces of work that are timed on both sides: one list for parent and worker, told to PyTorch as options. */
import type { Graph } from "../../src/graph/index.ts";
import { segResNet3d, unet3d } from "../../src/networks/index.ts";

export interface Work {
  readonly name: string;
  readonly title: string;
  readonly kind: "step" | "window";
  readonly network: "unet3d" | "segresnet3d";
  readonly base: number;
  readonly levels: number;
  /** Of the patch, in voxels. */
  readonly side: number;
}

export const CHANNELS = 4;
export const CLASSES = 4;
/** x, y, z of the volume that is segmented. */
export const VOLUME = [240, 240, 155] as const;

export const WORKS: readonly Work[] = [
  {
    name: "unet16",
    title: "training step, UNet3D base 16, 4 levels, 64^3",
    kind: "step",
    network: "unet3d",
    base: 16,
    levels: 4,
    side: 64,
  },
  {
    name: "unet32",
    title: "training step, UNet3D base 32, 5 levels, 64^3",
    kind: "step",
    network: "unet3d",
    base: 32,
    levels: 5,
    side: 64,
  },
  {
    name: "segres16",
    title: "training step, SegResNet3D base 16, 64^3",
    kind: "step",
    network: "segresnet3d",
    base: 16,
    levels: 4,
    side: 64,
  },
  {
    name: "window16",
    title: "sliding window, 4 x 240x240x155, patch 96^3, overlap 0.5, UNet3D base 16",
    kind: "window",
    network: "unet3d",
    base: 16,
    levels: 4,
    side: 96,
  },
];

export function networkOf({ network, base, levels }: Work): Graph {
  const ends = { inputChannels: CHANNELS, classes: CLASSES, baseFeatures: base, seed: 1 };
  if (network === "segresnet3d") {
    return segResNet3d({ ...ends, encoderBlocks: [1, 2, 2, 4], decoderBlocks: [1, 1, 1], groups: 8 });
  }
  return unet3d({ ...ends, levels, maxFeatures: 320, stem: 1, detail: false, mirror: false });
}
