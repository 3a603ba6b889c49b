import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkLayers } from "./check-layers.ts";

let root = "";

function plant(files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "layers-"));
  symlinkSync(join(process.cwd(), "node_modules"), join(root, "node_modules"));
  plant({
    "tsconfig.json": '{"compilerOptions": {"module": "NodeNext", "allowImportingTsExtensions": true, "noEmit": true}}',
    "package.json": '{"type": "module", "dependencies": {"zod": "*"}, "devDependencies": {"vitest": "*"}}',
    "src/base/index.ts": 'export { one } from "./one.ts";\n',
    "src/base/one.ts": "export const one = 1;\n",
  });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test("what keeps to the layers passes", async () => {
  plant({
    "src/site/index.ts": 'import { one } from "../base/index.ts";\nimport "zod";\nexport const two = one + 1;\n',
  });
  plant({
    "dashboard/src/page.tsx": 'import type { two } from "../../src/site/index.ts";\nexport type T = typeof two;\n',
  });
  expect(await checkLayers(root)).toEqual({ modules: expect.any(Number), violations: [] });
  expect((await checkLayers(root)).modules).toBeGreaterThanOrEqual(3);
});

test.each([
  ["an upward import", "src/base/two.ts", 'import "../site/index.ts";\n', "layer-base: "],
  [
    "an upward import of a type",
    "src/base/two.ts",
    'import type { S } from "../site/index.ts";\nexport type T = S;\n',
    "layer-base: ",
  ],
  ["the graph reading a study", "src/graph/index.ts", 'import "../study/index.ts";\n', "layer-graph: "],
  ["the study needing more than base", "src/study/two.ts", 'import "../graph/index.ts";\n', "layer-study: "],
  ["an import past an index.ts", "src/site/two.ts", 'import "../base/one.ts";\n', "only-through-index: "],
  ["a cycle", "src/site/two.ts", 'import "./three.ts";\n', "no-cycles: "],
  ["a package for development", "src/site/two.ts", 'import "vitest";\n', "no-development-packages: "],
  ["a missing file", "src/site/two.ts", 'import "./nowhere.ts";\n', "resolvable: "],
  [
    "a page that runs what Node needs",
    "dashboard/src/two.tsx",
    'import "../../src/study/index.ts";\n',
    "page-runs-mess",
  ],
  ["a folder without a place", "src/elsewhere/two.ts", 'import "../base/index.ts";\n', "known-folder: "],
])("%s is caught", async (_, name, text, rule) => {
  plant({
    "src/site/index.ts": "export type S = 1;\n",
    "src/site/three.ts": 'import "./two.ts";\n',
    "src/study/index.ts": "export const a = 1;\n",
    "src/graph/index.ts": "export const a = 1;\n",
    [name]: text,
  });
  if (!name.endsWith("site/two.ts")) rmSync(join(root, "src/site/three.ts"));
  const { violations } = await checkLayers(root);
  expect(violations).toEqual(expect.arrayContaining([expect.stringContaining(rule)]));
});
