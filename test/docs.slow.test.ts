/**
 * The documentation's commands, run as they stand on its pages: one federation from its founding to its model, in one
 * shell, in an empty folder, told by the pages of its readers in the order of `docs/blocks.ts`.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EXECUTED, shellBlocks } from "./docs/blocks.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "consilium-docs-"));
  mkdirSync(join(folder, "bin"));
  const exec = `exec "${process.execPath}" "${join(root, "bin/consilium.mjs")}" "$@"\n`;
  writeFileSync(join(folder, "bin", "npx"), `#!/bin/sh\n[ "$1" = consilium ] && shift && ${exec}`, { mode: 0o755 });
  writeFileSync(join(folder, "bin", "consilium"), `#!/bin/sh\n${exec}`, { mode: 0o755 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the blocks run as written", async () => {
  const blocks = EXECUTED.flatMap(([source, heading]) => {
    const own = shellBlocks(readFileSync(join(root, source), "utf8")).filter((block) => block.heading === heading);
    expect(own.length, `${source}#${heading}`).toBeGreaterThan(0);
    return own.map(({ text }) => [`echo "=== ${source}#${heading}"`, text].join("\n"));
  });
  const script = ["set -eu", "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT", ...blocks].join("\n");
  const { code, output } = await run(script);
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

function run(script: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    let output = "";
    const env = { ...process.env, PATH: `${join(folder, "bin")}:${process.env.PATH}` };
    const shell = spawn("bash", ["-c", script], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
    const take = (data: Buffer): void => {
      output += data.toString();
    };
    shell.stdout.on("data", take);
    shell.stderr.on("data", take);
    shell.on("close", (code) => resolve({ code, output }));
  });
}
