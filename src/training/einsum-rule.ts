/**
 * The gradient of Einsum (ONNX 12) by one operand is again an Einsum: of the gradient and the other operands, with
 * that operand's labels as its result. Labels that only this operand has were summed away alone: there the gradient
 * is repeated.
 */
import { attr, type EinsumEquation, einsumEquation, type GraphBuilder } from "../graph/index.ts";
import { type GradientContext, onlyGradient, reshape, sumToShape, unsupportedGradient } from "./gradient-context.ts";

export function einsum(c: GradientContext): readonly (string | undefined)[] {
  const b = c.builder;
  const equation = einsumEquation(
    c.node,
    c.node.inputs.map((name) => b.shape(name)),
  );
  const diagonal = equation.operands.some((labels) => new Set(labels).size < labels.length);
  if (diagonal) throw unsupportedGradient(c.node, "each label once in an operand", "a diagonal");
  return c.node.inputs.map((_, operand) => (c.needs(operand) ? byOperand(c, b, equation, operand) : undefined));
}

function byOperand(
  c: GradientContext,
  b: GraphBuilder,
  { operands, result, sizes }: EinsumEquation,
  operand: number,
): string {
  const own = operands[operand];
  const others = c.node.inputs.filter((_, i) => i !== operand);
  const terms = [result, ...operands.filter((_, i) => i !== operand)];
  const given = new Set(terms.flat());
  const reached = own.filter((label) => given.has(label));
  const equation = `${terms.map((labels) => labels.join("")).join(",")}->${reached.join("")}`;
  const product = b.emit("Einsum", [onlyGradient(c), ...others], { equation: attr.string(equation) });
  const size = (label: string): number => sizes.get(label) ?? 1;
  const kept = own.map((label) => (given.has(label) ? b.shape(product)[reached.indexOf(label)] : 1));
  const whole = b.emit("Expand", [reshape(b, product, kept), b.ints(own.map(size))]);
  return sumToShape(b, whole, b.shape(c.node.inputs[operand]));
}
