/** Tensors that are known when a graph is built: weights, constants and the small arithmetic on shapes. */
import { invariant } from "../base/index.ts";

export type DataType = "float32" | "float64" | "int32" | "int64" | "bool" | "uint8" | "int8";

export interface TensorDataByType {
  readonly float32: Float32Array;
  readonly float64: Float64Array;
  readonly int32: Int32Array;
  readonly int64: BigInt64Array;
  /** 0 or 1. */
  readonly bool: Uint8Array;
  readonly uint8: Uint8Array;
  readonly int8: Int8Array;
}

export interface Tensor<T extends DataType = DataType> {
  readonly dtype: T;
  readonly shape: readonly number[];
  /** Row-major; owned by the graph that holds the tensor. */
  readonly data: TensorDataByType[T];
}

export const ARRAY_BY_TYPE = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  uint8: Uint8Array,
  int8: Int8Array,
} as const;

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

export function float32Tensor(shape: readonly number[], values: Iterable<number> | Float32Array): Tensor<"float32"> {
  const data = values instanceof Float32Array ? values : Float32Array.from(values);
  invariant(data.length === elementCount(shape), `as many values as the shape [${shape.join(", ")}] holds`);
  return { dtype: "float32", shape, data };
}

export function int64Tensor(shape: readonly number[], values: readonly number[]): Tensor<"int64"> {
  invariant(values.length === elementCount(shape), `as many values as the shape [${shape.join(", ")}] holds`);
  return { dtype: "int64", shape, data: BigInt64Array.from(values, toInt64) };
}

/** Exporters write "to the end" as the largest integer, which a double can only round up to 2^63. */
function toInt64(value: number): bigint {
  if (value >= 2 ** 63) return 2n ** 63n - 1n;
  return value < -(2 ** 63) ? -(2n ** 63n) : BigInt(value);
}

/** A tensor from plain numbers; booleans are 0 and 1. */
export function tensorOf(dtype: DataType, shape: readonly number[], values: readonly number[]): Tensor {
  if (dtype === "int64") return int64Tensor(shape, values);
  return { dtype, shape, data: ARRAY_BY_TYPE[dtype].from(values) } as Tensor;
}

/** The values as plain numbers; int64 beyond 2^53 loses precision, which shapes never reach. */
export function tensorValues(tensor: Tensor): number[] {
  return Array.from(tensor.data as Iterable<number | bigint>, Number);
}
