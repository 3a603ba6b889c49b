/** Checks who imports whom under `src/`, and what the page runs of it, by the rules of `layer-rules.ts`. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { cruise, type ICruiseResult } from "dependency-cruiser";
import extractTSConfig from "dependency-cruiser/config-utl/extract-ts-config";
import { LAYER_RULES } from "./layer-rules.ts";

export interface LayerReport {
  readonly modules: number;
  /** One line each: rule, from, to. */
  readonly violations: readonly string[];
}

/** @param root Folder that holds `src/`, a tsconfig.json and, where there is one, the page in `dashboard/src/`. */
export async function checkLayers(root: string): Promise<LayerReport> {
  const { output } = await cruise(
    ["src", "dashboard/src"].filter((folder) => existsSync(join(root, folder))),
    {
      baseDir: root,
      ruleSet: { forbidden: LAYER_RULES },
      validate: true,
      doNotFollow: { path: ["node_modules"] },
      tsPreCompilationDeps: true,
    },
    {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
      extensions: [".ts", ".tsx", ".js"],
    },
    { tsConfig: extractTSConfig(`${root}/tsconfig.json`) },
  );
  const { summary } = output as ICruiseResult;
  return {
    modules: summary.totalCruised,
    violations: summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`),
  };
}

async function main(): Promise<number> {
  const { modules, violations } = await checkLayers(process.cwd());
  for (const violation of violations) console.error(violation);
  // A compiler that dependency-cruiser cannot drive makes it pass over nothing.
  if (modules === 0) console.error("No module was checked: does dependency-cruiser know this version of TypeScript?");
  console.error(`layers: ${modules} modules, ${violations.length} violations`);
  return modules === 0 || violations.length > 0 ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) process.exitCode = await main();
