/**
 * From a loaded case to what a network sees: LPS order, cropped to the brain, z-scored, at the working spacing.
 *
 * The brain is every voxel that is non-zero in any of the channels used. Each channel is z-scored by mean and
 * standard deviation of its own non-zero voxels at original resolution, in double precision; everything else is zero.
 * When resampling, a voxel of the working grid belongs to the brain where at least half of it does, and its value is
 * the mean over its brain part, so that the skull-stripped edge does not fade into the background. Labels go
 * by the shares that classes have in the voxel, see resampledLabels.
 */
import { ConsiliumError } from "../base/index.ts";
import type { Modality } from "../study/index.ts";
import type { LoadedCase } from "./load-case.ts";
import { reorient } from "./orientation.ts";
import {
  type Axes,
  axesToWorking,
  type Box,
  boxOfNonZero,
  cropData,
  type PreparedGeometry,
  preparedGeometry,
} from "./prepared-geometry.ts";
import { axisWeights, copiesAxis, createResampler } from "./resample.ts";
import { spacingMmOf, type Triple, type Volume, voxelCount } from "./volume.ts";

export interface PrepareOptions {
  /** Isotropic working resolution. */
  readonly spacingMm: number;
  /** The network's input channels, in its order. */
  readonly channels: readonly Modality[];
  /** Channels that may be missing: they are zero throughout. None unless given. */
  readonly mayMiss?: readonly Modality[] | undefined;
}

export interface PreparedCase {
  readonly id: string;
  readonly dims: Triple;
  /** [C, D, H, W], zero outside the brain. */
  readonly image: Float32Array;
  /** [D, H, W], classes 0 to 3. */
  readonly labels?: Uint8Array;
  /** [D, H, W], 1 inside the brain. */
  readonly brain: Uint8Array;
  readonly geometry: PreparedGeometry;
}

/** Background kept around the brain, in voxels of the files. */
const MARGIN: Triple = [2, 2, 2];
/** Half a voxel, less the rounding of sums of weights in single precision. */
const HALF = 0.5 - 1e-6;

/** @throws ConsiliumError `modality-missing` for a channel that was not loaded, `geometry-invalid`, `intensity-invalid`. */
export function prepareCase(
  loaded: LoadedCase,
  { spacingMm, channels: wanted, mayMiss = [] }: PrepareOptions,
): PreparedCase {
  checkSpacing(spacingMm, loaded);
  const channels = wanted.filter((modality) => loaded.modalities.includes(modality) || !mayMiss.includes(modality));
  if (channels.length === 0) throw noChannel(loaded, wanted);
  const originals = channels.map((modality) => channelOf(loaded, modality));
  const volumes = originals.map((volume) => reorient(volume, "LPS"));
  const lpsDims = volumes[0].dims;
  const wholeBrain = brainOf(volumes);
  const crop = boxOfNonZero(wholeBrain, lpsDims, MARGIN) ?? { start: [0, 0, 0], dims: lpsDims };
  const geometry = preparedGeometry(originals[0], volumes[0], crop, spacingMm);
  const axes = axesToWorking(geometry);
  const brainCrop = cropData(wholeBrain, lpsDims, crop);
  const scored = volumes.map((volume, c) => zScored(volume, crop, `case ${loaded.id}, ${channels[c]}`));

  const { image: present, brain } = axes.every((axis, a) => copiesAxis(axis, crop.dims[a]))
    ? { image: joined(scored), brain: brainCrop }
    : resampledImage(scored, brainCrop, crop.dims, axes);
  const image = channels.length === wanted.length ? present : spread(present, channels, wanted);
  const prepared = { id: loaded.id, dims: geometry.dims, image, brain, geometry };
  if (loaded.labelMap === undefined) return prepared;
  const labelMap = reorient(loaded.labelMap, "LPS");
  return { ...prepared, labels: resampledLabels(cropData(labelMap.data, lpsDims, crop), crop.dims, axes, geometry) };
}

function checkSpacing(spacingMm: number, { id, channels }: LoadedCase): void {
  const native = spacingMmOf(channels[0].affineVoxelToRas);
  const finest = Math.min(...native) / 8;
  if (spacingMm >= finest && spacingMm <= 64) return;
  throw new ConsiliumError("geometry-invalid", {
    subject: `case ${id}`,
    expected: `a working spacing from ${finest.toPrecision(3)} (an eighth of its voxels) to 64 mm`,
    actual: `${spacingMm} mm`,
    hint: "Change the study's spacingMm.",
  });
}

function channelOf({ id, modalities, channels }: LoadedCase, modality: Modality): Volume<Float32Array> {
  const index = modalities.indexOf(modality);
  if (index >= 0) return channels[index];
  throw new ConsiliumError("modality-missing", {
    subject: `case ${id}`,
    expected: modality,
    actual: `only ${modalities.join(", ")}`,
    hint: "Load the case with the modalities that the study names.",
  });
}

function noChannel({ id, modalities }: LoadedCase, wanted: readonly Modality[]): ConsiliumError {
  return new ConsiliumError("modality-missing", {
    subject: `case ${id}`,
    expected: `at least one of ${wanted.join(", ")}`,
    actual: `only ${modalities.join(", ")}`,
    hint: "Add a scan that the network takes.",
  });
}

/** Channels in the places that the network has for them, with zeros in the others. */
function spread(image: Float32Array, channels: readonly Modality[], wanted: readonly Modality[]): Float32Array {
  const volume = image.length / channels.length;
  const all = new Float32Array(wanted.length * volume);
  for (const [c, modality] of channels.entries()) {
    all.set(image.subarray(c * volume, (c + 1) * volume), wanted.indexOf(modality) * volume);
  }
  return all;
}

function brainOf(volumes: readonly Volume<Float32Array>[]): Uint8Array {
  const brain = new Uint8Array(volumes[0].data.length);
  for (const { data } of volumes) {
    for (let i = 0; i < brain.length; i++) if (data[i] !== 0) brain[i] = 1;
  }
  return brain;
}

/** (value - mean) / standard deviation of the non-zero voxels, cropped; zeros stay zero. */
function zScored({ data, dims }: Volume<Float32Array>, crop: Box, subject: string): Float32Array {
  const out = cropData(data, dims, crop);
  let count = 0;
  let sum = 0;
  for (let i = 0; i < out.length; i++) {
    if (out[i] === 0) continue;
    count++;
    sum += out[i];
  }
  const mean = sum / count;
  let squares = 0;
  for (let i = 0; i < out.length; i++) {
    if (out[i] !== 0) squares += (out[i] - mean) ** 2;
  }
  const deviation = Math.sqrt(squares / count);
  if (!(deviation > 0)) {
    throw new ConsiliumError("intensity-invalid", {
      subject,
      expected: "non-zero intensities that differ",
      actual: count === 0 ? "an image of zeros" : `${mean} everywhere`,
      hint: "Check the case with `cohort check`.",
    });
  }
  const scale = 1 / deviation;
  for (let i = 0; i < out.length; i++) if (out[i] !== 0) out[i] = (out[i] - mean) * scale;
  return out;
}

function joined(channels: readonly Float32Array[]): Float32Array {
  const length = channels[0].length;
  const image = new Float32Array(channels.length * length);
  for (const [c, channel] of channels.entries()) image.set(channel, c * length);
  return image;
}

function resampledImage(
  channels: readonly Float32Array[],
  brainCrop: Uint8Array,
  cropDims: Triple,
  axes: Axes,
): { image: Float32Array; brain: Uint8Array } {
  const resampler = createResampler(cropDims, axes);
  const [nx, ny, nz] = resampler.dims;
  const area = nx * ny;
  const share = new Float32Array(area * nz);
  const whole = Float32Array.from(brainCrop);
  for (let z = 0; z < nz; z++) share.set(resampler.plane(whole, z), z * area);
  const brain = new Uint8Array(area * nz);
  for (let i = 0; i < share.length; i++) if (share[i] >= HALF) brain[i] = 1;

  const image = new Float32Array(channels.length * area * nz);
  for (const [c, channel] of channels.entries()) {
    for (let z = 0; z < nz; z++) {
      const plane = resampler.plane(channel, z);
      const from = z * area;
      const to = c * area * nz + from;
      for (let i = 0; i < area; i++) if (brain[from + i] === 1) image[to + i] = plane[i] / share[from + i];
    }
  }
  return { image, brain };
}

/**
 * The class of each working voxel from the shares that the classes have in it, decided from the outermost region to
 * the innermost: tumour where it is at least half, core where it is at least the oedema, enhancing where it is at
 * least the necrosis. Works on the box of the tumour alone.
 */
function resampledLabels(
  labels: Uint8Array,
  cropDims: Triple,
  axes: Axes,
  { dims, ratio }: PreparedGeometry,
): Uint8Array {
  if (axes.every((axis, a) => copiesAxis(axis, cropDims[a]))) return labels;
  const result = new Uint8Array(voxelCount(dims));
  // As far as the kernel of one working voxel reaches, so that the box's outer layer is background.
  const reach = ratio.map((r) => Math.ceil(Math.max(1, r)) + 1) as unknown as Triple;
  const box = boxOfNonZero(labels, cropDims, reach);
  if (box === undefined) return result;
  const ranges = [0, 1, 2].map((a) => {
    const first = Math.floor(box.start[a] / ratio[a]);
    const end = Math.min(dims[a], Math.ceil((box.start[a] + box.dims[a]) / ratio[a]));
    const weights = axisWeights(box.dims[a], end - first, first * ratio[a] - box.start[a], ratio[a]);
    return { first, weights };
  });
  const [x, y, z] = ranges;
  const resampler = createResampler(box.dims, [x.weights, y.weights, z.weights]);
  const boxed = cropData(labels, cropDims, box);
  const indicators = [1, 2, 3].map((label) => Float32Array.from(boxed, (value) => (value === label ? 1 : 0)));
  const [nx, ny, nz] = resampler.dims;
  for (let k = 0; k < nz; k++) {
    const [necrosis, oedema, enhancing] = indicators.map((indicator) => resampler.plane(indicator, k).slice());
    for (let j = 0, at = 0; j < ny; j++) {
      const row = ((z.first + k) * dims[1] + y.first + j) * dims[0] + x.first;
      for (let i = 0; i < nx; i++, at++) {
        const core = necrosis[at] + enhancing[at];
        if (core + oedema[at] < HALF) continue;
        result[row + i] = core < oedema[at] ? 2 : enhancing[at] < necrosis[at] ? 1 : 3;
      }
    }
  }
  return result;
}
