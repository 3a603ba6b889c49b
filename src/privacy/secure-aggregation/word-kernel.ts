/**
 * Sums of words modulo 2^32 and 2^64, sixteen bytes at a time: a WebAssembly module of four loops, put together here
 * instruction by instruction. What a site's step takes with them, beside the bare keystream of its masks, is measured by
 * `bench/masking.ts`; figures are in docs/PERFORMANCE.md.
 *
 * Words are little-endian, as WebAssembly's memory is on every machine. The memory holds two blocks: the sum, and what is
 * added to it. It never grows, and belongs to one kernel.
 */
import {
  i32Const,
  instantiate,
  invariant,
  OP,
  place,
  TYPE,
  VECTOR_BYTES,
  VECTOR_OP,
  vector,
  type WasmFunction,
} from "../../base/index.ts";
import type { WordBits } from "./masked-words.ts";

/** Bytes of a block: small enough to stay in the processor's cache while many masks pass over it. */
export const BLOCK_BYTES = 1 << 17;

export interface WordKernel {
  /** The sum is these words, a whole number of them, at most a block. */
  load(words: Uint8Array): void;
  /** Adds as many words modulo 2^bits. */
  add(words: Uint8Array): void;
  subtract(words: Uint8Array): void;
  /** The sum, over the words of `into`, as many as were loaded. */
  store(into: Uint8Array): void;
}

export function createWordKernel(bits: WordBits): WordKernel {
  const { memory, ...loops } = instantiate<Loops>(LOOPS, 2 * BLOCK_BYTES);
  const all = new Uint8Array(memory.buffer);
  const [add, subtract] = bits === 32 ? [loops.add32, loops.subtract32] : [loops.add64, loops.subtract64];
  let length = 0;
  const along = (loop: Loop) => (words: Uint8Array) => {
    invariant(words.length === length, "as many words on both sides");
    if (length === 0) return;
    all.set(words, BLOCK_BYTES);
    // What lies behind the words in either block is no word of theirs.
    loop(0, BLOCK_BYTES, Math.ceil(length / STRIDE) * STRIDE);
  };
  return {
    load(words) {
      invariant(words.length <= BLOCK_BYTES && (8 * words.length) % bits === 0, "whole words, at most a block");
      length = words.length;
      all.set(words, 0);
    },
    add: along(add),
    subtract: along(subtract),
    store(into) {
      invariant(into.length === length, "room for every word");
      into.set(all.subarray(0, length));
    },
  };
}

type Loop = (sums: number, values: number, bytes: number) => void;

type Loops = Readonly<Record<"add32" | "subtract32" | "add64" | "subtract64", Loop>>;

const VECTORS_A_TURN = 4;
const STRIDE = VECTOR_BYTES * VECTORS_A_TURN;
const LOOPS: readonly WasmFunction[] = (["add32", "subtract32", "add64", "subtract64"] as const).map((name) => ({
  name,
  takes: [TYPE.i32, TYPE.i32, TYPE.i32],
  body: loopBody(VECTOR_OP[name]),
}));

/** do { sums += values, four vectors of each; } while (bytes -= stride); with locals 0 sums, 1 values, 2 bytes. */
function loopBody(operation: number): number[] {
  const vectors = Array.from({ length: VECTORS_A_TURN }, (_, i) => {
    const here = place(i * VECTOR_BYTES);
    return [
      ...[OP.localGet, 0],
      ...[OP.localGet, 0, ...vector(VECTOR_OP.load, ...here)],
      ...[OP.localGet, 1, ...vector(VECTOR_OP.load, ...here)],
      ...vector(operation),
      ...vector(VECTOR_OP.store, ...here),
    ];
  }).flat();
  const stride = i32Const(STRIDE);
  return [
    ...[OP.loop, TYPE.none, ...vectors],
    ...[OP.localGet, 0, ...stride, OP.i32Add, OP.localSet, 0],
    ...[OP.localGet, 1, ...stride, OP.i32Add, OP.localSet, 1],
    ...[OP.localGet, 2, ...stride, OP.i32Sub, OP.localTee, 2, OP.branchIf, 0, OP.end],
  ];
}
