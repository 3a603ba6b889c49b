/**
 * Sums of words modulo 2^32 and 2^64, sixteen bytes at a time: a WebAssembly module of four loops, put together here
 * instruction by instruction. What a site's step takes with them, beside the bare keystream of its masks, is measured by
 * `bench/masking.ts`; figures are in docs/PERFORMANCE.md.
 *
 * Words are little-endian, as WebAssembly's memory is on every machine. The memory holds two blocks: the sum, and what is
 * added to it. It never grows, and belongs to one kernel.
 */
import { invariant } from "../../base/index.ts";
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
  const instance = new WebAssembly.Instance(compiled());
  const { memory, ...loops } = instance.exports as unknown as Exports;
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

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly add32: Loop;
  readonly subtract32: Loop;
  readonly add64: Loop;
  readonly subtract64: Loop;
}

/** What this file uses of the WebAssembly JavaScript interface, which the types of Node do not declare. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
};

let module: object | undefined;

function compiled(): object {
  module ??= new WebAssembly.Module(moduleBytes());
  return module;
}

const VECTOR_BYTES = 16;
const VECTORS_A_TURN = 4;
const STRIDE = VECTOR_BYTES * VECTORS_A_TURN;
const PAGE_BYTES = 1 << 16;

// Opcodes of the WebAssembly core specification 2.0, section 5.4 (instructions) and 5.5 (modules).
const [LOOP, BR_IF, END, LOCAL_GET, LOCAL_SET, LOCAL_TEE, I32_CONST, I32_ADD, I32_SUB, VECTOR] = [
  0x03, 0x0d, 0x0b, 0x20, 0x21, 0x22, 0x41, 0x6a, 0x6b, 0xfd,
];
const [V128_LOAD, V128_STORE] = [0x00, 0x0b];
const [NO_TYPE, I32, FUNCTION] = [0x40, 0x7f, 0x60];
const [OF_FUNCTION, OF_MEMORY] = [0x00, 0x02];
const LOOPS: readonly (readonly [name: string, opcode: number])[] = [
  ["add32", 0xae],
  ["subtract32", 0xb1],
  ["add64", 0xce],
  ["subtract64", 0xd1],
];

function moduleBytes(): Uint8Array {
  const exported = (name: string, kind: number, index: number) => [name.length, ...Buffer.from(name), kind, index];
  return Uint8Array.from([
    ...[0x00, ...Buffer.from("asm"), 1, 0, 0, 0],
    ...section(1, [[FUNCTION, 3, I32, I32, I32, 0]]),
    ...section(
      3,
      LOOPS.map(() => [0]),
    ),
    ...section(5, [[0, ...unsigned((2 * BLOCK_BYTES) / PAGE_BYTES)]]),
    ...section(7, [...LOOPS.map(([name], i) => exported(name, OF_FUNCTION, i)), exported("memory", OF_MEMORY, 0)]),
    ...section(
      10,
      LOOPS.map(([, opcode]) => sized(loopBody(opcode))),
    ),
  ]);
}

/** do { sums += values, four vectors of each; } while (bytes -= stride); with locals 0 sums, 1 values, 2 bytes. */
function loopBody(opcode: number): number[] {
  const vectors = Array.from({ length: VECTORS_A_TURN }, (_, i) => {
    const alignedTo = 4;
    const place = [alignedTo, ...unsigned(i * VECTOR_BYTES)];
    return [
      ...[LOCAL_GET, 0],
      ...[LOCAL_GET, 0, VECTOR, V128_LOAD, ...place],
      ...[LOCAL_GET, 1, VECTOR, V128_LOAD, ...place],
      ...[VECTOR, ...unsigned(opcode), VECTOR, V128_STORE, ...place],
    ];
  }).flat();
  const stride = [I32_CONST, ...signed(STRIDE)];
  const locals = 0;
  return [
    locals,
    ...[LOOP, NO_TYPE, ...vectors],
    ...[LOCAL_GET, 0, ...stride, I32_ADD, LOCAL_SET, 0],
    ...[LOCAL_GET, 1, ...stride, I32_ADD, LOCAL_SET, 1],
    ...[LOCAL_GET, 2, ...stride, I32_SUB, LOCAL_TEE, 2, BR_IF, 0, END],
    END,
  ];
}

function section(id: number, entries: readonly (readonly number[])[]): number[] {
  return [id, ...sized([...unsigned(entries.length), ...entries.flat()])];
}

function sized(bytes: readonly number[]): number[] {
  return [...unsigned(bytes.length), ...bytes];
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** LEB128 of a number from 0 on, with a sign bit. */
function signed(value: number): number[] {
  return value < 0x40 ? [value] : [(value & 0x7f) | 0x80, ...signed(value >>> 7)];
}
