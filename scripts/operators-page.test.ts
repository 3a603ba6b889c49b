import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { OPERATORS_PAGE, operatorsPage } from "./operators-page.ts";

test("docs/OPERATORS.md is what the tables say: `npx tsx scripts/operators-page.ts` writes it", () => {
  expect(readFileSync(OPERATORS_PAGE, "utf8")).toBe(operatorsPage());
});

test("names every operator once, its limits and what it is checked against", () => {
  const rows = operatorsPage()
    .split("\n")
    .filter((line) => /^\| [A-Z]/.test(line));
  expect(new Set(rows.map((line) => line.split(" ")[1])).size).toBe(rows.length);
  expect(rows.find((line) => line.startsWith("| Pad "))).toMatch(
    /yes: negative pads in mode constant only .*finite differences/,
  );
  expect(rows.find((line) => line.startsWith("| Shape "))).toMatch(/none to pass on/);
});
