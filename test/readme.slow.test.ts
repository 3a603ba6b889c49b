/**
 * The README's commands, run as they stand there: all its `sh` blocks after the first (a clone, and the demo, which
 * CI runs by itself), one after the other in one shell in an empty folder. `npx consilium` is this checkout's launcher.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const blocks = [...readFileSync(join(root, "README.md"), "utf8").matchAll(/^```sh\n(.*?)^```/gms)].map(
  ([, text]) => text,
);
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "consilium-readme-"));
  // A process of its own, as npx is, so that jobs of the shell can be stopped.
  mkdirSync(join(folder, "bin"));
  const shim = `#!/bin/sh\n[ "$1" = consilium ] && shift && exec "${process.execPath}" "${join(root, "bin/consilium.mjs")}" "$@"\n`;
  writeFileSync(join(folder, "bin", "npx"), shim, { mode: 0o755 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the first block is the demo, and the others hold every step of a federation", () => {
  expect(blocks[0]).toContain("npm run demo");
  const steps =
    "coordinator init,coordinator invite,site join,site data,study submit,site approve,site start,segment,simulate";
  for (const step of steps.split(",")) expect(blocks.slice(1).join("")).toContain(`consilium ${step}`);
});

test("the blocks run as written", async () => {
  const script = [
    "set -eu",
    "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT",
    ...blocks.slice(1).flatMap((block, i) => [`echo "=== block ${i + 1}"`, block]),
  ].join("\n");
  const { code, output } = await run(script);
  expect(code, output.slice(-6000)).toBe(0);
  for (const file of ["model/model.onnx", "tumour.nii.gz", "run/model/weights.safetensors", "run/report.html"]) {
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
