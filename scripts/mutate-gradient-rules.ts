/**
 * Breaks each gradient rule and asks whether its tests notice: `npx tsx scripts/mutate-gradient-rules.ts [OPERATOR...]`.
 *
 * Mutants of a rule: its result for one input left out, or a quarter too large; and, one at a time, a node that it
 * emits replaced by another operator that takes the same inputs. A mutant survives where every case of the operator
 * still passes. Ends with exit code 1 where one does.
 */
import { pathToFileURL } from "node:url";
import { type Attributes, type GraphBuilder, OP_TYPES, type OpType } from "../src/graph/index.ts";
import { failuresOf } from "../src/runtime/testing/check-gradient.ts";
import type { GradientCase } from "../src/runtime/testing/gradient-case.ts";
import { GRADIENT_CASES } from "../src/runtime/testing/gradient-cases/index.ts";
import { GRADIENT_RULES, type GradientContext, type GradientRule, hasGradient } from "../src/training/index.ts";

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
  And: "Or",
  ReduceMean: "ReduceMax",
  ReduceProd: "ReduceMax",
};

interface Mutant {
  readonly name: string;
  readonly rule: GradientRule;
}

/** What a rule did in the operator's cases: how many nodes of which operators it emitted, which inputs it served. */
interface Footprint {
  readonly emitted: Map<string, { readonly turn: number; readonly opType: OpType }>;
  readonly served: Set<number>;
}

async function footprintOf(op: OpType, cases: readonly GradientCase[]): Promise<Footprint> {
  const emitted: Footprint["emitted"] = new Map();
  const served = new Set<number>();
  const rule: GradientRule = (c) => {
    const result = GRADIENT_RULES[op](
      withEmissions(c, (opType, turn) => {
        emitted.set(`${opType} ${turn}`, { opType, turn });
        return opType;
      }),
    );
    result.forEach((gradient, i) => {
      if (gradient !== undefined && c.needs(i)) served.add(Math.min(i, LAST_COUNTED_INPUT));
    });
    return result;
  };
  for (const each of cases) await failuresOf(each, { ...GRADIENT_RULES, [op]: rule });
  return { emitted, served };
}

/** Operators with any number of operands treat the later ones alike. */
const LAST_COUNTED_INPUT = 4;

/** The same context, but each node that the rule emits, counted by operator, may be replaced. */
function withEmissions(c: GradientContext, choose: (opType: OpType, turn: number) => OpType): GradientContext {
  const turns = new Map<OpType, number>();
  const emit = (opType: OpType, inputs: readonly string[], attributes?: Attributes): string => {
    const turn = (turns.get(opType) ?? 0) + 1;
    turns.set(opType, turn);
    return c.builder.emit(choose(opType, turn), inputs, attributes);
  };
  const builder: GraphBuilder = { ...c.builder, emit };
  return { ...c, builder };
}

function mutantsOf(op: OpType, { emitted, served }: Footprint): Mutant[] {
  const rule = GRADIENT_RULES[op];
  const onInput =
    (input: number, change: (b: GraphBuilder, gradient: string) => string | undefined): GradientRule =>
    (c) =>
      rule(c).map((gradient, i) =>
        gradient !== undefined && Math.min(i, LAST_COUNTED_INPUT) === input ? change(c.builder, gradient) : gradient,
      );
  const results = [...served].sort().flatMap((input): Mutant[] => [
    { name: `input ${input} left out`, rule: onInput(input, () => undefined) },
    {
      name: `input ${input} a quarter larger`,
      rule: onInput(input, (b, gradient) => b.emit("Mul", [gradient, b.scalar(1.25)])),
    },
  ]);
  const nodes = [...emitted.values()].flatMap(({ turn, opType }): Mutant[] => {
    const other = SWAPS[opType];
    if (other === undefined) return [];
    const swapped: GradientRule = (c) =>
      rule(withEmissions(c, (made, at) => (at === turn && made === opType ? other : made)));
    return [{ name: `${opType} ${turn} becomes ${other}`, rule: swapped }];
  });
  return [...results, ...nodes];
}

async function survives(op: OpType, { rule }: Mutant, cases: readonly GradientCase[]): Promise<boolean> {
  for (const each of cases) {
    try {
      if ((await failuresOf(each, { ...GRADIENT_RULES, [op]: rule })).length > 0) return false;
    } catch {
      return false;
    }
  }
  return true;
}

export interface MutationRun {
  readonly operators: number;
  readonly mutants: number;
  /** "Operator: mutant". */
  readonly survivors: readonly string[];
}

/** @param only operators to mutate; empty for all. */
export async function mutateGradientRules(only: readonly string[] = []): Promise<MutationRun> {
  const operators = OP_TYPES.filter((op) => hasGradient(op) && (only.length === 0 || only.includes(op)));
  const survivors: string[] = [];
  let count = 0;
  for (const op of operators) {
    const cases = GRADIENT_CASES.filter((each) => each.op === op);
    const mutants = mutantsOf(op, await footprintOf(op, cases));
    if (mutants.length === 0) survivors.push(`${op}: no mutant, since no case reaches its rule`);
    count += mutants.length;
    for (const mutant of mutants) if (await survives(op, mutant, cases)) survivors.push(`${op}: ${mutant.name}`);
  }
  return { operators: operators.length, mutants: count, survivors };
}

async function main(only: readonly string[]): Promise<number> {
  const { operators, mutants, survivors } = await mutateGradientRules(only);
  for (const name of survivors) console.error(`survived  ${name}`);
  console.error(`${operators} rules, ${mutants} mutants, ${survivors.length} survivors`);
  return mutants === 0 || survivors.length > 0 ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) process.exitCode = await main(process.argv.slice(2));
