/**
 * Writes `docs/OPERATORS.md` from the tables of rules and of their tests: `npx tsx scripts/operators-page.ts`. A test
 * fails where the page says something else than the tables.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { foldsConstants, OP_TYPES, type OpType } from "../src/graph/index.ts";
import { GRADIENT_CASES } from "../src/runtime/testing/gradient-cases/index.ts";
import { GRADIENT_LIMITS, hasGradient } from "../src/training/index.ts";

export const OPERATORS_PAGE = fileURLToPath(new URL("../docs/OPERATORS.md", import.meta.url));

const LIMITS: Readonly<Partial<Record<OpType, string>>> = GRADIENT_LIMITS;

function row(op: OpType): string {
  const cases = GRADIENT_CASES.filter((each) => each.op === op);
  const kinks = cases.filter(({ kink }) => kink !== undefined).length;
  const smooth = cases.length - kinks;
  const limit = LIMITS[op];
  const gradient = hasGradient(op) ? `yes${limit === undefined ? "" : `: ${limit}`}` : "none to pass on";
  const checks = [
    ...(smooth > 0 ? [`finite differences and ONNX Runtime's shapes (${smooth})`] : []),
    ...(kinks > 0 ? [`PyTorch's choice at a kink (${kinks})`] : []),
    ...(foldsConstants(op) ? ["ONNX Runtime's values"] : []),
  ];
  return `| ${op} | ${gradient} | ${foldsConstants(op) ? "yes" : ""} | ${checks.join("; ") || "in other operators' cases"} |`;
}

export function operatorsPage(): string {
  const differentiable = OP_TYPES.filter(hasGradient).length;
  return `# Operators

Made by \`npx tsx scripts/operators-page.ts\` from the tables of rules; a test fails where it is out of date.

${OP_TYPES.length} operators of ONNX's default domain, operator sets 13 to 21, are understood: each has a rule for types and
shapes, and runs forward on ONNX Runtime. ${differentiable} of them pass a gradient on; of the others (comparisons, logic,
rounding, shapes) none is asked for. *Computed before* says which are computed while a graph is built, where their
inputs are known: the arithmetic on shapes that exporters leave in files.

Functions of a model's own are written out where they are called. Weights are read from the file itself or from files
in its folder. Any other operator, and each use beyond a limit named here, is an error that names operator, node and
tensors before anything runs; \`consilium model inspect MODEL.onnx\` lists them all.

*Checked against*, with the number of cases: finite differences of the graph itself, along random directions, input by
input; the shapes that ONNX Runtime gives; its values, where a rule computes; at kinks the side that PyTorch takes.
\`npx tsx scripts/mutate-gradient-rules.ts\` breaks every rule in several ways and lists what these cases do not notice.

| operator | gradient | computed before | checked against |
| --- | --- | --- | --- |
${OP_TYPES.map(row).join("\n")}
`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) writeFileSync(OPERATORS_PAGE, operatorsPage());
