/**
 * Writes `docs/COMBINATIONS.md` from the table by which studies are refused: `npx tsx scripts/combinations-page.ts`. A
 * test fails where the page says something else than the table, or the table something else than what is refused.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import {
  areAlternatives,
  CHOICES,
  type ChoiceName,
  EXCLUSIONS,
  exclusionBetween,
  NEEDS,
  needAgainst,
} from "../src/study/index.ts";

export const COMBINATIONS_PAGE = fileURLToPath(new URL("../docs/COMBINATIONS.md", import.meta.url));

export const CHOICE_NAMES = Object.keys(CHOICES) as ChoiceName[];

/** What the page shows where two choices meet: undefined for a study that makes both. */
function cell(a: ChoiceName, b: ChoiceName): string {
  if (a === b) return "";
  const exclusion = exclusionBetween(a, b);
  if (exclusion !== undefined) return `no (${EXCLUSIONS.indexOf(exclusion) + 1})`;
  if (areAlternatives(a, b)) return "one of the two";
  return needAgainst(a, b) === undefined ? "yes" : "no (needs)";
}

function row(name: ChoiceName, i: number): string {
  const { group, written } = CHOICES[name];
  return `| ${i + 1} | ${group} | ${code(written)} | ${CHOICE_NAMES.map((other) => cell(name, other)).join(" | ")} |`;
}

/** Keys in code, words beside them as words. */
function code(written: string): string {
  const [key] = /^[\w.]+(: \w+$)?/.exec(written) ?? [written];
  return `\`${key}\`${written.slice(key.length)}`;
}

export function combinationsPage(): string {
  return `# What goes together

Made by \`npx tsx scripts/combinations-page.ts\` from the table by which studies are refused
(\`src/study/combinations.ts\`); a test fails where it is out of date, and another tries each pair on the code that
refuses. A study that makes two choices that exclude each other is refused in words by \`consilium study check\`, at
submission, and at every site.

| | of | choice | ${CHOICE_NAMES.map((_, i) => i + 1).join(" | ")} |
| --- | --- | --- | ${CHOICE_NAMES.map(() => "---").join(" | ")} |
${CHOICE_NAMES.map(row).join("\n")}

## Why not

${EXCLUSIONS.map(({ between: [a, b], expected, path, hint }, i) => `${i + 1}. ${code(CHOICES[a].written)} and ${code(CHOICES[b].written)}: \`${path}\` must be ${expected}. ${hint}`).join("\n")}

## What needs what

${NEEDS.map(({ choice, needs, hint }) => `- ${code(CHOICES[choice].written)} needs ${code(CHOICES[needs].written)}. ${hint}`).join("\n")}

## What there is no choice about

- A control variate goes with plain gradient descent (\`optimiser: sgd\`, momentum 0), one learning rate and no moving
  average; a study with another is refused.
- A site does a round's work whole or is left out of it, unless the study has \`rounds.partialWork\`; a quorum closes a
  round without those who are late.
- Masked sums are of whole numbers and whole weights; that they cannot overflow is proved when a study is submitted.
`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) writeFileSync(COMBINATIONS_PAGE, combinationsPage());
