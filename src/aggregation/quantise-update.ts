/**
 * A site's update as integers: what a round of training changed, in the steps of `updateScales`.
 *
 * On the wire an update is its coordinates as int32 little-endian in the layout's order and nothing else; length and
 * digest travel in the message that announces it.
 *
 * Invariants: differences are taken in float64 and rounded half to even, so a coordinate is off by at most half a
 * step; what does not fit is set to the limit and counted; what is not a number never becomes one.
 */
import { ConsiliumError } from "../base/index.ts";
import { type ParameterEntry, type Parameters, sameLayout } from "../graph/index.ts";
import { coordinateLimit } from "./update-scales.ts";

export const BYTES_PER_COORDINATE = 4;

export interface QuantisedUpdate {
  /** Owned by the caller; length `layout.length`. */
  readonly coordinates: Int32Array;
  /** Coordinates that were set to the limit because the change was larger. */
  readonly clipped: number;
}

/**
 * local - global in steps.
 *
 * @param scales from `updateScales(global, precisionBits)`.
 * @throws ConsiliumError `update-shape` where the layouts differ, `update-not-finite` for NaN and infinities.
 */
export function quantiseUpdate(
  global: Parameters,
  local: Parameters,
  scales: Float64Array,
  precisionBits: number,
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
  const coordinates = new Int32Array(layout.length);
  let clipped = 0;
  layout.entries.forEach((entry, t) => {
    clipped += quantiseTensor(entry, global.data, local.data, scales[t], coordinateLimit(precisionBits), coordinates);
  });
  return { coordinates, clipped };
}

/**
 * Adding and taking away 1.5 * 2^52 rounds a float64 to an integer, half to even, where its magnitude is below 2^51;
 * larger ones stay far beyond any limit.
 */
const ROUNDER = 6755399441055744;

function quantiseTensor(
  entry: ParameterEntry,
  global: Float32Array,
  local: Float32Array,
  scale: number,
  limit: number,
  coordinates: Int32Array,
): number {
  const stepsPerUnit = 1 / scale;
  let clipped = 0;
  for (let i = entry.offset; i < entry.offset + entry.length; i++) {
    const steps = (local[i] - global[i]) * stepsPerUnit;
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

/** The update's bytes on the wire: a view of the coordinates, not a copy. */
export function encodeUpdate(coordinates: Int32Array): Uint8Array {
  return new Uint8Array(coordinates.buffer, coordinates.byteOffset, coordinates.byteLength);
}
