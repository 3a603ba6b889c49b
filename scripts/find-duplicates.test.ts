import { expect, test } from "vitest";
import { findDuplicates, judge } from "./find-duplicates.ts";

const copied = `
export function mean(values: readonly number[]): number {
  let sum = 0; // a comment does not hide a copy
  for (const value of values) sum += value;
  return values.length === 0 ? Number.NaN : sum / values.length;
}`;
const first = { name: "a.ts", text: `import { x } from "./x.ts";\nexport const one = x;\n${copied}` };
const second = { name: "b.ts", text: `${copied.replace(/ \/\/.*/, "")}\nexport const two = 2;\n` };

test("a copy is found, with its lines, whatever its comments", () => {
  const duplicates = findDuplicates([first, second], 20);
  expect(duplicates).toHaveLength(1);
  expect(duplicates[0].tokens).toBeGreaterThan(40);
  expect(duplicates[0].places).toEqual([
    { file: "a.ts", firstLine: 4, lastLine: 8 },
    { file: "b.ts", firstLine: 2, lastLine: 6 },
  ]);
});

test("a copy within one file is found once", () => {
  expect(findDuplicates([{ name: "a.ts", text: copied + copied.replace("mean", "mean") }], 20)).toHaveLength(1);
});

test("different code passes", () => {
  expect(
    findDuplicates([first, { name: "c.ts", text: "export const three = [1, 2, 3].map((n) => n * n);\n" }], 20),
  ).toEqual([]);
});

test("an accepted copy passes by name, and an acceptance that nothing needs is reported", () => {
  const duplicates = findDuplicates([first, second], 20);
  expect(judge(duplicates, []).refused).toHaveLength(1);
  const accepted = { name: "mean", files: ["a.ts", "b.ts"], why: "a test" };
  expect(judge(duplicates, [accepted])).toEqual({ refused: [], unneeded: [] });
  expect(judge([], [accepted]).unneeded).toEqual(["mean"]);
});
