#!/usr/bin/env node
/**
 * The `consilium` command. In a checkout it builds what changed first; in an installed package the build lies ready.
 * Processes that this one starts use its build, whatever happens to the sources meanwhile (CONSILIUM_BUILD).
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const launcher = fileURLToPath(import.meta.url);
const root = fileURLToPath(new URL("..", import.meta.url));

async function findBuild() {
  if (!existsSync(join(root, "src"))) return join(root, "dist", "package");
  const inherited = process.env.CONSILIUM_BUILD;
  if (inherited?.startsWith(join(root, "dist")) && existsSync(inherited)) return inherited;
  const { currentBuild } = await import("../scripts/build.mjs");
  return await currentBuild();
}

let build;
try {
  build = await findBuild();
} catch (error) {
  const hint = error?.code === "ERR_MODULE_NOT_FOUND" ? "Run `npm ci` first." : "Correct the sources, or run `npm ci`.";
  const fields = {
    subject: "consilium",
    expected: "sources that build",
    actual: String(error?.message ?? error),
    hint,
  };
  if (process.argv.includes("--json"))
    process.stdout.write(`${JSON.stringify({ error: { code: "internal", ...fields } })}\n`);
  else console.error(`consilium could not be built: ${fields.actual}\n${hint}`);
  process.exit(1);
}
process.env.CONSILIUM_BUILD = build;
const { main } = await import(pathToFileURL(join(build, "cli", "main.js")).href);
await main(process.argv.slice(2), { launcher });
