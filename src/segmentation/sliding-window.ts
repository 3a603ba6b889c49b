/**
 * Prediction of a whole volume from overlapping patches: the probabilities of each window, of classes or of regions, are added with a
 * Gaussian weight that trusts its middle (Isensee et al. 2021), and divided by the weights' sum.
 */
import { invariant } from "../base/index.ts";
import type { Decision, Triple } from "../imaging/index.ts";
import { regionClasses, type Study } from "../study/index.ts";

export interface SlidingWindow {
  /** x, y, z. */
  readonly patch: Triple;
  /** Output channels of the network, K. */
  readonly channels: number;
  /** Classes share a softmax, regions have a sigmoid each. */
  readonly outputs: "classes" | "regions";
  /** Share of a window that the next one covers again, in [0, 1). */
  readonly overlap: number;
  /**
   * x of the mid-sagittal plane, in voxels: windows are centred on it, for a network that compares the sides, and must
   * be broad enough to reach both edges of the volume (`widthAround`).
   */
  readonly midlineX?: number;
}

/** Logits [K, d, h, w] of one window's image [C, d, h, w] of `sides` (x, y, z). */
export type Predict = (window: Float32Array, sides: Triple) => Promise<Float32Array>;

const SIGMA_SHARE = 1 / 8;

/**
 * @param image [C, D, H, W] of `dims` (x, y, z); smaller volumes are framed with zeros.
 * @returns probabilities [K, D, H, W], owned by the caller.
 */
export async function predictVolume(
  image: Float32Array,
  dims: Triple,
  inputChannels: number,
  { patch, channels, outputs, overlap, midlineX }: SlidingWindow,
  predict: Predict,
  onWindow?: (done: number, total: number) => void,
): Promise<Float32Array> {
  const volume = dims[0] * dims[1] * dims[2];
  const patchVolume = patch[0] * patch[1] * patch[2];
  const sums = new Float32Array(channels * volume);
  const weights = new Float32Array(volume);
  const gaussian = gaussianWindow(patch);
  const starts = [0, 1, 2].map((axis) => windowStarts(dims[axis], patch[axis], overlap));
  if (midlineX !== undefined) starts[0] = [startThatCovers(dims[0], patch[0], midlineX)];
  const total = starts[0].length * starts[1].length * starts[2].length;
  const window = new Float32Array(inputChannels * patchVolume);
  let done = 0;
  for (const z of starts[2]) {
    for (const y of starts[1]) {
      for (const x of starts[0]) {
        const origin: Triple = [x, y, z];
        copyWindow(image, dims, origin, patch, inputChannels, window);
        const logits = await predict(window, patch);
        if (outputs === "classes") softmaxInPlace(logits, channels, patchVolume);
        else sigmoidInPlace(logits);
        addWindow(logits, gaussian, dims, origin, patch, channels, sums, weights);
        onWindow?.(++done, total);
      }
    }
  }
  for (let k = 0; k < channels; k++) {
    const channel = sums.subarray(k * volume, (k + 1) * volume);
    for (let i = 0; i < volume; i++) channel[i] /= weights[i];
  }
  return sums;
}

/** How probabilities become classes. */
export function decisionOf(task: Study["task"]): Decision {
  if (task.outputs !== "regions") return { kind: "mostProbable" };
  return { kind: "smallestRegion", classes: regionClasses(task) ?? [] };
}

/** Evenly spread starts that cover the side; a side shorter than the window is centred in it. */
function windowStarts(size: number, window: number, overlap: number): number[] {
  if (size <= window) return [Math.floor((size - window) / 2)];
  const step = Math.max(1, Math.floor(window * (1 - overlap)));
  const count = Math.ceil((size - window) / step) + 1;
  return Array.from({ length: count }, (_, i) => Math.round((i * (size - window)) / (count - 1)));
}

/** First voxel of a window that is centred on a plane, to the nearest voxel. */
export function centredStart(plane: number, window: number): number {
  return Math.round(plane - (window - 1) / 2);
}

/**
 * The least width of a window that, centred on a plane, holds a volume of so many voxels from edge to edge.
 * @param step the network's stride: widths grow from `least` by it.
 */
export function widthAround(plane: number, size: number, least: number, step: number): number {
  let width = least;
  while (!covers(centredStart(plane, width), width, size)) width += step;
  return width;
}

function covers(start: number, window: number, size: number): boolean {
  return start <= 0 && start + window >= size;
}

function startThatCovers(size: number, window: number, plane: number): number {
  const start = centredStart(plane, window);
  invariant(covers(start, window, size), "a window that holds both sides of the brain");
  return start;
}

function gaussianWindow(patch: Triple): Float32Array {
  const axes = patch.map((size: number) =>
    Array.from({ length: size }, (_, i) => Math.exp(-0.5 * ((i - (size - 1) / 2) / (size * SIGMA_SHARE)) ** 2)),
  );
  const weights = new Float32Array(patch[0] * patch[1] * patch[2]);
  let i = 0;
  for (const wz of axes[2])
    for (const wy of axes[1]) for (const wx of axes[0]) weights[i++] = Math.max(wx * wy * wz, 1e-4);
  return weights;
}

/** Calls `row(source, target, length)` for each row of the window that lies inside the volume. */
function forEachRow(
  dims: Triple,
  origin: Triple,
  patch: Triple,
  row: (source: number, target: number, length: number) => void,
): void {
  const from = Math.max(0, -origin[0]);
  const to = Math.min(patch[0], dims[0] - origin[0]);
  for (let z = Math.max(0, -origin[2]); z < Math.min(patch[2], dims[2] - origin[2]); z++) {
    for (let y = Math.max(0, -origin[1]); y < Math.min(patch[1], dims[1] - origin[1]); y++) {
      const source = ((z + origin[2]) * dims[1] + y + origin[1]) * dims[0] + origin[0] + from;
      row(source, (z * patch[1] + y) * patch[0] + from, to - from);
    }
  }
}

function copyWindow(
  image: Float32Array,
  dims: Triple,
  origin: Triple,
  patch: Triple,
  channels: number,
  window: Float32Array,
): void {
  const volume = dims[0] * dims[1] * dims[2];
  const patchVolume = patch[0] * patch[1] * patch[2];
  window.fill(0);
  forEachRow(dims, origin, patch, (source, target, length) => {
    for (let c = 0; c < channels; c++) {
      const start = c * volume + source;
      window.set(image.subarray(start, start + length), c * patchVolume + target);
    }
  });
}

function addWindow(
  probabilities: Float32Array,
  gaussian: Float32Array,
  dims: Triple,
  origin: Triple,
  patch: Triple,
  classes: number,
  sums: Float32Array,
  weights: Float32Array,
): void {
  const volume = dims[0] * dims[1] * dims[2];
  const patchVolume = patch[0] * patch[1] * patch[2];
  forEachRow(dims, origin, patch, (source, target, length) => {
    for (let i = 0; i < length; i++) {
      const weight = gaussian[target + i];
      weights[source + i] += weight;
      for (let k = 0; k < classes; k++)
        sums[k * volume + source + i] += weight * probabilities[k * patchVolume + target + i];
    }
  });
}

function sigmoidInPlace(logits: Float32Array): void {
  for (let i = 0; i < logits.length; i++) logits[i] = 1 / (1 + Math.exp(-logits[i]));
}

function softmaxInPlace(logits: Float32Array, classes: number, volume: number): void {
  for (let i = 0; i < volume; i++) {
    let max = logits[i];
    for (let k = 1; k < classes; k++) max = Math.max(max, logits[k * volume + i]);
    let sum = 0;
    for (let k = 0; k < classes; k++) {
      const e = Math.exp(logits[k * volume + i] - max);
      logits[k * volume + i] = e;
      sum += e;
    }
    for (let k = 0; k < classes; k++) logits[k * volume + i] /= sum;
  }
}
