/**
 * Runs benchmarks: `npm run bench` all of them with settings for a small machine, `npm run bench -- NAME [options]`
 * one, with its own options. What each measures stands at the top of its file in `bench/`.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

const USUAL: readonly (readonly [string, readonly string[]])[] = [
  ["training-step", ["--side", "48", "--runs", "6"]],
  ["measure-case", ["--runs", "5"]],
  ["transfer", ["--bytes", "134217728"]],
  ["aggregation", ["--sites", "8", "--parameters", "4000000"]],
];

function run(name: string, options: readonly string[]): number {
  const file = `bench/${name}.ts`;
  if (!existsSync(file)) {
    console.error(`There is no benchmark ${name}; there are ${USUAL.map(([known]) => known).join(", ")}.`);
    return 2;
  }
  console.error(`\n${name} ${options.join(" ")}`);
  return spawnSync(process.execPath, ["--import", "tsx", file, ...options], { stdio: "inherit" }).status ?? 1;
}

const [name, ...options] = process.argv.slice(2);
const runs = name === undefined || name.startsWith("-") ? USUAL : [[name, options] as const];
process.exitCode = Math.max(...runs.map(([each, settings]) => run(each, settings)));
