/** The bash script in a real bash: what it offers is what the commands have. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { COMMANDS } from "./commands/index.ts";
import { completionScript } from "./completion.ts";
import { longFlag } from "./options.ts";

function offered(...words: string[]): string[] {
  const script = `${completionScript("bash", COMMANDS)}
COMP_WORDS=(consilium ${words.map((word) => `'${word}'`).join(" ")})
COMP_CWORD=${words.length}
_consilium
printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync("bash", ["--norc", "-c", script], { encoding: "utf8" }).trim().split("\n");
}

test("commands and groups, then what is in a group", () => {
  expect(offered("")).toEqual(expect.arrayContaining(["demo", "coordinator", "site", "completion"]));
  expect(offered("coor")).toEqual(["coordinator"]);
  expect(offered("coordinator", "da")).toEqual(["dashboard"]);
});

test("every command's options", () => {
  for (const { path, options } of COMMANDS) {
    const flags = Object.keys(options).map(longFlag);
    expect(offered(...path, "--")).toEqual(expect.arrayContaining(flags));
  }
});

test("the words that an option lists", () => {
  expect(offered("coordinator", "dashboard", "--role", "a")).toEqual(["auditor"]);
});

test("the other shells name every command", () => {
  const fish = completionScript("fish", COMMANDS);
  for (const { path } of COMMANDS) expect(fish).toContain(`-a '${path.at(-1)}'`);
  expect(completionScript("zsh", COMMANDS)).toContain("bashcompinit");
});
