/** What a gradient rule is given, and the small emissions that many rules share. */
import { ConsiliumError } from "../base/index.ts";
import {
  type Attributes,
  attr,
  describeNode,
  elementCount,
  type Facts,
  type GraphBuilder,
  type GraphNode,
  type OpType,
} from "../graph/index.ts";
import type { Lowerings } from "./lowering-table.ts";

export interface GradientContext {
  readonly builder: GraphBuilder;
  readonly node: GraphNode;
  /** The loss's gradient by each output; undefined where the loss does not depend on it. */
  readonly outputGradients: readonly (string | undefined)[];
  /** How gradients of convolutions are lowered. */
  readonly lowerings: Lowerings;
  /** Whether the gradient by this input is asked for. */
  needs(input: number): boolean;
}

/** Names of the gradients by each input; undefined where none is needed or there is none. */
export type GradientRule = (context: GradientContext) => readonly (string | undefined)[];

/** The gradient by the first output, which exists whenever a rule of a one-output operator runs. */
export function onlyGradient({ outputGradients, node }: GradientContext): string {
  const gradient = outputGradients[0];
  if (gradient !== undefined) return gradient;
  throw unsupportedGradient(node, "a loss that depends on the first output", "one that depends on another output");
}

export function unsupportedGradient(node: GraphNode, expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("gradient-unsupported", {
    subject: `${describeNode(node)}, needed for ${node.outputs.join(", ")}`,
    expected,
    actual,
    hint: "Export the network without it, or freeze the parameters before it.",
  });
}

/** What is known of the node's inputs. */
export function factsOf({ builder, node }: GradientContext): Facts {
  return node.inputs.map((name) => (name === "" ? undefined : builder.fact(name)));
}

/** Sums a gradient over the axes along which its operand was broadcast, so that it has the operand's shape. */
export function sumToShape(builder: GraphBuilder, gradient: string, shape: readonly number[]): string {
  const from = builder.shape(gradient);
  if (from.join() === shape.join()) return gradient;
  const lead = from.length - shape.length;
  const axes = from.flatMap((size, axis) => (axis < lead || (shape[axis - lead] === 1 && size !== 1) ? [axis] : []));
  const summed = axes.length === 0 ? gradient : reduce(builder, "ReduceSum", gradient, axes);
  return reshape(builder, summed, shape);
}

export function reshape(builder: GraphBuilder, value: string, shape: readonly number[]): string {
  if (builder.shape(value).join() === shape.join()) return value;
  return builder.emit("Reshape", [value, builder.ints(shape)]);
}

/** Reductions keep their axes; ReduceMean and ReduceMax take theirs as an attribute before operator set 18. */
export function reduce(
  builder: GraphBuilder,
  opType: "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceProd",
  value: string,
  axes: readonly number[],
): string {
  const keepdims: Attributes = { keepdims: attr.int(1) };
  if (opType === "ReduceSum" || builder.opset >= 18) return builder.emit(opType, [value, builder.ints(axes)], keepdims);
  return builder.emit(opType, [value], { ...keepdims, axes: attr.ints(axes) });
}

export function transpose(builder: GraphBuilder, value: string, perm: readonly number[]): string {
  return builder.emit("Transpose", [value], { perm: attr.ints(perm) });
}

export function concat(builder: GraphBuilder, values: readonly string[], axis: number): string {
  return values.length === 1 ? values[0] : builder.emit("Concat", values, { axis: attr.int(axis) });
}

/** x[..., start : start + length * step : step, ...] on some axes. */
export function slice(
  builder: GraphBuilder,
  value: string,
  axes: readonly number[],
  starts: readonly number[],
  ends: readonly number[],
  steps?: readonly number[],
): string {
  const inputs = [value, builder.ints(starts), builder.ints(ends), builder.ints(axes)];
  return builder.emit("Slice", steps === undefined ? inputs : [...inputs, builder.ints(steps)]);
}

/** Zeros before and after; negative amounts are refused by the caller. */
export function padZeros(
  builder: GraphBuilder,
  value: string,
  begin: readonly number[],
  end: readonly number[],
): string {
  if (begin.every((n) => n === 0) && end.every((n) => n === 0)) return value;
  return builder.emit("Pad", [value, builder.ints([...begin, ...end])]);
}

export function zeros(builder: GraphBuilder, shape: readonly number[]): string {
  return builder.emit("Expand", [builder.scalar(0), builder.ints(shape)]);
}

/** Emits `opType(value, scalar)`. */
export function withScalar(builder: GraphBuilder, opType: OpType, value: string, scalar: number): string {
  return builder.emit(opType, [value, builder.scalar(scalar)]);
}

export function spatialAxes(rank: number): number[] {
  return Array.from({ length: rank - 2 }, (_, i) => i + 2);
}

export function spatialSize(shape: readonly number[]): number {
  return elementCount(shape.slice(2));
}

/** Sum over voxels, [N, C, 1, ...]: axis by axis, so that rounding grows with the sides of the volume and not with its voxels. */
export function voxelSum(b: GraphBuilder, value: string): string {
  return spatialAxes(b.shape(value).length).reduceRight((sum, axis) => reduce(b, "ReduceSum", sum, [axis]), value);
}

/** -1, 0 or 1. */
export function signOf(b: GraphBuilder, value: string): string {
  return b.emit("Sign", [value]);
}
