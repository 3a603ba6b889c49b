/**
 * How an update's whole numbers are written for the way: as they are, or shorter. What comes out of any encoding is whole
 * numbers in the same steps again, so that sums stay exact and nobody who sums need know more than the study.
 *
 *   int32     little-endian, as they are
 *   float16   binary16 in units of 2^(precisionBits - 16): 11 significant bits of each
 *   int8      blocks of 1,024 (the last may be shorter): a uint32 step m, then one byte q each; the number is q * m
 *
 * Invariants: numbers are rounded to nearest, ties to even, and stay within the study's limit; equal numbers give equal
 * bytes; bytes that no encoder writes (halves that are no number, products beyond the limit) are refused.
 */
import { ConsiliumError } from "../base/index.ts";
import { halfShift, halfToNumber, wholeToHalf } from "./half-float.ts";
import { coordinateLimit } from "./update-scales.ts";

export type UpdateEncoding = "int32" | "float16" | "int8";

/** Numbers that share one step in `int8`. */
export const INT8_BLOCK = 1024;
const STEP_BYTES = 4;
const LARGEST_BYTE = 127;

/** Length of an encoded update of so many elements. */
export function encodedBytes(encoding: UpdateEncoding, elements: number): number {
  switch (encoding) {
    case "int32":
      return 4 * elements;
    case "float16":
      return 2 * elements;
    case "int8":
      return elements + STEP_BYTES * Math.ceil(elements / INT8_BLOCK);
    default:
      return encoding satisfies never;
  }
}

/** Elements that can be decoded by themselves. */
export function elementsPerUnit(encoding: UpdateEncoding): number {
  return encoding === "int8" ? INT8_BLOCK : 1;
}

/** The update's bytes on the wire; of `int32` a view of the coordinates, not a copy. */
export function encodeUpdate(
  coordinates: Int32Array,
  encoding: UpdateEncoding = "int32",
  precisionBits = 32,
): Uint8Array {
  switch (encoding) {
    case "int32":
      return new Uint8Array(coordinates.buffer, coordinates.byteOffset, coordinates.byteLength);
    case "float16":
      return encodeHalves(coordinates, halfShift(precisionBits));
    case "int8":
      return encodeBlocks(coordinates, coordinateLimit(precisionBits));
    default:
      return encoding satisfies never;
  }
}

function encodeHalves(coordinates: Int32Array, shift: number): Uint8Array {
  const bytes = new Uint8Array(2 * coordinates.length);
  for (let i = 0; i < coordinates.length; i++) {
    const half = wholeToHalf(coordinates[i], shift);
    bytes[2 * i] = half & 255;
    bytes[2 * i + 1] = half >> 8;
  }
  return bytes;
}

function encodeBlocks(coordinates: Int32Array, limit: number): Uint8Array {
  const bytes = new Uint8Array(encodedBytes("int8", coordinates.length));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (let start = 0; start < coordinates.length; start += INT8_BLOCK) {
    const block = coordinates.subarray(start, start + INT8_BLOCK);
    let largest = 0;
    for (const coordinate of block) largest = Math.max(largest, Math.abs(coordinate));
    const step = Math.max(1, Math.ceil(largest / LARGEST_BYTE));
    view.setUint32(at, step, true);
    at += STEP_BYTES;
    for (const coordinate of block) view.setInt8(at++, stepsOf(coordinate, step, limit));
  }
  return bytes;
}

/** Nearest, ties to even; where that lies beyond the limit, one less. */
function stepsOf(coordinate: number, step: number, limit: number): number {
  const below = Math.floor(coordinate / step);
  const rest = coordinate - below * step;
  const nearest = rest > step / 2 || (rest === step / 2 && below % 2 !== 0) ? below + 1 : below;
  return Math.abs(nearest * step) > limit ? nearest - Math.sign(nearest) : nearest;
}

/**
 * Fills the target with the numbers of whole units: of `int8` whole blocks, the last of an update excepted.
 * @throws ConsiliumError `update-out-of-range` for what no encoder writes
 */
export function decodeUpdate(
  bytes: Uint8Array,
  encoding: UpdateEncoding,
  precisionBits: number,
  target: Int32Array,
): void {
  switch (encoding) {
    case "int32":
      new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(bytes);
      return;
    case "float16":
      decodeHalves(bytes, precisionBits, target);
      return;
    case "int8":
      decodeBlocks(bytes, coordinateLimit(precisionBits), target);
      return;
    default:
      encoding satisfies never;
  }
}

/** What each of the 65,536 halves stands for at a precision; NaN where it stands for nothing. */
let halves: { readonly precisionBits: number; readonly numbers: Float64Array } | undefined;

function numbersOfHalves(precisionBits: number): Float64Array {
  if (halves?.precisionBits === precisionBits) return halves.numbers;
  const unit = 2 ** halfShift(precisionBits);
  const limit = coordinateLimit(precisionBits);
  const numbers = Float64Array.from({ length: 65_536 }, (_, bits) => {
    const number = roundHalfEven(halfToNumber(bits) * unit);
    // The limit itself, 2^(bits - 1) - 1, is written as the half above it.
    if (number === limit + 1 || number === -limit - 1) return Math.sign(number) * limit;
    return Math.abs(number) <= limit ? number : Number.NaN;
  });
  halves = { precisionBits, numbers };
  return numbers;
}

function decodeHalves(bytes: Uint8Array, precisionBits: number, target: Int32Array): void {
  const numbers = numbersOfHalves(precisionBits);
  for (let i = 0; i < target.length; i++) {
    const number = numbers[bytes[2 * i] | (bytes[2 * i + 1] << 8)];
    if (Number.isNaN(number)) throw beyond(`a half of no such number (element ${i} of a stretch)`);
    target[i] = number;
  }
}

function decodeBlocks(bytes: Uint8Array, limit: number, target: Int32Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  for (let start = 0; start < target.length; start += INT8_BLOCK) {
    const step = view.getUint32(at, true);
    at += STEP_BYTES;
    const end = Math.min(start + INT8_BLOCK, target.length);
    for (let i = start; i < end; i++) {
      const number = view.getInt8(at++) * step;
      if (Math.abs(number) > limit) throw beyond(`${number} (a step of ${step})`);
      target[i] = number;
    }
  }
}

function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest > 0.5 || (rest === 0.5 && below % 2 !== 0)) return below + 1;
  return below;
}

function beyond(actual: string): ConsiliumError {
  return new ConsiliumError("update-out-of-range", {
    subject: "encoded update",
    expected: "numbers within the study's aggregation.precisionBits",
    actual,
    hint: "The site does not follow the protocol: compare the versions at both ends.",
  });
}
