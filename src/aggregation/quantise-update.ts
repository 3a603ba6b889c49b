/**
 * A site's update as integers: what a round of training changed, in the steps of `updateScales`.
 *
 * On the wire an update is its coordinates in the layout's order, in one of the encodings of `update-encoding.ts`, and
 * nothing else; length and digest travel in the message that announces it.
 *
 * Invariants: differences are taken in float64 and rounded half to even, so a coordinate is off by at most half a
 * step; what does not fit is set to the limit and counted; what is not a number never becomes one.
 */
import { ConsiliumError } from "../base/index.ts";
import { type ParameterEntry, type Parameters, sameLayout } from "../graph/index.ts";
import { QUANTISE_BLOCK, quantiseKernel } from "./quantise-kernel.ts";
import { decodeUpdate, encodedBytes, encodeUpdate, type UpdateEncoding } from "./update-encoding.ts";
import { coordinateLimit, updateScales } from "./update-scales.ts";

export const BYTES_PER_COORDINATE = 4;

export interface QuantisedUpdate {
  /** Owned by the caller, who may have given them; length `layout.length`. */
  readonly coordinates: Int32Array;
  /** Coordinates that were set to the limit because the change was larger. */
  readonly clipped: number;
}

/**
 * local - global in steps.
 *
 * @param scales from `updateScales(global, precisionBits)`.
 * @param residual what earlier updates left unsaid (`encodeWithFeedback`), added to the change; [P] in the model's units.
 * @param coordinates where they are put; may be the memory of `local.data`, of which each element is read before.
 * @throws ConsiliumError `update-shape` where the layouts differ, `update-not-finite` for NaN and infinities.
 */
export function quantiseUpdate(
  global: Parameters,
  local: Parameters,
  scales: Float64Array,
  precisionBits: number,
  residual?: Float32Array,
  coordinates: Int32Array = new Int32Array(global.layout.length),
): QuantisedUpdate {
  const { layout } = global;
  if (!sameLayout(layout, local.layout) || local.data.length !== layout.length) {
    throw new ConsiliumError("update-shape", {
      subject: "local model",
      expected: `the round's ${layout.entries.length} tensors of ${layout.length} elements`,
      actual: `${local.layout.entries.length} tensors of ${local.data.length} elements, or others`,
      hint: "Train from the model of this round.",
    });
  }
  const vectors = { global: global.data, local: local.data, coordinates, residual };
  const limit = coordinateLimit(precisionBits);
  let clipped = 0;
  layout.entries.forEach((entry, t) => {
    clipped += quantiseTensor(vectors, entry, scales[t], limit);
  });
  return { coordinates, clipped };
}

/**
 * Adding and taking away 1.5 * 2^52 rounds a float64 to an integer, half to even, where its magnitude is below 2^51;
 * larger ones stay far beyond any limit.
 */
const ROUNDER = 6755399441055744;

interface ToQuantise {
  readonly global: Float32Array;
  readonly local: Float32Array;
  readonly coordinates: Int32Array;
  readonly residual: Float32Array | undefined;
}

/** Block by block: one that holds nothing unusual goes through the kernel. @returns how many were clipped */
function quantiseTensor(vectors: ToQuantise, entry: ParameterEntry, scale: number, limit: number): number {
  const { global, local, coordinates, residual } = vectors;
  const stepsPerUnit = 1 / scale;
  const end = entry.offset + entry.length;
  let clipped = 0;
  for (let from = entry.offset; from < end; from += QUANTISE_BLOCK) {
    const to = Math.min(end, from + QUANTISE_BLOCK);
    const [before, after, into] = [global.subarray(from, to), local.subarray(from, to), coordinates.subarray(from, to)];
    const isUsual =
      residual === undefined && quantiseKernel().quantise({ global: before, local: after, into, stepsPerUnit, limit });
    if (!isUsual) clipped += quantiseRange(vectors, entry, [from, to], stepsPerUnit, limit);
  }
  return clipped;
}

/** The elements from one up to another; what does not fit is clipped. @throws ConsiliumError `update-not-finite` */
function quantiseRange(
  { global, local, coordinates, residual }: ToQuantise,
  entry: ParameterEntry,
  [from, to]: readonly [number, number],
  stepsPerUnit: number,
  limit: number,
): number {
  let clipped = 0;
  for (let i = from; i < to; i++) {
    const change = local[i] - global[i];
    const steps = (residual === undefined ? change : change + residual[i]) * stepsPerUnit;
    const rounded = steps + ROUNDER - ROUNDER;
    if (rounded >= -limit && rounded <= limit) {
      coordinates[i] = rounded;
      continue;
    }
    if (!Number.isFinite(steps)) throw notFinite(entry, i - entry.offset, local[i]);
    coordinates[i] = steps > 0 ? limit : -limit;
    clipped++;
  }
  return clipped;
}

function notFinite(entry: ParameterEntry, element: number, value: number): ConsiliumError {
  return new ConsiliumError("update-not-finite", {
    subject: `local model, tensor ${entry.name}, element ${element}`,
    expected: "a finite number",
    actual: String(value),
    hint: "Training diverged at this site: nothing was sent. Lower the learning rate of the study.",
  });
}

export interface EncodedUpdate {
  readonly bytes: Uint8Array;
  readonly clipped: number;
  /** What these bytes leave unsaid of the change and of `residual` before it, [P]; none of `int32`. */
  readonly residual?: Float32Array;
}

/**
 * An update in a short encoding with error feedback (Seide et al. 2014; Karimireddy et al. 2019): what rounding and
 * clipping took from this round's numbers the site adds to the next round's change, so that nothing is lost for good.
 *
 * Takes `local` over: its memory may hold the result.
 */
export function encodeWithFeedback(
  global: Parameters,
  local: Parameters,
  { precisionBits, encoding }: { readonly precisionBits: number; readonly encoding: UpdateEncoding },
  before: Float32Array | undefined,
): EncodedUpdate {
  const scales = updateScales(global, precisionBits);
  if (encoding === "int32") {
    const inPlace = new Int32Array(local.data.buffer, local.data.byteOffset, local.data.length);
    const { coordinates, clipped } = quantiseUpdate(global, local, scales, precisionBits, before, inPlace);
    return { bytes: encodeUpdate(coordinates), clipped };
  }
  const { coordinates, clipped } = quantiseUpdate(global, local, scales, precisionBits, before);
  const bytes = encodeUpdate(coordinates, encoding, precisionBits);
  decodeUpdate(bytes, encoding, precisionBits, coordinates);
  const residual = new Float32Array(coordinates.length);
  global.layout.entries.forEach(({ offset, length }, t) => {
    for (let i = offset; i < offset + length; i++) {
      const change = local.data[i] - global.data[i] + (before === undefined ? 0 : before[i]);
      residual[i] = change - coordinates[i] * scales[t];
    }
  });
  return { bytes, clipped, residual };
}

/**
 * The model that a site's update leads to by itself: global + coordinates * step, rounded once to float32.
 *
 * @throws ConsiliumError `update-shape` where the bytes are not those of every element.
 */
export function moveByUpdate(
  global: Parameters,
  update: Uint8Array,
  precisionBits: number,
  encoding: UpdateEncoding = "int32",
): Parameters {
  const { layout } = global;
  const wanted = encodedBytes(encoding, layout.length);
  if (update.length !== wanted) {
    throw new ConsiliumError("update-shape", {
      subject: "update",
      expected: `${wanted} bytes for ${layout.length} elements`,
      actual: `${update.length} bytes`,
      hint: "Take the update that was made from this model.",
    });
  }
  const coordinates = new Int32Array(layout.length);
  decodeUpdate(update, encoding, precisionBits, coordinates);
  const scales = updateScales(global, precisionBits);
  const data = new Float32Array(layout.length);
  layout.entries.forEach(({ offset, length }, t) => {
    for (let i = offset; i < offset + length; i++) data[i] = global.data[i] + coordinates[i] * scales[t];
  });
  return { layout, data };
}
