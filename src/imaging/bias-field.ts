/**
 * The slowly varying brightness of a coil, estimated as N4 does (Tustison et al. 2010, after Sled et al. 1998): the
 * histogram of log intensities is sharpened by undoing a Gaussian blur, each voxel is moved to what the sharp histogram
 * expects for it, and the smooth part of these moves is the field. Smoothness comes from a Gaussian over the head,
 * narrower from level to level, where N4 fits B-splines of ever finer meshes.
 *
 * For registration and brain extraction alone: what is handed on keeps its own brightness.
 */
import { blockAverage } from "./block-average.ts";
import { type Grid, resampleOnto, smoothed } from "./registration/index.ts";
import { spacingMmOf, type Triple, type Volume } from "./volume.ts";

const WORKING_MM = 5;
const LEVELS_MM = [100, 60, 40];
const STEPS_A_LEVEL = 12;
/** Of the blur that is undone, in log intensity; the noise of Wiener's filter; as in N4. */
const [FWHM, WIENER_NOISE] = [0.15, 0.01];
const BINS = 200;
const PADDED = 512;
const NO_MOTION = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

/** The image divided by its field, whose mean over the head is 1 in log terms. */
export function withoutBias(volume: Volume<Float32Array>): Volume<Float32Array> {
  const coarse = blockAverage(volume, WORKING_MM);
  const field = logField(coarse);
  const fine = resampleOnto({ ...coarse, data: field }, volume as Grid, NO_MOTION);
  const data = Float32Array.from(volume.data, (value, i) => value * Math.exp(-fine.data[i]));
  return { ...volume, data };
}

/** [D, H, W] of log of the field; defined beyond the head too, where it goes on smoothly. */
export function logField({ dims, data, affineVoxelToRas }: Volume<Float32Array>): Float32Array {
  const inHead = headOf(data);
  const logs = Float32Array.from(data, (value, i) => (inHead[i] === 1 ? Math.log(value) : 0));
  const field = new Float32Array(data.length);
  const spacing = spacingMmOf(affineVoxelToRas);
  for (const sigmaMm of LEVELS_MM) {
    const sigma = spacing.map((s) => sigmaMm / s / 2) as unknown as Triple;
    const weight = smoothed(inHead, dims, sigma);
    for (let step = 0; step < STEPS_A_LEVEL; step++) {
      const now = Float32Array.from(logs, (value, i) => value - field[i]);
      const expected = sharpened(now, inHead);
      const moves = Float32Array.from(now, (value, i) => (inHead[i] === 1 ? value - expected(value) : 0));
      const smooth = smoothed(moves, dims, sigma);
      for (let i = 0; i < field.length; i++) field[i] += smooth[i] / Math.max(weight[i], MIN_WEIGHT);
    }
  }
  const mean = meanWithin(field, inHead);
  return field.map((value) => value - mean);
}

/** Far from the head the field fades instead of growing without bound. */
const MIN_WEIGHT = 1e-3;

/** Brighter than the mean of what is not nothing. */
function headOf(data: Float32Array): Float32Array {
  const positive = data.filter((value) => value > 0);
  const threshold = 0.5 * (positive.reduce((sum, value) => sum + value, 0) / Math.max(1, positive.length));
  return Float32Array.from(data, (value) => (value > threshold && value > 0 ? 1 : 0));
}

function meanWithin(values: Float32Array, inHead: Float32Array): number {
  let [sum, count] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    sum += inHead[i] * values[i];
    count += inHead[i];
  }
  return sum / Math.max(1, count);
}

/** What each log intensity is expected to be once the blur of the histogram is undone (Sled et al., equations 9, 10). */
function sharpened(values: Float32Array, inHead: Float32Array): (value: number) => number {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    if (inHead[i] !== 1) continue;
    low = Math.min(low, values[i]);
    high = Math.max(high, values[i]);
  }
  const width = (high - low) / (BINS - 1);
  if (!(width > 0)) return (value) => value;
  const histogram = new Float64Array(PADDED);
  const first = (PADDED - BINS) >> 1;
  for (let i = 0; i < values.length; i++) {
    if (inHead[i] !== 1) continue;
    const place = (values[i] - low) / width;
    const bin = Math.floor(place);
    histogram[first + bin] += bin + 1 - place;
    histogram[first + bin + 1] += place - bin;
  }
  const { blur, sharpen } = filters(FWHM / width);
  const sharp = convolved(histogram, sharpen).map((count) => Math.max(0, count));
  const weighted = sharp.map((count, bin) => count * (low + (bin - first) * width));
  const [upper, lower] = [convolved(weighted, blur), convolved(sharp, blur)];
  const expected = upper.map((sum, bin) => (lower[bin] > 1e-9 ? sum / lower[bin] : low + (bin - first) * width));
  return (value) => {
    const place = Math.max(0, Math.min(BINS - 1.001, (value - low) / width));
    const bin = Math.floor(place);
    return expected[first + bin] * (bin + 1 - place) + expected[first + bin + 1] * (place - bin);
  };
}

/** Kernels of length PADDED, circular: a Gaussian of `fwhm` bins, and Wiener's inverse of it. */
function filters(fwhm: number): { blur: Float64Array; sharpen: Float64Array } {
  const scale = (2 * Math.sqrt(Math.LN2 / Math.PI)) / fwhm;
  const blur = Float64Array.from({ length: PADDED }, (_, i) => {
    const distance = Math.min(i, PADDED - i);
    return scale * Math.exp((-4 * Math.LN2 * distance ** 2) / fwhm ** 2);
  });
  const spectrum = cosineTransform(blur);
  const inverse = cosineTransform(spectrum.map((f) => f / (f * f + WIENER_NOISE)));
  return { blur, sharpen: inverse.map((value) => value / PADDED) };
}

const COSINES = Float64Array.from({ length: PADDED }, (_, i) => Math.cos((2 * Math.PI * i) / PADDED));

/** The Fourier transform of a real and even sequence, which is real and even. */
function cosineTransform(values: Float64Array): Float64Array {
  return Float64Array.from({ length: PADDED }, (_, k) => {
    let sum = 0;
    for (let i = 0; i < PADDED; i++) sum += values[i] * COSINES[(k * i) % PADDED];
    return sum;
  });
}

function convolved(values: Float64Array, kernel: Float64Array): Float64Array {
  const out = new Float64Array(PADDED);
  for (let i = 0; i < PADDED; i++) {
    if (values[i] === 0) continue;
    for (let k = 0; k < PADDED; k++) out[(i + k) % PADDED] += values[i] * kernel[k];
  }
  return out;
}
