/**
 * NIfTI-1 and NIfTI-2 single files in memory: header and voxels to a Volume and back, in both byte orders, with scaling.
 *
 * Voxels that need neither scaling nor swapping are read in place. Scaled 8 and 16 bit integers and float32 become
 * float32, all wider types float64; unscaled 64-bit integers become float64, and are refused beyond 2^53.
 */
import { endianness } from "node:os";
import { ConsiliumError } from "../base/index.ts";
import { gunzipBounded, gunzipStart, isGzip } from "./gzip.ts";
import { encodeNiftiHeader, HEADER_START_BYTES, type NiftiHeader, parseNiftiHeader } from "./nifti-header.ts";
import { INTEGER_RANGES, NIFTI_TYPES, type NiftiType, niftiTypeOf } from "./nifti-types.ts";
import { type Volume, type VoxelArray, voxelCount } from "./volume.ts";

const HOST_IS_LITTLE = endianness() === "LE";

export interface NiftiImage {
  readonly volume: Volume;
  readonly header: NiftiHeader;
}

/**
 * @param bytes a whole file, gzipped or not; the volume may share its memory.
 * @param subject what errors call the file.
 * @throws ConsiliumError `nifti-corrupt`, `nifti-unsupported`, `geometry-invalid`, `limit-exceeded`.
 */
export async function parseNifti(bytes: Uint8Array, subject: string): Promise<NiftiImage> {
  if (!isGzip(bytes)) return parseUncompressed(bytes, subject);
  // The header alone first: a grid that is refused costs no memory.
  const header = parseNiftiHeader(gunzipStart(bytes, HEADER_START_BYTES, subject), subject);
  const expectedBytes = header.voxelOffset + voxelCount(header.dims) * NIFTI_TYPES[header.type].bytes;
  return parseUncompressed(await gunzipBounded(bytes, expectedBytes, subject), subject);
}

function parseUncompressed(bytes: Uint8Array, subject: string): NiftiImage {
  const header = parseNiftiHeader(bytes, subject);
  const { dims, type, voxelOffset, affineVoxelToRas } = header;
  const voxelBytes = voxelCount(dims) * NIFTI_TYPES[type].bytes;
  if (bytes.length < voxelOffset + voxelBytes) {
    throw new ConsiliumError("nifti-corrupt", {
      subject,
      expected: `${voxelBytes} bytes of voxels (${dims.join(" x ")} of ${type}) from byte ${voxelOffset}`,
      actual: `a file that ends at byte ${bytes.length}`,
      hint: "The file was cut short: copy or export it again.",
    });
  }
  const stored = storedVoxels(bytes.subarray(voxelOffset, voxelOffset + voxelBytes), header, subject);
  return { volume: { dims, data: scaled(stored, header), affineVoxelToRas }, header };
}

function storedVoxels(bytes: Uint8Array, { type, littleEndian }: NiftiHeader, subject: string): VoxelArray {
  const width = NIFTI_TYPES[type].bytes;
  let native = bytes;
  if (width > 1 && littleEndian !== HOST_IS_LITTLE) native = swapped(bytes, width);
  else if (bytes.byteOffset % width !== 0) native = copyOf(bytes);
  const { buffer, byteOffset } = native;
  const count = bytes.length / width;
  switch (type) {
    case "uint8":
      return new Uint8Array(buffer, byteOffset, count);
    case "int8":
      return new Int8Array(buffer, byteOffset, count);
    case "uint16":
      return new Uint16Array(buffer, byteOffset, count);
    case "int16":
      return new Int16Array(buffer, byteOffset, count);
    case "uint32":
      return new Uint32Array(buffer, byteOffset, count);
    case "int32":
      return new Int32Array(buffer, byteOffset, count);
    case "float32":
      return new Float32Array(buffer, byteOffset, count);
    case "float64":
      return new Float64Array(buffer, byteOffset, count);
    case "uint64":
      return fromBigInts(new BigUint64Array(buffer, byteOffset, count), subject);
    case "int64":
      return fromBigInts(new BigInt64Array(buffer, byteOffset, count), subject);
    default:
      return type satisfies never;
  }
}

/** Not `slice`, which for a Buffer is a view of the same memory, at any alignment. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function swapped(bytes: Uint8Array, width: number): Uint8Array {
  const copy = Buffer.from(copyOf(bytes).buffer);
  if (width === 2) return copy.swap16();
  return width === 4 ? copy.swap32() : copy.swap64();
}

function fromBigInts(values: BigUint64Array | BigInt64Array, subject: string): Float64Array {
  const result = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = Number(values[i]);
    if (!Number.isSafeInteger(value)) {
      throw new ConsiliumError("nifti-unsupported", {
        subject,
        expected: "64-bit integers of at most 2^53 in magnitude",
        actual: String(values[i]),
        hint: "Store the image in a smaller type, or as float64.",
      });
    }
    result[i] = value;
  }
  return result;
}

function scaled(stored: VoxelArray, { type, slope, intercept }: NiftiHeader): VoxelArray {
  if (slope === 1 && intercept === 0) return stored;
  const wide = type === "float64" || type === "int32" || type === "uint32" || type === "int64" || type === "uint64";
  const result = wide ? new Float64Array(stored.length) : new Float32Array(stored.length);
  for (let i = 0; i < stored.length; i++) result[i] = slope * stored[i] + intercept;
  return result;
}

export interface NiftiOptions {
  /** Type on disk; absent: the array's own. Integer types take values / slope rounded to the nearest, ties to even. */
  readonly type?: NiftiType;
  /** Absent: little endian, as every machine in use writes. */
  readonly littleEndian?: boolean;
  /** Stored = (value - intercept) / slope. Absent: 1 and 0. */
  readonly slope?: number;
  readonly intercept?: number;
  /** sform_code and qform_code; absent: 1, scanner coordinates. */
  readonly spaceCode?: number;
}

/**
 * A whole .nii file, not compressed: NIfTI-1, or NIfTI-2 where an axis is longer than NIfTI-1 can say.
 * @throws ConsiliumError `intensity-invalid` for a value that the type cannot hold, `geometry-invalid` for a grid
 *   that is not the data's.
 */
export function encodeNifti(volume: Volume, options: NiftiOptions = {}): Uint8Array {
  const { dims, data, affineVoxelToRas } = volume;
  const { type = niftiTypeOf(data), littleEndian = true, slope = 1, intercept = 0, spaceCode = 1 } = options;
  if (dims.some((size) => size < 1 || !Number.isInteger(size)) || voxelCount(dims) !== data.length) {
    throw new ConsiliumError("geometry-invalid", {
      subject: "volume to write",
      expected: `at least one voxel along every axis, ${data.length} in all`,
      actual: dims.join(" x "),
      hint: "Give as many values as the grid has voxels.",
    });
  }
  const header = encodeNiftiHeader({ littleEndian, type, dims, affineVoxelToRas, slope, intercept, spaceCode });
  const width = NIFTI_TYPES[type].bytes;
  const file = new Uint8Array(header.length + data.length * width);
  file.set(header);
  const values = valuesToStore(data, type, slope, intercept);
  const body = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  file.set(width > 1 && littleEndian !== HOST_IS_LITTLE ? swapped(body, width) : body, header.length);
  return file;
}

type StoredArray = VoxelArray | BigInt64Array | BigUint64Array;

function valuesToStore(data: VoxelArray, type: NiftiType, slope: number, intercept: number): StoredArray {
  if (type === niftiTypeOf(data) && slope === 1 && intercept === 0) return data;
  const range = INTEGER_RANGES[type];
  const stored = Float64Array.from(data, (value) => (value - intercept) / slope);
  if (range !== undefined) {
    for (let i = 0; i < stored.length; i++) {
      const whole = roundHalfEven(stored[i]);
      if (!(whole >= range[0] && whole <= range[1])) throw outOfRange(data[i], type);
      stored[i] = whole;
    }
  }
  return asType(stored, type);
}

function outOfRange(value: number, type: NiftiType): ConsiliumError {
  return new ConsiliumError("intensity-invalid", {
    subject: "volume to write",
    expected: `values that ${type} can hold`,
    actual: String(value),
    hint: "Choose a wider type, or a slope and intercept.",
  });
}

function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

function asType(values: Float64Array, type: NiftiType): StoredArray {
  switch (type) {
    case "uint8":
      return Uint8Array.from(values);
    case "int8":
      return Int8Array.from(values);
    case "uint16":
      return Uint16Array.from(values);
    case "int16":
      return Int16Array.from(values);
    case "uint32":
      return Uint32Array.from(values);
    case "int32":
      return Int32Array.from(values);
    case "float32":
      return Float32Array.from(values);
    case "float64":
      return values;
    case "uint64":
      return BigUint64Array.from(Array.from(values, BigInt));
    case "int64":
      return BigInt64Array.from(Array.from(values, BigInt));
    default:
      return type satisfies never;
  }
}
