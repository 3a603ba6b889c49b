/** A script of the documentation, in one shell of its own, with the commands of this checkout. */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const LAUNCHER = fileURLToPath(new URL("../../bin/consilium.mjs", import.meta.url));

/**
 * Runs blocks one after the other in a folder; what they leave running ends with them.
 * @param blocks by what they are called in the output
 */
export function runBlocks(
  folder: string,
  blocks: readonly (readonly [name: string, text: string])[],
): Promise<{ readonly code: number | null; readonly output: string }> {
  const bin = join(folder, "bin");
  // Processes of their own, as npx is, so that jobs of the shell can be stopped.
  mkdirSync(bin);
  const exec = `exec "${process.execPath}" "${LAUNCHER}" "$@"\n`;
  writeFileSync(join(bin, "npx"), `#!/bin/sh\n[ "$1" = consilium ] && shift && ${exec}`, { mode: 0o755 });
  writeFileSync(join(bin, "consilium"), `#!/bin/sh\n${exec}`, { mode: 0o755 });
  const script = [
    "set -eu",
    "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT",
    ...blocks.flatMap(([name, text]) => [`echo "=== ${name}"`, text]),
  ].join("\n");
  return new Promise((resolve) => {
    let output = "";
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
    const shell = spawn("bash", ["-c", script], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
    const take = (data: Buffer): void => {
      output += data.toString();
    };
    shell.stdout.on("data", take);
    shell.stderr.on("data", take);
    shell.on("close", (code) => resolve({ code, output }));
  });
}
