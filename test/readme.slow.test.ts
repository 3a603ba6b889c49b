/**
 * The README's commands, run as they stand there: all its `sh` blocks after the first (a clone, and the demo, which
 * CI runs by itself), one after the other in one shell in an empty folder. `npx consilium` is this checkout's launcher.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runBlocks } from "./docs/run-script.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const blocks = [...readFileSync(join(root, "README.md"), "utf8").matchAll(/^```sh\n(.*?)^```/gms)].map(
  ([, text]) => text,
);
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "consilium-readme-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the first block is the demo, and the others hold every step of a federation", () => {
  expect(blocks[0]).toContain("npm run demo");
  const steps =
    "coordinator init,coordinator invite,site join,site data,study submit,site approve,site start,segment,simulate";
  for (const step of steps.split(",")) expect(blocks.slice(1).join("")).toContain(`consilium ${step}`);
});

test("the blocks run as written", async () => {
  const named = blocks.slice(1).map((text, i) => [`block ${i + 1}`, text] as const);
  const { code, output } = await runBlocks(folder, named);
  expect(code, output.slice(-6000)).toBe(0);
  for (const file of ["model/model.onnx", "tumour.nii.gz", "run/model/weights.safetensors", "run/report.html"]) {
    expect(existsSync(join(folder, file)), `${file}\n${output.slice(-3000)}`).toBe(true);
  }
});
