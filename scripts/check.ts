/** Every check of the code that is no test, one after the other, with a summary: `npm run check`. */
import { spawnSync } from "node:child_process";

const CHECKS: readonly (readonly [string, readonly string[]])[] = [
  ["format and lint", ["biome", "check", "--error-on-warnings", "."]],
  ["types", ["tsc", "-p", "."]],
  ["types of the dashboard", ["tsx", "scripts/check-dashboard-types.ts"]],
  ["lint with types", ["eslint", "--max-warnings", "0", "."]],
  ["layers", ["tsx", "scripts/check-layers.ts"]],
  ["dead code", ["knip", "--no-progress"]],
  ["duplicates", ["tsx", "scripts/find-duplicates.ts"]],
  ["style", ["tsx", "scripts/check-style.ts"]],
  ["messages", ["buf", "lint", "proto"]],
];

const summary: string[] = [];
for (const [name, [command, ...args]] of CHECKS) {
  const startedMs = Date.now();
  // npm puts node_modules/.bin on the path of its scripts.
  const { status } = spawnSync(command, args, {
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  });
  summary.push(`${status === 0 ? "passed" : "FAILED"}  ${name} (${((Date.now() - startedMs) / 1000).toFixed(1)} s)`);
  if (status !== 0) process.exitCode = 1;
}
console.error(`\n${summary.join("\n")}`);
