import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { takeDemoFolder } from "./demo-folder.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "demo-folder-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test("an empty or new folder is taken, and emptied the next time", async () => {
  const out = join(root, "new");
  await takeDemoFolder(out);
  writeFileSync(join(out, "report.html"), "old");
  await takeDemoFolder(out);
  expect(readdirSync(out)).toEqual([".consilium-demo"]);
});

test("somebody's files are never deleted", async () => {
  writeFileSync(join(root, "thesis.tex"), "precious");
  await expect(takeDemoFolder(root)).rejects.toMatchObject({ code: "file-exists" });
  expect(readdirSync(root)).toEqual(["thesis.tex"]);
});
