/**
 * WebAssembly modules of a few loops over one memory, put together instruction by instruction: what runs sixteen bytes at
 * a time without a compiler at hand.
 *
 * Source: WebAssembly core specification 2.0, section 5.4 (instructions) and 5.5 (modules).
 */

/** Operations by their names in the specification; those of vectors stand behind `VECTOR`. */
export const OP = {
  loop: 0x03,
  branchIf: 0x0d,
  end: 0x0b,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  i32Const: 0x41,
  i32Add: 0x6a,
  i32Sub: 0x6b,
} as const;

export const VECTOR_OP = {
  load: 0x00,
  store: 0x0b,
  shuffleBytes: 0x0d,
  splat32: 0x11,
  splatF64: 0x14,
  lessThan32: 0x39,
  greaterThan32: 0x3b,
  lessOrEqualF64: 0x4b,
  and: 0x4e,
  or: 0x50,
  promoteLowF32: 0x5f,
  allTrue64: 0xc3,
  nearestF64: 0x94,
  anyTrue: 0x53,
  absF32: 0xe0,
  maxF32: 0xe9,
  absF64: 0xec,
  add32: 0xae,
  subtract32: 0xb1,
  add64: 0xce,
  subtract64: 0xd1,
  addF64: 0xf0,
  subtractF64: 0xf1,
  multiplyF64: 0xf2,
  int32OfF64: 0xfc,
  f64OfLow32: 0xfe,
} as const;

export const TYPE = { i32: 0x7f, f64: 0x7c, v128: 0x7b, none: 0x40 } as const;

export const VECTOR_BYTES = 16;

/** What a shuffle takes to bring the two upper 32-bit lanes of a vector down. */
export const UPPER_LANES: readonly number[] = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15];

const [FUNCTION, VECTOR] = [0x60, 0xfd];
const [OF_FUNCTION, OF_MEMORY] = [0x00, 0x02];
const PAGE_BYTES = 1 << 16;

export interface WasmFunction {
  readonly name: string;
  readonly takes: readonly number[];
  readonly gives?: number;
  /** Types of locals beyond what it takes; zero at first. */
  readonly locals?: readonly number[];
  /** Instructions, without the last `end`. */
  readonly body: readonly number[];
}

/** A vector operation with its immediate bytes. */
export function vector(operation: number, ...immediate: readonly number[]): number[] {
  return [VECTOR, ...unsigned(operation), ...immediate];
}

/** The immediate of a load or store of a vector that begins at a multiple of its length. */
export function place(offsetBytes: number): number[] {
  const alignment = 4;
  return [alignment, ...unsigned(offsetBytes)];
}

/** An instance with a memory of at least so many bytes, all zero, which never grows. */
export function instantiate<Exports>(functions: readonly WasmFunction[], memoryBytes: number): Exports & WasmMemory {
  return new WebAssembly.Instance(compiled(functions, Math.ceil(memoryBytes / PAGE_BYTES))).exports as Exports &
    WasmMemory;
}

const modules = new WeakMap<readonly WasmFunction[], Map<number, object>>();

/** Once for each list of functions and size. */
function compiled(functions: readonly WasmFunction[], pages: number): object {
  const ofSizes = modules.get(functions) ?? new Map<number, object>();
  modules.set(functions, ofSizes);
  const module = ofSizes.get(pages) ?? new WebAssembly.Module(moduleBytes(functions, pages));
  ofSizes.set(pages, module);
  return module;
}

export interface WasmMemory {
  readonly memory: { readonly buffer: ArrayBuffer };
}

/** What this file uses of the WebAssembly JavaScript interface, which the types of Node do not declare. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
};

function moduleBytes(functions: readonly WasmFunction[], pages: number): Uint8Array {
  const exported = (name: string, kind: number, index: number) => [name.length, ...Buffer.from(name), kind, index];
  const types = functions.map(({ takes, gives }) => [
    ...[FUNCTION, takes.length, ...takes],
    ...(gives === undefined ? [0] : [1, gives]),
  ]);
  const codes = functions.map(({ locals = [], body }) => {
    const declared = locals.flatMap((type) => [1, type]);
    return sized([locals.length, ...declared, ...body, OP.end]);
  });
  return Uint8Array.from([
    ...[0x00, ...Buffer.from("asm"), 1, 0, 0, 0],
    ...section(1, types),
    ...section(
      3,
      functions.map((_, i) => [i]),
    ),
    ...section(5, [[0, ...unsigned(pages)]]),
    ...section(7, [
      ...functions.map(({ name }, i) => exported(name, OF_FUNCTION, i)),
      exported("memory", OF_MEMORY, 0),
    ]),
    ...section(10, codes),
  ]);
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

/** A constant from 0 on: LEB128 with a sign bit. */
export function i32Const(value: number): number[] {
  const signed = (rest: number): number[] => (rest < 0x40 ? [rest] : [(rest & 0x7f) | 0x80, ...signed(rest >>> 7)]);
  return [OP.i32Const, ...signed(value)];
}
