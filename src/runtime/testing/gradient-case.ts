/** A case of a gradient rule: a small graph around one operator, and the short forms that tables of cases are written in. */
import { type Attributes, attr, float32Tensor, type GraphBuilder, type OpType, tensorOf } from "../../graph/index.ts";

export interface GradientCase {
  /** The operator whose rule is tested. */
  readonly op: OpType;
  /** What sets the case apart from others of the operator. */
  readonly name: string;
  /** Shapes of the values to differentiate by. */
  readonly inputs: readonly (readonly number[])[];
  /** Returns the name of the result; `x` are the inputs' names. */
  readonly build: (b: GraphBuilder, x: readonly string[]) => string;
  /** Maps standard normal values to the operator's domain; the index counts within an input, the input among them. */
  readonly domain?: ((value: number, index: number, input: number) => number) | undefined;
  readonly opset?: number;
  /**
   * At a kink finite differences say nothing: there the gradients of the result's sum at these values are given
   * instead, which are PyTorch's.
   */
  readonly kink?: { readonly at: readonly (readonly number[])[]; readonly gradients: readonly (readonly number[])[] };
}

const inWords = (attributes: Attributes): string =>
  Object.entries(attributes)
    .map(([name, attribute]) => `${name} ${attribute.kind === "tensor" ? "a tensor" : attribute.value.toString()}`)
    .join(", ");

/** One input, one result. */
export function simple(op: OpType, shape: readonly number[] = [2, 3, 4], attributes: Attributes = {}): GradientCase {
  return {
    op,
    name: `[${shape}] ${inWords(attributes)}`.trim(),
    inputs: [shape],
    build: (b, x) => b.emit(op, x, attributes),
  };
}

/** Several inputs in the operator's order. */
export function several(op: OpType, inputs: readonly (readonly number[])[], attributes: Attributes = {}): GradientCase {
  const shapes = inputs.map((shape) => `[${shape}]`).join(" ");
  return { op, name: `${shapes} ${inWords(attributes)}`.trim(), inputs, build: (b, x) => b.emit(op, x, attributes) };
}

/** A first input to differentiate by, and integers that are known. */
export function withInts(
  op: OpType,
  shape: readonly number[],
  ints: readonly (readonly number[])[],
  attributes: Attributes = {},
): GradientCase {
  return {
    op,
    name: `[${shape}] ${ints.map((values) => `(${values})`).join(" ")} ${inWords(attributes)}`.trim(),
    inputs: [shape],
    build: (b, x) => b.emit(op, [x[0], ...ints.map((values) => b.ints(values))], attributes),
  };
}

/** Integers that only the running graph knows. */
export function runtimeInts(
  b: GraphBuilder,
  name: string,
  shape: readonly number[],
  values: readonly number[],
): string {
  return b.emit("Cast", [b.weight(name, float32Tensor(shape, values))], { to: attr.int(7) });
}

export function knownInts(b: GraphBuilder, shape: readonly number[], values: readonly number[]): string {
  return b.constant(tensorOf("int64", shape, values));
}

export const awayFromZero = (v: number): number => v + Math.sign(v) * 0.3;
/** Far apart, so that a finite step crosses no kink. */
export const spread = (v: number): number => 30 * v;
/** Values a whole step apart from each other, in an order that looks random: no two are near. */
export const distinct = (_: number, index: number): number => ((index * 37) % 101) - 50;
export const positive = (v: number): number => 0.5 + Math.abs(v);
