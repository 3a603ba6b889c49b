/**
 * What a browser loads before the dashboard's first screen: the page, its style and the script with all that it imports
 * at once, in bytes as they travel (gzip), beside the limit of 250 kB for the script.
 *
 *     npm run bench -- dashboard
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { buildDashboard } from "../scripts/build.mjs";

const LIMIT_BYTES = 250_000;

const folder = mkdtempSync(join(tmpdir(), "consilium-dashboard-"));
try {
  const { outputs } = await buildDashboard(folder);
  const byName = new Map(Object.entries(outputs).map(([name, output]) => [basename(name), output]));
  const entry = [...byName].find(([, { entryPoint }]) => entryPoint === "dashboard/src/main.tsx")?.[0] ?? "";
  const initial = new Set<string>();
  const add = (name: string): void => {
    if (initial.has(name)) return;
    initial.add(name);
    for (const { path, kind } of byName.get(name)?.imports ?? []) if (kind === "import-statement") add(basename(path));
  };
  add(entry);
  const size = (names: readonly string[]): { bytes: number; gzip: number } => {
    const files = names.map((name) => readFileSync(join(folder, name)));
    return {
      bytes: files.reduce((sum, { length }) => sum + length, 0),
      gzip: files.reduce((sum, file) => sum + gzipSync(file).length, 0),
    };
  };
  const style = [...byName.keys()].filter((name) => name.endsWith(".css"));
  const result = { script: size([...initial]), style: size(style), page: size(["index.html"]), limit: LIMIT_BYTES };
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  if (result.script.gzip > LIMIT_BYTES) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
