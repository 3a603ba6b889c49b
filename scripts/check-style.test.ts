import { expect, test } from "vitest";
import { styleProblems } from "./check-style.ts";

const good = "/** Adds. */\nexport const add = (a: number, b: number): number => a + b;\n";

test("a file in order passes", () => {
  expect(styleProblems("src/base/add.ts", good)).toEqual([]);
});

test.each([
  ["src/base/add.ts", good + "\n".repeat(700), "at most 600 lines"],
  ["src/base/add.ts", good.slice(good.indexOf("\n") + 1), "a header comment says what the file is"],
  ["src/base/add.ts", `${good}// ${"TO"}DO: subtract\n`, "nothing is left to do"],
  ["src/base/add.test.ts", `${good}${"test"}.only("a", () => {});\n`, "no test is switched off or alone"],
  ["docs/a.md", `${"<".repeat(7)} HEAD\nours\n`, "no conflict of a merge"],
  ["src/base/add.ts", `${good}${"=".repeat(7)}\n`, "no conflict of a merge"],
  ["docs/a.md", `see ${"/home"}/me/data`, "no path of somebody's machine"],
  ["src/base/add.ts", `${good}class A extends B {}\n`, "`extends` only for errors"],
])("%#: %s is caught", (file, text, rule) => {
  expect(styleProblems(file, text)).toEqual([rule]);
});

test("generated code is left alone, errors may extend Error", () => {
  expect(styleProblems("src/graph/gen/onnx_pb.ts", "\n".repeat(700))).toEqual([]);
  expect(styleProblems("src/base/e.ts", `${good}class A extends Error {}\n`)).toEqual([]);
});
