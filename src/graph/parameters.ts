/**
 * A model's parameters: one contiguous Float32Array with named views, so that hashing, chunking, quantising and
 * masking are one pass over memory. On disk they are safetensors (names sorted, float32, no metadata), whose
 * SHA-256 is the model's identity.
 */
import { ConsiliumError, sha256 } from "../base/index.ts";

export interface ParameterEntry {
  readonly name: string;
  readonly shape: readonly number[];
  /** In elements, from the start of the data. */
  readonly offset: number;
  readonly length: number;
  /** Moved by the network's own forward pass and by no gradient: a norm's running statistics. */
  readonly buffer?: true;
}

/** Entries sorted by name (UTF-16 code units), back to back from offset 0. */
export interface ParameterLayout {
  readonly entries: readonly ParameterEntry[];
  /** Elements in all. */
  readonly length: number;
}

export interface Parameters {
  readonly layout: ParameterLayout;
  /** Owned by this record; length `layout.length`. */
  readonly data: Float32Array;
}

/** @param buffers names of those that no gradient moves. */
export function parameterLayout(
  shapes: ReadonlyMap<string, readonly number[]>,
  buffers: ReadonlySet<string> = new Set(),
): ParameterLayout {
  let offset = 0;
  const entries = [...shapes.keys()].sort().map((name) => {
    const shape = shapes.get(name) ?? [];
    const length = shape.reduce((product, dim) => product * dim, 1);
    const entry: ParameterEntry = { name, shape, offset, length, ...(buffers.has(name) && { buffer: true }) };
    offset += length;
    return entry;
  });
  return { entries, length: offset };
}

/** A view of one parameter; writing to it writes to the parameters. */
export function parameterView(parameters: Parameters, entry: ParameterEntry): Float32Array {
  return parameters.data.subarray(entry.offset, entry.offset + entry.length);
}

/** The values of a vector's buffers one after another, in the layout's order; copied. */
export function bufferValues({ entries }: ParameterLayout, data: Float32Array): Float32Array {
  const buffers = entries.filter(({ buffer }) => buffer);
  return Float32Array.from(buffers.flatMap(({ offset, length }) => [...data.subarray(offset, offset + length)]));
}

/** Writes such values over a vector's buffers. @throws ConsiliumError `tensors-corrupt` where there are not as many. */
export function setBufferValues({ entries }: ParameterLayout, data: Float32Array, values: Float32Array): void {
  let from = 0;
  for (const { buffer, offset, length } of entries) {
    if (!buffer) continue;
    data.set(values.subarray(from, from + length), offset);
    from += length;
  }
  if (from !== values.length) throw corrupt("running statistics", `${from} numbers`, String(values.length));
}

export function sameLayout(a: ParameterLayout, b: ParameterLayout): boolean {
  if (a.entries.length !== b.entries.length) return false;
  return a.entries.every((entry, i) => {
    const other = b.entries[i];
    return entry.name === other.name && entry.shape.join() === other.shape.join();
  });
}

/**
 * Those of a layout, taken by name from parameters that may hold more.
 * @throws ConsiliumError `tensor-missing` where one is not there in its shape.
 */
export function pickParameters(from: Parameters, layout: ParameterLayout): Parameters {
  if (sameLayout(from.layout, layout)) return { layout, data: from.data };
  const byName = new Map(from.layout.entries.map((entry) => [entry.name, entry]));
  const picked: Parameters = { layout, data: new Float32Array(layout.length) };
  for (const entry of layout.entries) {
    const source = byName.get(entry.name);
    if (source === undefined || source.shape.join() !== entry.shape.join()) {
      throw new ConsiliumError("tensor-missing", {
        subject: `parameter ${entry.name} of [${entry.shape.join(", ")}]`,
        expected: "a tensor of that name and shape among the weights",
        actual: source === undefined ? "none" : `[${source.shape.join(", ")}]`,
        hint: "The weights belong to another network.",
      });
    }
    parameterView(picked, entry).set(parameterView(from, source));
  }
  return picked;
}

/** Little-endian safetensors bytes: 8-byte header length, JSON header padded with blanks to 8, then the data. */
export function parametersToSafetensors(parameters: Parameters): Uint8Array {
  const header: Record<string, { dtype: "F32"; shape: readonly number[]; data_offsets: [number, number] }> = {};
  for (const { name, shape, offset, length } of parameters.layout.entries) {
    header[name] = { dtype: "F32", shape, data_offsets: [4 * offset, 4 * (offset + length)] };
  }
  const json = JSON.stringify(header);
  const text = Buffer.from(json + " ".repeat((8 - (Buffer.byteLength(json) % 8)) % 8));
  const { data } = parameters;
  const bytes = new Uint8Array(8 + text.length + data.byteLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 8 + text.length);
  return bytes;
}

/** The SHA-256 of the safetensors bytes: `modelSha256` everywhere. */
export function parametersSha256(parameters: Parameters): string {
  return sha256(parametersToSafetensors(parameters));
}

/**
 * The parameters of a safetensors file. The bytes belong to the result from then on: as `parametersToSafetensors` writes
 * them they lie as the data must, and the data is a view of them. Of any other file's it is a copy.
 * @throws ConsiliumError `tensors-corrupt`
 */
export function parametersFromSafetensors(bytes: Uint8Array, subject: string): Parameters {
  const tensors = readSafetensors(bytes, subject);
  const shapes = new Map<string, readonly number[]>();
  for (const [name, tensor] of tensors) {
    if (tensor.dtype !== "F32") throw corrupt(subject, "float32 tensors", `${name} of ${tensor.dtype}`);
    shapes.set(name, tensor.shape);
  }
  const layout = parameterLayout(shapes);
  return { layout, data: viewInOrder(layout, tensors) ?? copied(layout, tensors) };
}

/** The tensors where they lie, if that is back to back in the layout's order and where float32 may be read. */
function viewInOrder({ entries, length }: ParameterLayout, tensors: Tensors): Float32Array | undefined {
  const first = tensors.get(entries[0]?.name)?.bytes;
  if (first === undefined || first.byteOffset % Float32Array.BYTES_PER_ELEMENT !== 0) return undefined;
  const isInOrder = entries.every(
    ({ name, offset }) => tensors.get(name)?.bytes.byteOffset === first.byteOffset + 4 * offset,
  );
  return isInOrder ? new Float32Array(first.buffer, first.byteOffset, length) : undefined;
}

function copied(layout: ParameterLayout, tensors: Tensors): Float32Array {
  const data = new Float32Array(layout.length);
  for (const entry of layout.entries) {
    const source = tensors.get(entry.name)?.bytes ?? new Uint8Array();
    new Uint8Array(data.buffer, 4 * entry.offset, 4 * entry.length).set(source);
  }
  return data;
}

type Tensors = ReadonlyMap<string, StoredTensor>;

export interface StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** A view into the file's bytes. */
  readonly bytes: Uint8Array;
}

const BYTES_PER_ELEMENT: Readonly<Record<string, number>> = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

/**
 * Reads any safetensors file (https://huggingface.co/docs/safetensors, "Format").
 * @throws ConsiliumError `tensors-corrupt` for a header that does not fit the file.
 */
export function readSafetensors(bytes: Uint8Array, subject: string): Map<string, StoredTensor> {
  if (bytes.length < 8) throw corrupt(subject, "at least 8 bytes", `${bytes.length} bytes`);
  const headerBytes = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  if (headerBytes > bytes.length - 8) throw corrupt(subject, "a header within the file", `one of ${headerBytes} bytes`);
  let header: unknown;
  try {
    header = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + 8, headerBytes).toString("utf8"));
  } catch {
    throw corrupt(subject, "a JSON header", "something else");
  }
  if (typeof header !== "object" || header === null) throw corrupt(subject, "a JSON object", typeof header);
  const body = new Uint8Array(bytes.buffer, bytes.byteOffset + 8 + headerBytes, bytes.length - 8 - headerBytes);
  const tensors = new Map<string, StoredTensor>();
  for (const [name, value] of Object.entries(header)) {
    if (name !== "__metadata__") tensors.set(name, storedTensor(name, value, body, subject));
  }
  return tensors;
}

function storedTensor(name: string, value: unknown, body: Uint8Array, subject: string): StoredTensor {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  const whole = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
  if (typeof dtype !== "string" || !Array.isArray(shape) || !shape.every(whole)) {
    throw corrupt(subject, `a dtype and a shape for ${name}`, JSON.stringify(value)?.slice(0, 80) ?? "nothing");
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(whole)) {
    throw corrupt(subject, `two offsets for ${name}`, JSON.stringify(offsets) ?? "nothing");
  }
  const [start, end] = offsets as [number, number];
  const size = (BYTES_PER_ELEMENT[dtype] ?? Number.NaN) * shape.reduce((product, dim) => product * dim, 1);
  if (end - start !== size || end > body.length) {
    throw corrupt(subject, `${size} bytes for ${name}`, `offsets ${start} to ${end} of ${body.length}`);
  }
  return { dtype, shape, bytes: body.subarray(start, end) };
}

function corrupt(subject: string, expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("tensors-corrupt", {
    subject,
    expected,
    actual,
    hint: "The file is damaged or not safetensors: fetch or export it again.",
  });
}
