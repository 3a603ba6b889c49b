/**
 * Arithmetic on values that are known before the graph runs: the Shape, Gather, Concat and Mul chains that exporters
 * leave around Reshape, Resize and Slice. Small tensors only; weights stay where they are.
 */
import { type GraphNode, intAttribute, stringAttribute } from "./graph.ts";
import {
  axisOf,
  broadcastShapes,
  type Fact,
  type Facts,
  permutationOf,
  reducedAxes,
  sliceRanges,
} from "./node-readings.ts";
import type { OpType } from "./op-types.ts";
import { elementCount, type Tensor, tensorOf, tensorValues } from "./tensor.ts";

/** Results as plain numbers, in the shape and type that the operator's shape rule says. */
type ConstantRule = (node: GraphNode, inputs: Facts, out: Fact) => number[];

/** Values beyond this size are left to the graph. */
const FOLDED_ELEMENTS = 65_536;

const CONSTANT_RULES: Readonly<Partial<Record<OpType, ConstantRule>>> = {
  Abs: each(Math.abs),
  Add: elementwise((a, b) => a + b),
  And: elementwise((a, b) => a & b),
  Cast: cast,
  CastLike: cast,
  Ceil: each(Math.ceil),
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
  Cos: each(Math.cos),
  Div: (node, inputs, out) => {
    const quotient = elementwise((a, b) => a / b)(node, inputs, out);
    return out.dtype.startsWith("float") ? quotient : quotient.map(Math.trunc);
  },
  Equal: elementwise((a, b) => Number(a === b)),
  Exp: each(Math.exp),
  Expand: (_, inputs, out) => broadcastValues(valuesOf(inputs[0]), inputs[0]?.shape ?? [], out.shape),
  Flatten: each((v) => v),
  Floor: each(Math.floor),
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
  GatherElements: (node, inputs, out) => {
    const shape = inputs[0]?.shape ?? [];
    const axis = axisOf(node, intAttribute(node, "axis", 0), shape.length);
    const [values, picked] = [valuesOf(inputs[0]), valuesOf(inputs[1])];
    return indicesOf(out.shape).map((index, i) => {
      const at = picked[i] < 0 ? picked[i] + shape[axis] : picked[i];
      return values[offsetOf(index.with(axis, at), shape)];
    });
  },
  GatherND: (node, inputs) => {
    const shape = inputs[0]?.shape ?? [];
    const values = valuesOf(inputs[0]);
    const batch = intAttribute(node, "batch_dims", 0);
    return rowsOf(inputs[1]).flatMap(({ row, place }) => {
      const { start, inner } = blockAt([...place.slice(0, batch), ...row], shape);
      return values.slice(start, start + inner);
    });
  },
  Greater: elementwise((a, b) => Number(a > b)),
  GreaterOrEqual: elementwise((a, b) => Number(a >= b)),
  Identity: each((v) => v),
  Less: elementwise((a, b) => Number(a < b)),
  LessOrEqual: elementwise((a, b) => Number(a <= b)),
  Log: each(Math.log),
  Max: elementwise(Math.max),
  Mean: (node, inputs, out) => elementwise((a, b) => a + b)(node, inputs, out).map((v) => v / inputs.length),
  Min: elementwise(Math.min),
  Mod: (node, inputs, out) => {
    const truncated = intAttribute(node, "fmod", 0) === 1;
    return elementwise((a, b) => (truncated ? a % b : a - b * Math.floor(a / b)))(node, inputs, out);
  },
  Mul: elementwise((a, b) => a * b),
  Neg: each((v) => -v),
  Not: each((v) => 1 - v),
  Or: elementwise((a, b) => a | b),
  Pow: elementwise((a, b) => a ** b),
  Range: (_, inputs, out) => {
    const [start, , delta] = inputs.map((fact) => valuesOf(fact)[0]);
    return Array.from({ length: out.shape[0] }, (_unused, i) => start + i * delta);
  },
  Reciprocal: each((v) => 1 / v),
  ReduceMax: reduce((values) => Math.max(...values)),
  ReduceMean: reduce((values) => sum(values) / values.length),
  ReduceMin: reduce((values) => Math.min(...values)),
  ReduceProd: reduce((values) => values.reduce((product, v) => product * v, 1)),
  ReduceSum: reduce(sum),
  Reshape: each((v) => v),
  ScatterND: (_, inputs) => {
    const shape = inputs[0]?.shape ?? [];
    const [values, updates] = [valuesOf(inputs[0]), valuesOf(inputs[2])];
    rowsOf(inputs[1]).forEach(({ row }, i) => {
      const { start, inner } = blockAt(row, shape);
      for (let k = 0; k < inner; k++) values[start + k] = updates[i * inner + k];
    });
    return values;
  },
  Sign: each(Math.sign),
  Sin: each(Math.sin),
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
  Sqrt: each(Math.sqrt),
  Squeeze: each((v) => v),
  Sub: elementwise((a, b) => a - b),
  Sum: elementwise((a, b) => a + b),
  Tile: (_, inputs, out) => {
    const shape = inputs[0]?.shape ?? [];
    const values = valuesOf(inputs[0]);
    return indicesOf(out.shape).map((index) => {
      const within = index.map((at, axis) => at % shape[axis]);
      return values[offsetOf(within, shape)];
    });
  },
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
  Trilu: (node, inputs, out) => {
    const values = valuesOf(inputs[0]);
    const diagonal = inputs[1] === undefined ? 0 : valuesOf(inputs[1])[0];
    const upper = intAttribute(node, "upper", 1) === 1;
    return indicesOf(out.shape).map((index, i) => {
      const [row, column] = index.slice(-2);
      const kept = upper ? column - row >= diagonal : column - row <= diagonal;
      return kept ? values[i] : 0;
    });
  },
  Unsqueeze: each((v) => v),
  Where: (_, inputs, out) => {
    const [condition, yes, no] = inputs.map((fact) => broadcastValues(valuesOf(fact), fact?.shape ?? [], out.shape));
    return condition.map((c, i) => (c ? yes[i] : no[i]));
  },
  Xor: elementwise((a, b) => a ^ b),
};

/** Operators whose value their shape rule tells. */
const TOLD_BY_SHAPES: ReadonlySet<OpType> = new Set(["Constant", "Shape", "Size"]);

/** Whether the product computes the operator itself where its inputs are known. */
export function foldsConstants(opType: OpType): boolean {
  return CONSTANT_RULES[opType] !== undefined || TOLD_BY_SHAPES.has(opType);
}

/** The node's value where all of its inputs are known and it is small; undefined where it has to run. */
export function foldConstant(node: GraphNode, inputs: Facts, out: Fact): Tensor | undefined {
  if (out.value !== undefined) return out.value;
  const rule = CONSTANT_RULES[node.opType];
  if (node.opType === "ScatterND" && stringAttribute(node, "reduction", "none") !== "none") return undefined;
  if (rule === undefined || elementCount(out.shape) > FOLDED_ELEMENTS) return undefined;
  // of its second operand CastLike reads the type alone
  const read = node.opType === "CastLike" ? inputs.slice(0, 1) : inputs;
  const allKnown = read.every((fact, i) => node.inputs[i] === "" || fact?.value !== undefined);
  const small = read.every((fact) => fact === undefined || elementCount(fact.shape) <= FOLDED_ELEMENTS);
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

function each(compute: (value: number) => number): ConstantRule {
  return (_, inputs) => valuesOf(inputs[0]).map(compute);
}

function cast(_: GraphNode, inputs: Facts, out: Fact): number[] {
  const values = valuesOf(inputs[0]);
  if (out.dtype === "bool") return values.map((v) => (v === 0 ? 0 : 1));
  return out.dtype.startsWith("float") ? values : values.map(Math.trunc);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, v) => total + v, 0);
}

function reduce(compute: (values: readonly number[]) => number): ConstantRule {
  return (node, inputs) => {
    const shape = inputs[0]?.shape ?? [];
    const values = valuesOf(inputs[0]);
    const axes = reducedAxes(node, inputs, shape.length);
    const kept = shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
    const groups = Array.from({ length: elementCount(kept) }, (): number[] => []);
    indicesOf(shape).forEach((index, i) => {
      groups[
        offsetOf(
          index.map((at, axis) => (axes.includes(axis) ? 0 : at)),
          kept,
        )
      ].push(values[i]);
    });
    return groups.map(compute);
  };
}

/** Every index of a shape, row-major. */
function indicesOf(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (all, size) => all.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])),
    [[]],
  );
}

function offsetOf(index: readonly number[], shape: readonly number[]): number {
  return index.reduce((offset, at, axis) => offset * shape[axis] + at, 0);
}

/** The index tuples of GatherND and ScatterND, each with its own place among them. */
function rowsOf(indices: Fact | undefined): { row: number[]; place: number[] }[] {
  const shape = indices?.shape ?? [];
  const width = shape[shape.length - 1];
  const values = valuesOf(indices);
  return indicesOf(shape.slice(0, -1)).map((place, i) => ({ row: values.slice(i * width, (i + 1) * width), place }));
}

/** Where the block that leading indices name begins, and its length. */
function blockAt(leading: readonly number[], shape: readonly number[]): { start: number; inner: number } {
  const inner = elementCount(shape.slice(leading.length));
  const positive = leading.map((at, axis) => (at < 0 ? at + shape[axis] : at));
  return { start: offsetOf(positive, shape) * inner, inner };
}
