/**
 * The loops that turn a site's change into whole numbers, four elements at a time: a WebAssembly module. Its results are
 * the bits of the scalar code, which does what this one leaves: values beyond the limit, and what is no number.
 *
 * The memory holds one block of each operand, small enough for the processor's cache. It never grows; one kernel serves
 * a thread.
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

export interface QuantiseKernel {
  /** The largest magnitude; NaN where a value is none. */
  largestMagnitude(values: Float32Array): number;
  /**
   * Rounds (local - global) * stepsPerUnit, taken in float64, half to even. `into` may be the memory of `local`.
   * @returns whether all are finite and within the limit; where not, `into` is as it was
   */
  quantise(request: QuantiseRequest): boolean;
}

export interface QuantiseRequest {
  /** These three are of one length, at most `QUANTISE_BLOCK`. */
  readonly global: Float32Array;
  readonly local: Float32Array;
  readonly into: Int32Array;
  readonly stepsPerUnit: number;
  readonly limit: number;
}

/** Elements of a block. */
export const QUANTISE_BLOCK = 1 << 14;
const BLOCK_BYTES = Float32Array.BYTES_PER_ELEMENT * QUANTISE_BLOCK;
const [GLOBAL, LOCAL, RESULT] = [0, BLOCK_BYTES, 2 * BLOCK_BYTES];

let kernel: QuantiseKernel | undefined;

/** This thread's. */
export function quantiseKernel(): QuantiseKernel {
  kernel ??= createQuantiseKernel();
  return kernel;
}

function createQuantiseKernel(): QuantiseKernel {
  const { memory, largest, quantise } = instantiate<Loops>(LOOPS, 3 * BLOCK_BYTES);
  const globals = new Float32Array(memory.buffer, GLOBAL, QUANTISE_BLOCK);
  const locals = new Float32Array(memory.buffer, LOCAL, QUANTISE_BLOCK);
  const results = new Int32Array(memory.buffer, RESULT, QUANTISE_BLOCK);
  const found = new Float32Array(memory.buffer, RESULT, VECTOR_BYTES / Float32Array.BYTES_PER_ELEMENT);
  return {
    largestMagnitude(values) {
      let most = 0;
      for (let from = 0; from < values.length; from += QUANTISE_BLOCK) {
        const block = values.subarray(from, from + QUANTISE_BLOCK);
        globals.set(block);
        const bytes = wholeVectors(globals, block.length);
        largest(GLOBAL, RESULT, bytes);
        most = Math.max(most, ...found);
      }
      return most;
    },
    quantise({ global, local, into, stepsPerUnit, limit }) {
      if (into.length === 0) return true;
      globals.set(global);
      locals.set(local);
      wholeVectors(globals, global.length);
      const bytes = wholeVectors(locals, local.length);
      if (quantise(GLOBAL, LOCAL, RESULT, bytes, stepsPerUnit, limit) === 0) return false;
      into.set(results.subarray(0, into.length));
      return true;
    },
  };
}

/** Fills what is left of the last vector with zeros. @returns the bytes of all vectors */
function wholeVectors(block: Float32Array, length: number): number {
  const bytes = Math.ceil((length * Float32Array.BYTES_PER_ELEMENT) / VECTOR_BYTES) * VECTOR_BYTES;
  block.fill(0, length, bytes / Float32Array.BYTES_PER_ELEMENT);
  return bytes;
}

interface Loops {
  largest(values: number, into: number, bytes: number): void;
  quantise(global: number, local: number, into: number, bytes: number, stepsPerUnit: number, limit: number): number;
}

const { localGet, localSet, localTee } = OP;
const step = i32Const(VECTOR_BYTES);
const here = place(0);
const advance = (local: number): number[] => [localGet, local, ...step, OP.i32Add, localSet, local];
const whileLeft = (local: number): number[] => [localGet, local, ...step, OP.i32Sub, localTee, local, OP.branchIf, 0];
/** The two lower 32-bit lanes of one vector, then those of another. */
const lowerHalves = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];

const LOOPS: readonly WasmFunction[] = [
  {
    // Locals: 0 values, 1 where the lanes' largest go, 2 bytes, 3 the largest so far.
    name: "largest",
    takes: [TYPE.i32, TYPE.i32, TYPE.i32],
    locals: [TYPE.v128],
    body: [
      ...[OP.loop, TYPE.none],
      ...[localGet, 3, localGet, 0, ...vector(VECTOR_OP.load, ...here), ...vector(VECTOR_OP.absF32)],
      ...[...vector(VECTOR_OP.maxF32), localSet, 3],
      ...[...advance(0), ...whileLeft(2), OP.end],
      ...[localGet, 1, localGet, 3, ...vector(VECTOR_OP.store, ...here)],
    ],
  },
  {
    // Locals: 0 global, 1 local, 2 into, 3 bytes, 4 steps a unit, 5 limit, 6 and 7 the vectors at hand, 8 and 9 their
    // steps, 10 all ones while all were within.
    name: "quantise",
    takes: [TYPE.i32, TYPE.i32, TYPE.i32, TYPE.i32, TYPE.f64, TYPE.f64],
    gives: TYPE.i32,
    locals: [TYPE.v128, TYPE.v128, TYPE.v128, TYPE.v128, TYPE.v128],
    body: [
      ...[localGet, 10, localGet, 10, ...vector(VECTOR_OP.lessOrEqualF64), localSet, 10],
      ...[OP.loop, TYPE.none],
      ...[localGet, 0, ...vector(VECTOR_OP.load, ...here), localSet, 6],
      ...[localGet, 1, ...vector(VECTOR_OP.load, ...here), localSet, 7],
      ...roundedPair(8, []),
      ...roundedPair(9, UPPER_LANES),
      ...[localGet, 2],
      ...[localGet, 8, ...vector(VECTOR_OP.int32OfF64), localGet, 9, ...vector(VECTOR_OP.int32OfF64)],
      ...vector(VECTOR_OP.shuffleBytes, ...lowerHalves),
      ...vector(VECTOR_OP.store, ...here),
      ...[...advance(0), ...advance(1), ...advance(2), ...whileLeft(3), OP.end],
      ...[localGet, 10, ...vector(VECTOR_OP.allTrue64)],
    ],
  },
];

/** (local - global) * steps a unit, rounded, of the two lanes that a shuffle brings down; and whether both are within. */
function roundedPair(into: number, shuffle: readonly number[]): number[] {
  const lanes = (local: number): number[] => [
    ...[localGet, local],
    ...(shuffle.length === 0 ? [] : [localGet, local, ...vector(VECTOR_OP.shuffleBytes, ...shuffle)]),
    ...vector(VECTOR_OP.promoteLowF32),
  ];
  return [
    ...[...lanes(7), ...lanes(6), ...vector(VECTOR_OP.subtractF64)],
    ...[localGet, 4, ...vector(VECTOR_OP.splatF64), ...vector(VECTOR_OP.multiplyF64)],
    ...[...vector(VECTOR_OP.nearestF64), localTee, into],
    ...[...vector(VECTOR_OP.absF64), localGet, 5, ...vector(VECTOR_OP.splatF64), ...vector(VECTOR_OP.lessOrEqualF64)],
    ...[localGet, 10, ...vector(VECTOR_OP.and), localSet, 10],
  ];
}
