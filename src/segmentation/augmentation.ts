/**
 * Variations of a training patch: mirrored, turned by right angles, and with other intensities, as scanners differ.
 * Voxels of value zero are outside the brain and stay zero.
 */
import { createRandom, type Random } from "../base/index.ts";
import type { Triple } from "../imaging/index.ts";
import { type AugmentationSpec, ofAxis } from "../study/index.ts";

/** Changes the patch in place: `image` [C, d, h, w], `labels` [d, h, w], `patch` in x, y, z. */
export function augmentPatch(
  patch: Triple,
  channels: number,
  spec: AugmentationSpec,
  random: Random,
  image: Float32Array,
  labels: Uint8Array,
): void {
  const flips = [0, 1, 2].map((axis) => random.chance(ofAxis(spec.flip, axis)));
  const turns = planes(patch).map(() => (random.chance(spec.rotate90) ? 1 + random.integer(3) : 0));
  const volume = patch[0] * patch[1] * patch[2];
  const move = rearrangement(patch, flips, turns);
  if (move !== undefined) {
    labels.set(labels.slice().map((_, i, old) => old[move[i]]));
    const scratch = new Float32Array(volume);
    for (let c = 0; c < channels; c++) {
      const channel = image.subarray(c * volume, (c + 1) * volume);
      for (let i = 0; i < volume; i++) scratch[i] = channel[move[i]];
      channel.set(scratch);
    }
  }
  for (let c = 0; c < channels; c++) {
    const channel = image.subarray(c * volume, (c + 1) * volume);
    if (random.chance(spec.lowResolution)) thickenSlices(channel, patch, random.integer(3), 2 + random.integer(4));
    varyIntensity(channel, patch, spec, random);
    if (spec.biasField !== 0) addBiasField(channel, patch, spec.biasField, random);
    if (random.chance(spec.limitedCoverage)) cutCoverage(channel, patch, random);
  }
  const blank = Array.from({ length: channels }, () => random.chance(spec.channelDropout));
  if (blank.includes(false)) blank.forEach((isBlank, c) => isBlank && image.fill(0, c * volume, (c + 1) * volume));
}

/** Adds a random polynomial of second degree in the coordinates, each brought to [-1, 1]. */
function addBiasField(
  channel: Float32Array,
  patch: Triple,
  field: AugmentationSpec["biasField"],
  random: Random,
): void {
  const terms = patch.map((size, axis) => {
    const amplitude = ofAxis(field, axis);
    const [slope, bend] = [random.between(-1, 1), random.between(-1, 1)];
    return Float64Array.from({ length: size }, (_, i) => {
      const t = (2 * i) / Math.max(1, size - 1) - 1;
      return (amplitude / 3) * (slope * t + bend * (t * t - 1 / 3));
    });
  });
  let i = 0;
  for (let z = 0; z < patch[2]; z++) {
    for (let y = 0; y < patch[1]; y++) {
      const row = terms[1][y] + terms[2][z];
      for (let x = 0; x < patch[0]; x++, i++) if (channel[i] !== 0) channel[i] += row + terms[0][x];
    }
  }
}

/** Blanks what lies beyond a plane across one axis, up to two fifths of the patch: a scan that missed part of the brain. */
function cutCoverage(channel: Float32Array, patch: Triple, random: Random): void {
  const axis = random.integer(3);
  const side = patch[axis];
  const cut = Math.round(random.between(0.05, 0.4) * side);
  const [from, to] = random.chance(0.5) ? [0, cut] : [side - cut, side];
  const [width, height, depth] = patch;
  const low = [0, 0, 0].with(axis, from);
  const high = [width, height, depth].with(axis, to);
  for (let z = low[2]; z < high[2]; z++) {
    for (let y = low[1]; y < high[1]; y++) {
      const row = (z * height + y) * width;
      channel.fill(0, row + low[0], row + high[0]);
    }
  }
}

/** Averages runs of voxels along one axis and gives each the mean: a scan of thick slices. */
function thickenSlices(channel: Float32Array, patch: Triple, axis: number, thickness: number): void {
  const strides = [1, patch[0], patch[0] * patch[1]];
  const [u, v] = [0, 1, 2].filter((a) => a !== axis);
  for (let b = 0; b < patch[v]; b++) {
    for (let a = 0; a < patch[u]; a++) {
      const line = a * strides[u] + b * strides[v];
      for (let from = 0; from < patch[axis]; from += thickness) {
        const to = Math.min(from + thickness, patch[axis]);
        let [sum, count] = [0, 0];
        for (let i = from; i < to; i++) {
          const value = channel[line + i * strides[axis]];
          if (value !== 0) [sum, count] = [sum + value, count + 1];
        }
        for (let i = from; i < to; i++) {
          const at = line + i * strides[axis];
          if (channel[at] !== 0) channel[at] = sum / count;
        }
      }
    }
  }
}

/** Pairs of axes whose sides are equal, in which a turn by 90 degrees keeps the patch's shape. */
function planes(patch: Triple): (readonly [number, number])[] {
  const pairs = [
    [0, 1],
    [0, 2],
    [1, 2],
  ] as const;
  return pairs.filter(([a, b]) => patch[a] === patch[b]);
}

/** For each voxel of the result, the voxel that it comes from; undefined where nothing moves. */
function rearrangement(patch: Triple, flips: readonly boolean[], turns: readonly number[]): Uint32Array | undefined {
  if (!flips.includes(true) && turns.every((turn) => turn === 0)) return undefined;
  const strides = [1, patch[0], patch[0] * patch[1]];
  // A signed permutation of the axes: result coordinate a reads source axis source[a], reversed where told.
  const source = [0, 1, 2];
  const reversed = [...flips];
  planes(patch).forEach(([a, b], i) => {
    for (let turn = 0; turn < turns[i]; turn++) {
      [source[a], source[b]] = [source[b], source[a]];
      [reversed[a], reversed[b]] = [!reversed[b], reversed[a]];
    }
  });
  const step = source.map((axis, a) => (reversed[a] ? -strides[axis] : strides[axis]));
  const start = source.reduce((sum, axis, a) => sum + (reversed[a] ? strides[axis] * (patch[axis] - 1) : 0), 0);
  const move = new Uint32Array(patch[0] * patch[1] * patch[2]);
  let i = 0;
  for (let z = 0; z < patch[2]; z++) {
    for (let y = 0; y < patch[1]; y++) {
      let from = start + z * step[2] + y * step[1];
      for (let x = 0; x < patch[0]; x++) {
        move[i++] = from;
        from += step[0];
      }
    }
  }
  return move;
}

/** Gamma on the channel brought to [0, 1], then scale, shift and noise. */
function varyIntensity(channel: Float32Array, patch: Triple, spec: AugmentationSpec, random: Random): void {
  const gamma = random.between(1 - spec.gamma, 1 + spec.gamma);
  const scale = random.between(1 - spec.intensityScale, 1 + spec.intensityScale);
  const shift = random.between(-spec.intensityShift, spec.intensityShift);
  const noise = random.between(0, spec.noise);
  const { low, high } = rangeInBrain(channel);
  const range = high - low;
  if (spec.gamma > 0 && range > 0) applyCurve(channel, low, range, gamma, scale, shift);
  else for (let i = 0; i < channel.length; i++) if (channel[i] !== 0) channel[i] = channel[i] * scale + shift;
  if (noise > 0) addNoise(channel, patch[0], noise, random);
}

function rangeInBrain(channel: Float32Array): { low: number; high: number } {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < channel.length; i++) {
    const value = channel[i];
    if (value === 0) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { low, high };
}

const CURVE_STEPS = 1024;

/** Looked up and interpolated, since a power for each voxel would cost as much as the network's step. */
function applyCurve(
  channel: Float32Array,
  low: number,
  range: number,
  gamma: number,
  scale: number,
  shift: number,
): void {
  const curve = Float32Array.from(
    { length: CURVE_STEPS + 2 },
    (_, n) => (low + range * (n / CURVE_STEPS) ** gamma) * scale + shift,
  );
  const factor = CURVE_STEPS / range;
  for (let i = 0; i < channel.length; i++) {
    if (channel[i] === 0) continue;
    const at = (channel[i] - low) * factor;
    const n = at | 0;
    channel[i] = curve[n] + (at - n) * (curve[n + 1] - curve[n]);
  }
}

const NOISE_LENGTH = 1 << 16;
const standardNoise = noiseTable();

function noiseTable(): Float32Array {
  const random = createRandom("augmentation noise");
  return Float32Array.from({ length: NOISE_LENGTH }, () => random.normal());
}

/** Each row takes a stretch of one table of standard normals from a place of its own. */
function addNoise(channel: Float32Array, width: number, deviation: number, random: Random): void {
  for (let row = 0; row < channel.length; row += width) {
    const from = random.uint32();
    for (let x = 0; x < width; x++) {
      if (channel[row + x] !== 0) channel[row + x] += deviation * standardNoise[(from + x) & (NOISE_LENGTH - 1)];
    }
  }
}
