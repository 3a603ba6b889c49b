/**
 * Einsum equations (ONNX Einsum 12) read into one label for each axis: an ellipsis becomes labels of its own, an
 * implicit result is made explicit. Upper and lower case letters are different labels.
 */
import { type GraphNode, stringAttribute } from "./graph.ts";
import { shapeError } from "./node-readings.ts";

export interface EinsumEquation {
  /** Labels of each operand's axes. */
  readonly operands: readonly (readonly string[])[];
  readonly result: readonly string[];
  /** Size of each label. */
  readonly sizes: ReadonlyMap<string, number>;
}

const LETTERS = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"];

/** @throws ConsiliumError `shape-mismatch` where equation and operands do not fit. */
export function einsumEquation(node: GraphNode, shapes: readonly (readonly number[])[]): EinsumEquation {
  const equation = stringAttribute(node, "equation", "").replaceAll(" ", "");
  const [left, right] = equation.split("->");
  const terms = left.split(",");
  if (terms.length !== shapes.length || !terms.every((term) => /^[A-Za-z]*([.]{3})?[A-Za-z]*$/.test(term))) {
    throw shapeError(node, `an equation with ${shapes.length} operands`, equation);
  }
  const used = new Set(equation);
  const spare = LETTERS.filter((letter) => !used.has(letter));
  const hidden = terms.map((term, i) => (term.includes("...") ? shapes[i].length - term.length + 3 : 0));
  const dots = spare.slice(0, Math.max(0, ...hidden));
  // operands with fewer hidden axes meet the last ones of those with more, as in broadcasting
  const spell = (term: string, count: number): string[] => [
    ...term.replace("...", dots.slice(dots.length - count).join("")),
  ];
  const operands = terms.map((term, i) => spell(term, hidden[i]));
  const sizes = new Map<string, number>();
  operands.forEach((labels, i) => {
    if (labels.length !== shapes[i].length)
      throw shapeError(node, `rank ${labels.length} for operand ${i} of ${equation}`, `[${shapes[i].join(", ")}]`);
    labels.forEach((label, axis) => {
      const [before, size] = [sizes.get(label) ?? 1, shapes[i][axis]];
      if (before !== 1 && size !== 1 && before !== size)
        throw shapeError(node, `${before} for ${label} of ${equation}`, String(size));
      sizes.set(label, Math.max(before, size));
    });
  });
  const labels = operands.flat();
  const once = [...new Set(labels)].filter((l) => !dots.includes(l) && labels.indexOf(l) === labels.lastIndexOf(l));
  const result = right === undefined ? [...dots, ...once.sort()] : spell(right, dots.length);
  const unknown = result.find((label) => !sizes.has(label));
  if (unknown !== undefined) throw shapeError(node, `labels of the operands in the result of ${equation}`, unknown);
  return { operands, result, sizes };
}
