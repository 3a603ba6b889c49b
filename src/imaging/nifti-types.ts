/**
 * NIfTI-1 voxel types (field `datatype`, nifti1.h): code, bits, and how each is held here. 64-bit integers are held
 * as doubles, exact to 2^53; complex, colour, 128-bit and 1-bit types are known by name only, to refuse them.
 */
import type { VoxelArray } from "./volume.ts";

export const NIFTI_TYPES = {
  uint8: { code: 2, bytes: 1 },
  int16: { code: 4, bytes: 2 },
  int32: { code: 8, bytes: 4 },
  float32: { code: 16, bytes: 4 },
  float64: { code: 64, bytes: 8 },
  int8: { code: 256, bytes: 1 },
  uint16: { code: 512, bytes: 2 },
  uint32: { code: 768, bytes: 4 },
  int64: { code: 1024, bytes: 8 },
  uint64: { code: 1280, bytes: 8 },
} as const satisfies Record<string, { code: number; bytes: number }>;

export type NiftiType = keyof typeof NIFTI_TYPES;

const REFUSED_TYPES: Readonly<Record<number, string>> = {
  0: "unknown",
  1: "binary (1 bit)",
  32: "complex64",
  128: "RGB24",
  1536: "float128",
  1792: "complex128",
  2048: "complex256",
  2304: "RGBA32",
};

export function niftiTypeOfCode(code: number): NiftiType | undefined {
  return (Object.keys(NIFTI_TYPES) as NiftiType[]).find((type) => NIFTI_TYPES[type].code === code);
}

/** For messages: the name of a type that is not read, or its bare code. */
export function nameOfRefusedType(code: number): string {
  return `${REFUSED_TYPES[code] ?? "an unlisted type"} (datatype ${code})`;
}

export const INTEGER_RANGES: Partial<Record<NiftiType, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
  uint32: [0, 4294967295],
  int32: [-2147483648, 2147483647],
  uint64: [0, Number.MAX_SAFE_INTEGER],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};

/** The NIfTI type that stores an array's values as they are. */
export function niftiTypeOf(data: VoxelArray): NiftiType {
  if (data instanceof Uint8Array) return "uint8";
  if (data instanceof Int8Array) return "int8";
  if (data instanceof Int16Array) return "int16";
  if (data instanceof Uint16Array) return "uint16";
  if (data instanceof Int32Array) return "int32";
  if (data instanceof Uint32Array) return "uint32";
  return data instanceof Float32Array ? "float32" : "float64";
}
