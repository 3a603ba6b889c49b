/**
 * Breaks each gradient rule and asks whether its tests notice: `npx tsx scripts/mutate-gradient-rules.ts [OPERATOR...]`.
 *
 * Mutants of a rule: its result for one input left out, or a quarter too large; and, one at a time, a node that it
 * emits changed in a way that any graph accepts (emission-mutations.ts). A mutant survives where every case of the
 * operator still passes. Ends with exit code 1 where one does.
 */
import { pathToFileURL } from "node:url";
import { type Attributes, type GraphBuilder, OP_TYPES, type OpType } from "../src/graph/index.ts";
import { failuresOf } from "../src/runtime/testing/check-gradient.ts";
import type { GradientCase } from "../src/runtime/testing/gradient-case.ts";
import { GRADIENT_CASES } from "../src/runtime/testing/gradient-cases/index.ts";
import { GRADIENT_RULES, type GradientContext, type GradientRule, hasGradient } from "../src/training/index.ts";
import { type Emission, MUTATIONS } from "./emission-mutations.ts";

interface Mutant {
  readonly name: string;
  readonly rule: GradientRule;
}

/** What a rule did in the operator's cases: what can be changed in the nodes that it emitted, which inputs it served. */
interface Footprint {
  /** By operator, turn and mutation. */
  readonly changeable: Map<string, { readonly turn: number; readonly opType: OpType; readonly mutation: string }>;
  readonly served: Set<number>;
}

async function footprintOf(op: OpType, cases: readonly GradientCase[]): Promise<Footprint> {
  const changeable: Footprint["changeable"] = new Map();
  const served = new Set<number>();
  const rule: GradientRule = (c) => {
    const result = GRADIENT_RULES[op](
      withEmissions(c, (emission, turn) => {
        const { opType } = emission;
        for (const [mutation, change] of Object.entries(MUTATIONS)) {
          if (change(c.builder, emission) === undefined) continue;
          changeable.set(`${opType} ${turn} ${mutation}`, { opType, turn, mutation });
        }
        return emission;
      }),
    );
    result.forEach((gradient, i) => {
      if (gradient !== undefined && c.needs(i)) served.add(Math.min(i, LAST_COUNTED_INPUT));
    });
    return result;
  };
  for (const each of cases) await failuresOf(each, { ...GRADIENT_RULES, [op]: rule });
  return { changeable, served };
}

/** Operators with any number of operands treat the later ones alike. */
const LAST_COUNTED_INPUT = 4;

/** The same context, but each node that the rule emits, counted by operator, may be changed. */
function withEmissions(c: GradientContext, choose: (emission: Emission, turn: number) => Emission): GradientContext {
  const turns = new Map<OpType, number>();
  const emit = (opType: OpType, inputs: readonly string[], attributes: Attributes = {}): string => {
    const turn = (turns.get(opType) ?? 0) + 1;
    turns.set(opType, turn);
    const chosen = choose({ opType, inputs, attributes }, turn);
    return c.builder.emit(chosen.opType, chosen.inputs, chosen.attributes);
  };
  const builder: GraphBuilder = { ...c.builder, emit };
  return { ...c, builder };
}

function mutantsOf(op: OpType, { changeable, served }: Footprint): Mutant[] {
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
  const nodes = [...changeable].map(([name, { turn, opType, mutation }]): Mutant => {
    const changed: GradientRule = (c) =>
      rule(
        withEmissions(c, (made, at) =>
          at === turn && made.opType === opType ? (MUTATIONS[mutation](c.builder, made) ?? made) : made,
        ),
      );
    return { name, rule: changed };
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

/** Mutants that compute the same, and why. */
const EQUIVALENT: Readonly<Record<string, string>> = {
  "ReduceL2: Where 1 another constant": "what is chosen where the norm is zero is multiplied by zeros",
};

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
    const mutants = mutantsOf(op, await footprintOf(op, cases)).filter(({ name }) => !(`${op}: ${name}` in EQUIVALENT));
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
