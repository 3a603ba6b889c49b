/**
 * Reverse-mode differentiation as a transformation of graphs (Griewank and Walther 2008, chapter 3): the nodes are
 * walked backwards once, each handing the gradient of its outputs to its inputs by the rule of its operator. What
 * comes out is again a graph of inference operators.
 */
import { invariant } from "../base/index.ts";
import type { GraphBuilder } from "../graph/index.ts";
import { GRADIENT_RULES, type GradientRules } from "./gradient-rules.ts";
import { type Lowerings, USUAL_LOWERINGS } from "./lowering-table.ts";

/**
 * Appends the gradient of a scalar to the builder's graph.
 * @param loss name of a float32 value of one element.
 * @param by values to differentiate by.
 * @param rules others than the product's only where rules themselves are tested.
 * @param lowerings how gradients of convolutions are written; the table that ships if none is given.
 * @returns the name of the gradient of each, of the value's own shape; undefined where the loss does not depend on it.
 * @throws ConsiliumError `gradient-unsupported` naming the operator and node that has no rule for what is asked.
 */
export function differentiate(
  builder: GraphBuilder,
  loss: string,
  by: readonly string[],
  rules: GradientRules = GRADIENT_RULES,
  lowerings: Lowerings = USUAL_LOWERINGS,
): Map<string, string | undefined> {
  const nodes = [...builder.nodes()];
  const dependent = new Set(by);
  for (const node of nodes) {
    // CastLike's second operand lends its type, not its value
    const read = node.opType === "CastLike" ? node.inputs.slice(0, 1) : node.inputs;
    if (!read.some((name) => dependent.has(name))) continue;
    for (const name of node.outputs) if (builder.fact(name).dtype.startsWith("float")) dependent.add(name);
  }
  const contributions = new Map<string, string[]>([[loss, [seed(builder, loss)]]]);
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((name) => dependent.has(name))) continue;
    const outputGradients = node.outputs.map((name) => total(builder, contributions, name));
    if (outputGradients.every((gradient) => gradient === undefined)) continue;
    const needs = (input: number): boolean => dependent.has(node.inputs[input] ?? "");
    const gradients = rules[node.opType]({ builder, node, outputGradients, lowerings, needs });
    gradients.forEach((gradient, i) => {
      if (gradient === undefined || !needs(i)) return;
      const input = node.inputs[i];
      invariant(
        builder.shape(gradient).join() === builder.shape(input).join(),
        `a gradient of ${node.opType} by ${input} in that value's shape`,
      );
      contributions.set(input, [...(contributions.get(input) ?? []), gradient]);
    });
  }
  return new Map(by.map((name) => [name, total(builder, contributions, name)]));
}

function seed(builder: GraphBuilder, loss: string): string {
  const shape = builder.shape(loss);
  return shape.length === 0 ? builder.scalar(1) : builder.emit("Expand", [builder.scalar(1), builder.ints(shape)]);
}

/** The sum of what a value was handed, added up once and remembered. */
function total(builder: GraphBuilder, contributions: Map<string, string[]>, name: string): string | undefined {
  const parts = contributions.get(name);
  if (parts === undefined) return undefined;
  const sum = parts.reduce((left, right) => builder.emit("Add", [left, right]));
  contributions.set(name, [sum]);
  return sum;
}
