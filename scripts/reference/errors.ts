/** The reference of error codes: the closed list itself, and the folders whose code refuses with each. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ERROR_CODES } from "../../src/base/index.ts";

const SOURCES = fileURLToPath(new URL("../../src", import.meta.url));

const MEANINGS: Readonly<Record<number, string>> = {
  1: "failed",
  2: "usage",
  3: "bad input",
  4: "refused by policy",
  5: "unreachable",
  130: "interrupted",
};

export function errorsPage(): string {
  const folders = foldersByCode();
  const rows = Object.entries(ERROR_CODES).map(([code, exit]) => {
    return `| \`${code}\` | ${exit} | ${MEANINGS[exit]} | ${[...(folders.get(code) ?? [])].sort().join(", ")} |`;
  });
  return `# Error codes

Every refusal is one error: \`{"code", "subject", "expected", "actual", "hint"}\`, the same on a terminal, under \`--json\`,
in the API and in the dashboard. ${rows.length} codes, a closed list; a code keeps its meaning, so that programs and
runbooks may match on it. *Raised in* names the folders of \`src/\` whose code says it; what it means in each case is said
by the error's own words.

| code | exit code | which means | raised in |
| --- | --- | --- | --- |
${rows.join("\n")}
`;
}

function foldersByCode(): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  for (const entry of readdirSync(SOURCES, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/^(?!.*[.]test).*[.]ts$/.test(entry.name) || entry.name === "error-codes.ts") continue;
    const path = join(entry.parentPath, entry.name);
    if (/[/\\](gen|testing)[/\\]/.test(path)) continue;
    const folder = path.slice(SOURCES.length + 1).split(/[/\\]/)[0];
    for (const [, code] of readFileSync(path, "utf8").matchAll(/"([a-z-]+)"/g)) {
      if (!(code in ERROR_CODES)) continue;
      found.set(code, (found.get(code) ?? new Set()).add(folder));
    }
  }
  return found;
}
