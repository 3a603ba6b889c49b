/**
 * Scanners: what a site's machine and protocol do to the signals of tissue. Contrast, slice direction and thickness,
 * blur, coil sensitivity (bias field), Rician noise and the arbitrary scale of intensities differ by site; a case of
 * the same site varies a little around them.
 *
 * Thick slices are averaged over the slice, get their noise there and are interpolated back, as registration to an
 * isotropic atlas does; all of it runs within the brain's mask, because extraction came after the scan.
 */
import { createRandom, type SeedPath } from "../../base/index.ts";
import { MODALITIES, type Modality } from "../../study/index.ts";
import { clamp, createNoise, mix } from "./noise-field.ts";
import { ORIGIN_MM } from "./subject.ts";

export interface Sequence {
  /** Exponent on the ratios of tissue signals: above 1 more contrast than average. */
  readonly contrast: number;
  /** Axis that slices are stacked along: 0 x, 1 y, 2 z. */
  readonly sliceAxis: 0 | 1 | 2;
  readonly sliceMm: number;
  /** Slope of the slices against the grid, mm per mm along the two other axes. */
  readonly tilt: readonly [number, number];
  /** Standard deviation of blur in the slice's plane, mm. */
  readonly blurMm: number;
  /** Noise's standard deviation over white matter's signal, in a voxel of 1 mm. */
  readonly noise: number;
  /** Standard deviation of the logarithm of the bias field. */
  readonly bias: number;
  /** Logarithm of the sensitivity at the brain's surface over that at its centre: surface coils brighten the rim. */
  readonly rim: number;
  /** Intensity of white matter in the file. */
  readonly scale: number;
}

export type Scanner = Readonly<Record<Modality, Sequence>>;

/** The scanner of a site: a function of the seed and the site's index alone. */
export function siteScanner(seed: number, siteIndex: number): Scanner {
  const random = createRandom("phantom scanner", seed, siteIndex);
  const volumetric = random.chance(0.4);
  const teslas = random.chance(0.5) ? 3 : 1.5;
  const baseNoise = random.between(0.015, 0.04) * (teslas === 3 ? 0.8 : 1.2);
  const bias = random.between(0.02, 0.075) * (teslas === 3 ? 1.3 : 1);
  const rim = random.between(-0.05, 0.27);
  const scales = Math.exp(random.between(Math.log(150), Math.log(4000)));
  const sequence = (modality: Modality): Sequence => {
    const thin = modality === "t1ce" ? volumetric || random.chance(0.4) : volumetric && random.chance(0.3);
    return {
      contrast: clamp(1 + 0.2 * random.normal(), 0.6, 1.5),
      sliceAxis: thin || random.chance(0.95) ? 2 : 0,
      sliceMm: thin ? random.between(1, 1.5) : random.between(3, 6.5),
      tilt: [0.05 * random.normal(), 0.2 * random.normal()],
      blurMm: random.between(0.35, 0.75),
      noise: baseNoise * random.between(0.8, 1.5),
      bias: bias * random.between(0.7, 1.3),
      rim: rim + 0.06 * random.normal() + (modality === "flair" ? 0.08 : 0),
      scale: scales * Math.exp(0.5 * random.normal()),
    };
  };
  return Object.fromEntries(MODALITIES.map((m) => [m, sequence(m)])) as Record<Modality, Sequence>;
}

/** This case's scan on the site's scanner: small departures from the protocol, now and then a coarse acquisition. */
export function caseSequence(site: Sequence, seed: SeedPath): Sequence {
  const random = createRandom(...seed);
  const coarse = random.chance(0.02);
  return {
    contrast: site.contrast * Math.exp(0.07 * random.normal()),
    sliceAxis: coarse ? (random.integer(3) as 0 | 1 | 2) : site.sliceAxis,
    sliceMm: coarse ? random.between(6, 10) : site.sliceMm,
    tilt: [site.tilt[0] + 0.06 * random.normal(), site.tilt[1] + 0.08 * random.normal()],
    blurMm: site.blurMm * Math.exp(0.1 * random.normal()),
    noise: site.noise * Math.exp(0.2 * random.normal()),
    bias: site.bias * Math.exp(0.2 * random.normal()),
    rim: site.rim + 0.04 * random.normal(),
    scale: site.scale * Math.exp(0.12 * random.normal()),
  };
}

/** A box of the image grid with its place on it. */
export interface Box {
  readonly dims: readonly [number, number, number];
  /** Millimetres on the 1 mm BraTS grid of the first voxel's centre. */
  readonly startMm: readonly [number, number, number];
  readonly spacingMm: number;
}

/**
 * Scans an image of tissue signals in place.
 * @param image signals relative to white matter, in the box, x fastest.
 * @param mask 1 in the brain.
 */
export function acquire(image: Float32Array, mask: Uint8Array, box: Box, sequence: Sequence, seed: SeedPath): void {
  applyBias(image, mask, box, sequence, [...seed, "bias"]);
  applySlices(image, mask, box, sequence, [...seed, "noise"]);
  const blurVoxels = sequence.blurMm / box.spacingMm;
  for (const axis of [0, 1, 2] as const) {
    if (axis !== sequence.sliceAxis || sequence.sliceMm < 1.6) blurAlong(image, mask, box.dims, axis, blurVoxels);
  }
}

/** Coil sensitivity: a smooth positive field with mean about one, drawn every 8 voxels and interpolated. */
function applyBias(image: Float32Array, mask: Uint8Array, box: Box, sequence: Sequence, seed: SeedPath): void {
  const wide = createNoise(createRandom(...seed, "wide"), 150);
  const narrow = createNoise(createRandom(...seed, "narrow"), 75);
  const step = Math.max(2, Math.round(8 / box.spacingMm));
  const [nx, ny, nz] = box.dims;
  const columns = Math.ceil(nx / step) + 1;
  const rows = Math.ceil(ny / step) + 1;
  const nodes = new Float32Array(columns * rows * (Math.ceil(nz / step) + 1));
  for (let n = 0; n < nodes.length; n++) {
    const i = box.startMm[0] + box.spacingMm * step * (n % columns);
    const j = box.startMm[1] + box.spacingMm * step * (Math.floor(n / columns) % rows);
    const k = box.startMm[2] + box.spacingMm * step * Math.floor(n / (columns * rows));
    const [u, v, w] = [(i - ORIGIN_MM[0]) / 68, (j - ORIGIN_MM[1]) / 86, (k - ORIGIN_MM[2]) / 66];
    const surface = Math.min(1.3, u * u + v * v + w * w) ** 1.5;
    nodes[n] = Math.exp(sequence.bias * (wide.value(i, j, k) + 0.5 * narrow.value(i, j, k)) + sequence.rim * surface);
  }
  const line = new Float32Array(columns);
  for (let z = 0, n = 0; z < nz; z++) {
    const layer = Math.floor(z / step);
    for (let y = 0; y < ny; y++) {
      const row = Math.floor(y / step);
      for (let c = 0; c < columns; c++) {
        const at = c + columns * (row + rows * layer);
        const near = mix(nodes[at], nodes[at + columns], y / step - row);
        const far = mix(nodes[at + columns * rows], nodes[at + columns * (rows + 1)], y / step - row);
        line[c] = mix(near, far, z / step - layer);
      }
      for (let x = 0; x < nx; x++, n++) {
        if (!mask[n]) continue;
        const c = Math.floor(x / step);
        image[n] *= mix(line[c], line[c + 1], x / step - c);
      }
    }
  }
}

/** Averages over thick slices, adds Rician noise there, and interpolates back; each line along the axis by itself. */
function applySlices(image: Float32Array, mask: Uint8Array, box: Box, sequence: Sequence, seed: SeedPath): void {
  const random = createRandom(...seed);
  const { sliceAxis, tilt, spacingMm } = { ...sequence, ...box };
  const step = Math.max(sequence.sliceMm, spacingMm) / spacingMm;
  const offset = random.uniform() * step;
  // Noise falls with the root of the voxel's volume; blur afterwards takes some of it away again.
  const noise =
    (sequence.noise * 1.6) / Math.sqrt(Math.max(1, sequence.sliceMm / 2) * (spacingMm > 1 ? spacingMm ** 2 : 1));
  const strides = [1, box.dims[0], box.dims[0] * box.dims[1]];
  const [first, second] = [0, 1, 2].filter((axis) => axis !== sliceAxis);
  const length = box.dims[sliceAxis];
  const stride = strides[sliceAxis];
  const slices = Math.ceil(length / step) + 4;
  const sums = new Float64Array(slices);
  const weights = new Float64Array(slices);
  const thick = step >= 1.25;
  for (let b = 0; b < box.dims[second]; b++) {
    for (let a = 0; a < box.dims[first]; a++) {
      const start = a * strides[first] + b * strides[second];
      if (!thick) {
        for (let n = start, t = 0; t < length; t++, n += stride)
          if (mask[n]) image[n] = rician(random, image[n], noise);
        continue;
      }
      const shift = offset + a * tilt[0] + b * tilt[1];
      const phase = shift - step * Math.floor(shift / step);
      averageLine(image, mask, start, stride, length, step, phase, sums, weights);
      for (let s = 0; s < slices; s++) if (weights[s] > 0) sums[s] = rician(random, sums[s] / weights[s], noise);
      interpolateLine(image, mask, start, stride, length, step, phase, sums, weights);
    }
  }
}

/** Sums and weights of each slice along a line; slice s is centred on (s - 1) * step + phase, in voxels. */
function averageLine(
  image: Float32Array,
  mask: Uint8Array,
  start: number,
  stride: number,
  length: number,
  step: number,
  phase: number,
  sums: Float64Array,
  weights: Float64Array,
): void {
  sums.fill(0);
  weights.fill(0);
  for (let t = 0, n = start; t < length; t++, n += stride) {
    if (!mask[n]) continue;
    const place = (t - phase) / step + 1;
    const nearest = Math.round(place);
    // A voxel across the border of two slices counts in both.
    const over = clamp((Math.abs(place - nearest) - 0.5) * step + 0.5, 0, 0.5);
    sums[nearest] += image[n] * (1 - over);
    weights[nearest] += 1 - over;
    const other = place > nearest ? nearest + 1 : nearest - 1;
    sums[other] += image[n] * over;
    weights[other] += over;
  }
}

function interpolateLine(
  image: Float32Array,
  mask: Uint8Array,
  start: number,
  stride: number,
  length: number,
  step: number,
  phase: number,
  values: Float64Array,
  weights: Float64Array,
): void {
  for (let t = 0, n = start; t < length; t++, n += stride) {
    if (!mask[n]) continue;
    const place = (t - phase) / step + 1;
    const below = Math.floor(place);
    const fraction = place - below;
    if (weights[below] > 0 && weights[below + 1] > 0) {
      image[n] = values[below] * (1 - fraction) + values[below + 1] * fraction;
    } else image[n] = weights[below] > 0 ? values[below] : values[below + 1];
  }
}

/** Magnitude of a complex signal with Gaussian noise in both parts (Gudbjartsson and Patz 1995). */
function rician(random: { normal(): number }, signal: number, deviation: number): number {
  const real = signal + deviation * random.normal();
  const imaginary = deviation * random.normal();
  return Math.sqrt(real * real + imaginary * imaginary);
}

/** Three-point blur along an axis within the mask, repeated to reach the width; weights add up to one. */
function blurAlong(
  image: Float32Array,
  mask: Uint8Array,
  dims: readonly [number, number, number],
  axis: 0 | 1 | 2,
  deviationVoxels: number,
): void {
  const variance = deviationVoxels * deviationVoxels;
  const passes = Math.max(1, Math.ceil(variance / 0.5));
  // A kernel [side, 1 - 2 side, side] has variance 2 side.
  const side = variance / passes / 2;
  if (side < 0.004) return;
  const strides = [1, dims[0], dims[0] * dims[1]];
  const stride = strides[axis];
  const [first, second] = [0, 1, 2].filter((other) => other !== axis);
  for (let pass = 0; pass < passes; pass++) {
    for (let b = 0; b < dims[second]; b++) {
      for (let a = 0; a < dims[first]; a++) {
        let n = a * strides[first] + b * strides[second];
        let before = 0;
        let hasBefore = 0;
        for (let t = 0; t < dims[axis]; t++, n += stride) {
          const here = image[n];
          if (mask[n]) {
            const hasAfter = t + 1 < dims[axis] ? mask[n + stride] : 0;
            const after = hasAfter ? image[n + stride] : here;
            image[n] = here + side * ((hasBefore ? before : here) - 2 * here + after);
          }
          before = here;
          hasBefore = mask[n];
        }
      }
    }
  }
}
