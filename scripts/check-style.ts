/**
 * The rules of the house that no linter knows: files of bounded length that open with what they are, nothing left
 * "to do", no test switched off or alone, no path of somebody's machine.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const LINES_PER_FILE = 600;

interface Rule {
  readonly name: string;
  readonly appliesTo: RegExp;
  /** True where the text breaks the rule. */
  readonly broken: (text: string) => boolean;
}

const CODE = /^(src|bench|scripts|test|bin)\/.*[.](ts|mjs)$/;
const SOURCE = /^(src|bench|scripts|bin)\/(?!.*[.]test[.]ts$).*[.](ts|mjs)$/;

const RULES: readonly Rule[] = [
  {
    name: `at most ${LINES_PER_FILE} lines`,
    appliesTo: CODE,
    broken: (text) => text.split("\n").length > LINES_PER_FILE + 1,
  },
  {
    name: "a header comment says what the file is",
    appliesTo: /^(src|bench|scripts|bin)\/(?!.*([.]test[.]ts|\/index[.]ts)$).*[.](ts|mjs)$/,
    broken: (text) => !/^(#!.*\n)?\/(\*\*|\/) ?/.test(text),
  },
  {
    name: "nothing is left to do",
    appliesTo: SOURCE,
    broken: (text) => /\b(TODO|FIXME|XXX|HACK)\b/.test(text.replaceAll("(TODO|FIXME|XXX|HACK)", "")),
  },
  {
    name: "no test is switched off or alone",
    appliesTo: /[.]test[.]ts$/,
    broken: (text) => /^\s*(test|it|describe)[.](only|todo|skip)\b/m.test(text),
  },
  {
    name: "no conflict of a merge",
    appliesTo: /./,
    broken: (text) => /^(<{7} |={7}$|>{7} )/m.test(text),
  },
  {
    name: "no path of somebody's machine",
    appliesTo: /^(?!package-lock)/,
    broken: (text) => /[/](work|root|Users|home)[/](?!someone)[a-z]/.test(text),
  },
  {
    name: "`extends` only for errors",
    appliesTo: SOURCE,
    broken: (text) => /\bclass \w+ extends (?!\w*Error\b)/.test(text),
  },
];

/** @returns names of the rules that the file breaks. */
export function styleProblems(file: string, text: string): string[] {
  if (/\/gen\//.test(file)) return [];
  return RULES.filter((rule) => rule.appliesTo.test(file) && rule.broken(text)).map((rule) => rule.name);
}

function main(): number {
  const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { encoding: "utf8" })
    .split("\n")
    .filter((file) => existsSync(file))
    .filter((file) => /[.](ts|mjs|js|json|md|yaml|yml|proto|svg|py)$|^[.]ci\//.test(file));
  let broken = 0;
  for (const file of files) {
    for (const rule of styleProblems(file, readFileSync(file, "utf8"))) {
      console.error(`${file}: ${rule}`);
      broken++;
    }
  }
  console.error(`style: ${files.length} files, ${broken} rules broken`);
  return files.length === 0 || broken > 0 ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) process.exitCode = main();
