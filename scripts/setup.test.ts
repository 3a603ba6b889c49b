import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { completed, missingOptionalPackages } from "./complete-lock-file.mjs";
import { installProblem, nodeIsSupported } from "./setup.mjs";

let root = "";
const packages = { "node_modules/a": { version: "1.0.0" }, "node_modules/b": { version: "2.0.0", optional: true } };

function write(name: string, value: unknown): void {
  mkdirSync(join(root, name, ".."), { recursive: true });
  writeFileSync(join(root, name), JSON.stringify(value));
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "setup-"));
  write("package-lock.json", { packages: { "": { name: "x" }, ...packages } });
  write("node_modules/.package-lock.json", { packages: { "node_modules/a": packages["node_modules/a"] } });
  write("node_modules/a/package.json", {});
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test("what is installed as locked needs nothing; packages for other platforms may be missing", () => {
  expect(installProblem(root)).toBeUndefined();
});

test.each([
  ["nothing installed", () => rmSync(join(root, "node_modules"), { recursive: true }), "nothing is installed"],
  [
    "another version",
    () => write("node_modules/.package-lock.json", { packages: { "node_modules/a": { version: "1.0.1" } } }),
    "is 1.0.1, not 1.0.0",
  ],
  [
    "a package gone from the lists",
    () => write("node_modules/.package-lock.json", { packages: {} }),
    "is missing, not 1.0.0",
  ],
  ["a folder gone", () => rmSync(join(root, "node_modules/a"), { recursive: true }), "node_modules/a is missing"],
  [
    "one too many",
    () =>
      write("node_modules/.package-lock.json", {
        packages: { "node_modules/a": packages["node_modules/a"], "node_modules/c": { version: "1.0.0" } },
      }),
    "node_modules/c is installed and not",
  ],
])("%s asks for an installation", (_, change, problem) => {
  change();
  expect(installProblem(root)).toContain(problem);
});

test("Node 20.19 is the first that will do", () => {
  expect(["18.20.0", "20.18.3", "20.19.0", "22.0.0", "24.1.0"].map(nodeIsSupported)).toEqual([
    false,
    false,
    true,
    true,
    true,
  ]);
});

test("package-lock.json holds every platform's packages, so that npm ci takes it anywhere", () => {
  const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
  expect(missingOptionalPackages(lock)).toEqual([]);
  const { "node_modules/@biomejs/cli-linux-x64": gone, ...packages } = lock.packages;
  const missing = missingOptionalPackages({ ...lock, packages });
  expect(missing.map(({ path }) => path)).toEqual(["node_modules/@biomejs/cli-linux-x64"]);
  const restored = completed({ ...lock, packages }).lock.packages["node_modules/@biomejs/cli-linux-x64"];
  expect(restored).toMatchObject({ version: gone.version, os: gone.os, cpu: gone.cpu, optional: true });
});
