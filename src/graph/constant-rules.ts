/**
 * Arithmetic on values that are known before the graph runs: the Shape, Gather, Concat and Mul chains that exporters
 * leave around Reshape, Resize and Slice. Small tensors only; weights stay where they are.
 */
import { type GraphNode, intAttribute } from "./graph.ts";
import type { OpType } from "./op-types.ts";
import { broadcastShapes, type Fact, permutationOf, sliceRanges } from "./shape-rules.ts";
import { elementCount, type Tensor, tensorOf, tensorValues } from "./tensor.ts";

/** Results as plain numbers, in the shape and type that the operator's shape rule says. */
type ConstantRule = (node: GraphNode, inputs: readonly (Fact | undefined)[], out: Fact) => number[];

/** Values beyond this size are left to the graph. */
const FOLDED_ELEMENTS = 65_536;

const CONSTANT_RULES: Readonly<Partial<Record<OpType, ConstantRule>>> = {
  Add: elementwise((a, b) => a + b),
  Cast: (_, inputs, out) => {
    const values = valuesOf(inputs[0]);
    if (out.dtype === "bool") return values.map((v) => (v === 0 ? 0 : 1));
    return out.dtype.startsWith("float") ? values : values.map(Math.trunc);
  },
  Ceil: (_, inputs) => valuesOf(inputs[0]).map(Math.ceil),
  Concat: (node, inputs, out) => {
    const axis = intAttribute(node, "axis", 0);
    const before = out.shape.slice(0, axis < 0 ? axis + out.shape.length : axis);
    const rows = elementCount(before);
    return Array.from({ length: rows }, (_, row) =>
      inputs.flatMap((fact) => {
        const values = valuesOf(fact);
        const width = values.length / rows;
        return values.slice(row * width, (row + 1) * width);
      }),
    ).flat();
  },
  ConstantOfShape: (node, _, out) => {
    const value = node.attributes.value;
    const fill = value?.kind === "tensor" ? tensorValues(value.value)[0] : 0;
    return new Array<number>(elementCount(out.shape)).fill(fill);
  },
  Div: (node, inputs, out) => {
    const quotient = elementwise((a, b) => a / b)(node, inputs, out);
    return out.dtype.startsWith("float") ? quotient : quotient.map(Math.trunc);
  },
  Equal: elementwise((a, b) => Number(a === b)),
  Expand: (_, inputs, out) => broadcastValues(valuesOf(inputs[0]), inputs[0]?.shape ?? [], out.shape),
  Flatten: (_, inputs) => valuesOf(inputs[0]),
  Floor: (_, inputs) => valuesOf(inputs[0]).map(Math.floor),
  Gather: (node, inputs) => {
    const shape = inputs[0]?.shape ?? [];
    const axis = (intAttribute(node, "axis", 0) + shape.length) % shape.length;
    const [outer, size, inner] = [elementCount(shape.slice(0, axis)), shape[axis], elementCount(shape.slice(axis + 1))];
    const values = valuesOf(inputs[0]);
    const picked = valuesOf(inputs[1]).map((index) => (index < 0 ? index + size : index));
    return Array.from({ length: outer }, (_, o) =>
      picked.flatMap((index) => values.slice((o * size + index) * inner, (o * size + index + 1) * inner)),
    ).flat();
  },
  Greater: elementwise((a, b) => Number(a > b)),
  Identity: (_, inputs) => valuesOf(inputs[0]),
  Less: elementwise((a, b) => Number(a < b)),
  Max: elementwise(Math.max),
  Min: elementwise(Math.min),
  Mul: elementwise((a, b) => a * b),
  Neg: (_, inputs) => valuesOf(inputs[0]).map((v) => -v),
  Range: (_, inputs, out) => {
    const [start, , delta] = inputs.map((fact) => valuesOf(fact)[0]);
    return Array.from({ length: out.shape[0] }, (_unused, i) => start + i * delta);
  },
  Reshape: (_, inputs) => valuesOf(inputs[0]),
  Slice: (node, inputs) => {
    const shape = inputs[0]?.shape ?? [];
    const ranges = sliceRanges(node, inputs, shape);
    const values = valuesOf(inputs[0]);
    let offsets = [0];
    shape.forEach((_, axis) => {
      const inner = elementCount(shape.slice(axis + 1));
      const { start, step, length } = ranges[axis];
      offsets = offsets.flatMap((o) => Array.from({ length }, (_unused, i) => o + (start + i * step) * inner));
    });
    return offsets.map((o) => values[o]);
  },
  Sqrt: (_, inputs) => valuesOf(inputs[0]).map(Math.sqrt),
  Squeeze: (_, inputs) => valuesOf(inputs[0]),
  Sub: elementwise((a, b) => a - b),
  Transpose: (node, inputs, out) => {
    const shape = inputs[0]?.shape ?? [];
    const permutation = permutationOf(node, shape.length);
    const strides = shape.map((_, axis) => elementCount(shape.slice(axis + 1)));
    const values = valuesOf(inputs[0]);
    let offsets = [0];
    out.shape.forEach((size, i) => {
      const stride = strides[permutation[i]];
      offsets = offsets.flatMap((o) => Array.from({ length: size }, (_unused, j) => o + j * stride));
    });
    return offsets.map((o) => values[o]);
  },
  Unsqueeze: (_, inputs) => valuesOf(inputs[0]),
  Where: (_, inputs, out) => {
    const [condition, yes, no] = inputs.map((fact) => broadcastValues(valuesOf(fact), fact?.shape ?? [], out.shape));
    return condition.map((c, i) => (c ? yes[i] : no[i]));
  },
};

/** The node's value where all of its inputs are known and it is small; undefined where it has to run. */
export function foldConstant(node: GraphNode, inputs: readonly (Fact | undefined)[], out: Fact): Tensor | undefined {
  if (out.value !== undefined) return out.value;
  const rule = CONSTANT_RULES[node.opType];
  if (rule === undefined || elementCount(out.shape) > FOLDED_ELEMENTS) return undefined;
  const allKnown = inputs.every((fact, i) => node.inputs[i] === "" || fact?.value !== undefined);
  const small = inputs.every((fact) => fact === undefined || elementCount(fact.shape) <= FOLDED_ELEMENTS);
  return allKnown && small ? tensorOf(out.dtype, out.shape, rule(node, inputs, out)) : undefined;
}

function valuesOf(fact: Fact | undefined): number[] {
  return fact?.value === undefined ? [] : tensorValues(fact.value);
}

function elementwise(compute: (a: number, b: number) => number): ConstantRule {
  return (node, inputs) => {
    const shape = broadcastShapes(
      node,
      inputs.map((fact) => fact?.shape ?? []),
    );
    const columns = inputs.map((fact) => broadcastValues(valuesOf(fact), fact?.shape ?? [], shape));
    return columns.reduce((total, column) => total.map((v, i) => compute(v, column[i])));
  };
}

function broadcastValues(values: readonly number[], from: readonly number[], to: readonly number[]): number[] {
  let offsets = [0];
  to.forEach((size, axis) => {
    const own = axis - to.length + from.length;
    const stride = own >= 0 && from[own] !== 1 ? elementCount(from.slice(own + 1)) : 0;
    offsets = offsets.flatMap((o) => Array.from({ length: size }, (_, i) => o + i * stride));
  });
  return offsets.map((o) => values[o]);
}
