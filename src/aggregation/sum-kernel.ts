/**
 * The loops of an exact sum, four whole numbers at a time: a WebAssembly module. A float64 product and sum of it are those
 * of the scalar code (IEEE 754 in both), so that it changes speed and nothing else; `bench/aggregation.ts` measures it.
 *
 * Its memory holds the sums, rooms where a store may put coordinates so that they are added where they lie, and a block
 * that others are copied to. It never grows, and belongs to one kernel.
 */
import {
  i32Const,
  instantiate,
  OP,
  place,
  TYPE,
  UPPER_LANES,
  VECTOR_BYTES,
  VECTOR_OP,
  vector,
  type WasmFunction,
} from "../base/index.ts";

export interface SumKernel {
  readonly sums: Float64Array;
  /** Each of as many coordinates as there are sums. */
  readonly rooms: readonly [Int32Array, Int32Array];
  /** Whether every coordinate's magnitude is at most the limit. @param limit below 2^31 */
  areWithin(coordinates: Int32Array, limit: number): boolean;
  /** sums[offset + i] += weight * coordinates[i] */
  add(offset: number, coordinates: Int32Array, weight: number): void;
}

/** Coordinates that are copied at a time: with their sums they stay in the processor's cache. */
const BLOCK = 1 << 14;
const COORDINATE_BYTES = Int32Array.BYTES_PER_ELEMENT;
const SUM_BYTES = Float64Array.BYTES_PER_ELEMENT;
const LANES = VECTOR_BYTES / COORDINATE_BYTES;

export function createSumKernel(length: number): SumKernel {
  const sumsBytes = roundedUp(SUM_BYTES * length);
  const roomBytes = roundedUp(COORDINATE_BYTES * length);
  const [first, second, block] = [sumsBytes, sumsBytes + roomBytes, sumsBytes + 2 * roomBytes];
  const { memory, outside, add } = instantiate<Loops>(LOOPS, block + COORDINATE_BYTES * BLOCK);
  const sums = new Float64Array(memory.buffer, 0, length);
  const copy = new Int32Array(memory.buffer, block, BLOCK);

  /** Calls `work` with where coordinates lie in the memory, copied there where they do not, in parts of whole vectors but for the last. */
  function along(coordinates: Int32Array, work: (address: number, from: number, count: number) => void): void {
    if (coordinates.buffer === memory.buffer && coordinates.byteOffset % VECTOR_BYTES === 0) {
      work(coordinates.byteOffset, 0, coordinates.length);
      return;
    }
    for (let from = 0; from < coordinates.length; from += BLOCK) {
      const part = coordinates.subarray(from, from + BLOCK);
      copy.set(part);
      work(block, from, part.length);
    }
  }
  return {
    sums,
    rooms: [new Int32Array(memory.buffer, first, length), new Int32Array(memory.buffer, second, length)],
    areWithin(coordinates, limit) {
      let within = true;
      along(coordinates, (address, from, count) => {
        const whole = count - (count % LANES);
        if (whole > 0 && outside(address, COORDINATE_BYTES * whole, limit, -limit) !== 0) within = false;
        for (let i = from + whole; i < from + count; i++) if (Math.abs(coordinates[i]) > limit) within = false;
      });
      return within;
    },
    add(offset, coordinates, weight) {
      along(coordinates, (address, from, count) => {
        const whole = count - (count % LANES);
        if (whole > 0) add(SUM_BYTES * (offset + from), address, COORDINATE_BYTES * whole, weight);
        for (let i = from + whole; i < from + count; i++) sums[offset + i] += weight * coordinates[i];
      });
    },
  };
}

function roundedUp(bytes: number): number {
  return Math.ceil(bytes / VECTOR_BYTES) * VECTOR_BYTES;
}

interface Loops {
  outside(address: number, bytes: number, most: number, least: number): number;
  add(sums: number, address: number, bytes: number, weight: number): void;
}

const { localGet, localSet, localTee } = OP;
const step = i32Const(VECTOR_BYTES);
const load = vector(VECTOR_OP.load, ...place(0));

const LOOPS: readonly WasmFunction[] = [
  {
    // Locals: 0 address, 1 bytes, 2 most, 3 least, 4 which lanes were outside, 5 the vector at hand.
    name: "outside",
    takes: [TYPE.i32, TYPE.i32, TYPE.i32, TYPE.i32],
    gives: TYPE.i32,
    locals: [TYPE.v128, TYPE.v128],
    body: [
      ...[OP.loop, TYPE.none],
      ...[localGet, 0, ...load, localSet, 5],
      ...[localGet, 4],
      ...[localGet, 5, localGet, 2, ...vector(VECTOR_OP.splat32), ...vector(VECTOR_OP.greaterThan32)],
      ...vector(VECTOR_OP.or),
      ...[localGet, 5, localGet, 3, ...vector(VECTOR_OP.splat32), ...vector(VECTOR_OP.lessThan32)],
      ...vector(VECTOR_OP.or),
      ...[localSet, 4],
      ...[localGet, 0, ...step, OP.i32Add, localSet, 0],
      ...[localGet, 1, ...step, OP.i32Sub, localTee, 1, OP.branchIf, 0, OP.end],
      ...[localGet, 4, ...vector(VECTOR_OP.anyTrue)],
    ],
  },
  {
    // Locals: 0 sums, 1 address, 2 bytes, 3 weight, 4 the vector at hand.
    name: "add",
    takes: [TYPE.i32, TYPE.i32, TYPE.i32, TYPE.f64],
    locals: [TYPE.v128],
    body: [
      ...[OP.loop, TYPE.none],
      ...[localGet, 1, ...load, localSet, 4],
      ...addPair(0, []),
      ...addPair(VECTOR_BYTES, [localGet, 4, ...vector(VECTOR_OP.shuffleBytes, ...UPPER_LANES)]),
      ...[localGet, 0, ...i32Const(2 * VECTOR_BYTES), OP.i32Add, localSet, 0],
      ...[localGet, 1, ...step, OP.i32Add, localSet, 1],
      ...[localGet, 2, ...step, OP.i32Sub, localTee, 2, OP.branchIf, 0, OP.end],
    ],
  },
];

/** Two sums += weight * two coordinates, the lower ones of the vector that a shuffle leaves. */
function addPair(offsetBytes: number, shuffle: readonly number[]): number[] {
  return [
    ...[localGet, 0],
    ...[localGet, 0, ...vector(VECTOR_OP.load, ...place(offsetBytes))],
    ...[localGet, 4, ...shuffle, ...vector(VECTOR_OP.f64OfLow32)],
    ...[localGet, 3, ...vector(VECTOR_OP.splatF64), ...vector(VECTOR_OP.multiplyF64)],
    ...vector(VECTOR_OP.addF64),
    ...vector(VECTOR_OP.store, ...place(offsetBytes)),
  ];
}
