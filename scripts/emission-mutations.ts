/**
 * Changes of one node that leave a graph valid and, where the node does anything, wrong: another operator of the same
 * inputs, or the same operator with its data moved. Each gives the changed node, or undefined where it would change
 * nothing. What keeps types and shapes is left to the numbers to find.
 */
import { type Attributes, attr, type GraphBuilder, type OpType, tensorOf } from "../src/graph/index.ts";

export interface Emission {
  readonly opType: OpType;
  readonly inputs: readonly string[];
  readonly attributes: Attributes;
}

type Mutation = (b: GraphBuilder, emission: Emission) => Emission | undefined;

/** Replacements that any graph accepts in the operator's place. */
const SWAPS: Readonly<Partial<Record<OpType, OpType>>> = {
  Add: "Sub",
  Sub: "Add",
  Mul: "Add",
  Div: "Mul",
  Neg: "Identity",
  Sign: "Identity",
  Exp: "Identity",
  Sqrt: "Identity",
  Reciprocal: "Identity",
  Sigmoid: "Identity",
  Tanh: "Identity",
  Softplus: "Identity",
  Erf: "Identity",
  Abs: "Identity",
  Sin: "Cos",
  Cos: "Sin",
  Log: "Identity",
  Greater: "Less",
  Less: "Greater",
  Min: "Max",
  Max: "Min",
  And: "Or",
  ReduceMean: "ReduceMax",
  ReduceProd: "ReduceMax",
};

/** Constants below this keep a division from zero: a quarter more of them would not be seen. */
const GUARD = 1e-3;
/** Constants above this bring everything to a limit, as any other would. */
const SATURATING = 1e6;

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  "as another operator": (_, emission) => {
    const opType = SWAPS[emission.opType];
    return opType === undefined ? undefined : { ...emission, opType };
  },
  "another constant": anotherConstant,
  "operands exchanged": operandsExchanged,
  "pads exchanged": padsExchanged,
  "other indices": otherIndices,
  "moved by one": movedByOne,
  "not reversed": notReversed,
  "axes exchanged": axesExchanged,
  "nothing summed": nothingSummed,
};

const ARITHMETIC: ReadonlySet<OpType> = new Set(["Add", "Sub", "Mul", "Div", "Pow", "Min", "Max"]);

/** A scalar a quarter larger; one that guards a division by one more; zeros of a choice by a quarter. */
function anotherConstant(b: GraphBuilder, { opType, inputs, attributes }: Emission): Emission | undefined {
  const chosen = opType === "Where";
  if (!chosen && !ARITHMETIC.has(opType)) return undefined;
  const changed = inputs.map((name) => {
    const { dtype, shape, value } = b.fact(name);
    if (dtype !== "float32" || shape.length > 0 || value === undefined) return name;
    const old = Number(value.data[0]);
    if (Math.abs(old) > SATURATING) return name;
    if (old === 0) return chosen ? b.scalar(0.25) : name;
    return b.scalar(Math.abs(old) < GUARD ? old + 1 : 1.25 * old);
  });
  return changed.join() === inputs.join() ? undefined : { opType, inputs: changed, attributes };
}

/** Of choices, differences, quotients and joins. */
function operandsExchanged(b: GraphBuilder, { opType, inputs, attributes }: Emission): Emission | undefined {
  if (opType === "Where") return { opType, inputs: [inputs[0], inputs[2], inputs[1]], attributes };
  if (opType !== "Concat" || new Set(inputs).size === 1) return undefined;
  if (new Set(inputs.map((name) => b.shape(name).join())).size > 1) return undefined;
  return { opType, inputs: inputs.toReversed(), attributes };
}

/** What is before each axis comes behind it. */
function padsExchanged(b: GraphBuilder, { opType, inputs, attributes }: Emission): Emission | undefined {
  const turned = (pads: readonly number[]): number[] => [
    ...pads.slice(pads.length / 2),
    ...pads.slice(0, pads.length / 2),
  ];
  const given = opType === "Pad" ? knownInts(b, inputs[1]) : padsAttribute(attributes);
  if (given === undefined || turned(given).join() === given.join()) return undefined;
  if (opType === "Pad") return { opType, inputs: [inputs[0], b.ints(turned(given)), ...inputs.slice(2)], attributes };
  return { opType, inputs, attributes: { ...attributes, pads: attr.ints(turned(given)) } };
}

function padsAttribute(attributes: Attributes): readonly number[] | undefined {
  return attributes.pads?.kind === "ints" ? attributes.pads.value : undefined;
}

/** Constant indices: of a pick each in its neighbour's place, of a scattering the first one everywhere. */
function otherIndices(b: GraphBuilder, { opType, inputs, attributes }: Emission): Emission | undefined {
  if (!/^(Gather|Scatter)/.test(opType)) return undefined;
  const { value } = b.fact(inputs[1]);
  if (value === undefined) return undefined;
  const old = Array.from(value.data, Number);
  const others = opType.startsWith("Gather") ? [...old.slice(1), ...old.slice(0, 1)] : old.map(() => old[0]);
  if (others.join() === old.join()) return undefined;
  const indices = b.constant(tensorOf(value.dtype as "int64", value.shape, others));
  return { opType, inputs: inputs.with(1, indices), attributes };
}

/** A slice of the same size, one to the side, along the first axis that has room. */
function movedByOne(b: GraphBuilder, { opType, inputs, attributes }: Emission): Emission | undefined {
  if (opType !== "Slice") return undefined;
  const [starts, ends, axes, steps] = inputs.slice(1).map((name) => knownInts(b, name));
  if (starts === undefined || ends === undefined || axes === undefined || steps?.some((step) => step < 0)) {
    return undefined;
  }
  const shape = b.shape(inputs[0]);
  for (const [i, axis] of axes.entries()) {
    const by = ends[i] < shape[axis] ? 1 : starts[i] > 0 ? -1 : 0;
    if (by === 0 || starts[i] < 0 || ends[i] < 0) continue;
    const moved = [b.ints(starts.with(i, starts[i] + by)), b.ints(ends.with(i, ends[i] + by))];
    return { opType, inputs: [inputs[0], ...moved, ...inputs.slice(3)], attributes };
  }
  return undefined;
}

/** A slice that turns axes around leaves them as they are. */
function notReversed(b: GraphBuilder, { opType, inputs }: Emission): Emission | undefined {
  const steps = opType === "Slice" && inputs[4] !== undefined ? knownInts(b, inputs[4]) : undefined;
  const axes = inputs[3] === undefined ? undefined : knownInts(b, inputs[3]);
  if (axes?.every((axis) => b.shape(inputs[0])[axis] === 1)) return undefined;
  return steps?.every((step) => step === -1) ? { opType: "Identity", inputs: [inputs[0]], attributes: {} } : undefined;
}

/** Two axes of one size change places. */
function axesExchanged(b: GraphBuilder, { opType, inputs, attributes }: Emission): Emission | undefined {
  if (opType !== "Transpose" || attributes.perm?.kind !== "ints") return undefined;
  const perm = attributes.perm.value;
  const sizes = perm.map((axis) => b.shape(inputs[0])[axis]);
  for (const [i, size] of sizes.entries()) {
    const j = sizes.indexOf(size, i + 1);
    if (size < 2 || j < 0) continue;
    return { opType, inputs, attributes: { ...attributes, perm: attr.ints(perm.with(i, perm[j]).with(j, perm[i])) } };
  }
  return undefined;
}

/** Where several updates meet in one place, the last holds. */
function nothingSummed(_: GraphBuilder, { opType, inputs, attributes }: Emission): Emission | undefined {
  if (attributes.reduction === undefined) return undefined;
  return { opType, inputs, attributes: { ...attributes, reduction: attr.string("none") } };
}

function knownInts(b: GraphBuilder, name: string): readonly number[] | undefined {
  const { value } = b.fact(name);
  return value === undefined ? undefined : Array.from(value.data, Number);
}
