/**
 * The documentation's commands, run as they stand on its pages: one federation from its founding to its model, in one
 * shell, in an empty folder, told by the pages of its readers in the order of `docs/blocks.ts`.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EXECUTED, shellBlocks } from "./docs/blocks.ts";
import { runBlocks } from "./docs/run-script.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "consilium-docs-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the blocks run as written", async () => {
  const blocks = EXECUTED.flatMap(([source, heading]) => {
    const own = shellBlocks(readFileSync(join(root, source), "utf8")).filter((block) => block.heading === heading);
    expect(own.length, `${source}#${heading}`).toBeGreaterThan(0);
    return own.map(({ text }) => [`${source}#${heading}`, text] as const);
  });
  const { code, output } = await runBlocks(folder, blocks);
  expect(code, output.slice(-6000)).toBe(0);
  for (const file of [
    "first/report.html",
    "model/model.onnx",
    "tumour.nii.gz",
    "tumour.html",
    "review/reviewed/dataset.csv",
    "restored/site/identity/key.pem",
  ]) {
    expect(existsSync(join(folder, file)), `${file}\n${output.slice(-3000)}`).toBe(true);
  }
});
