import { expect, test } from "vitest";
import { type CommandSpec, commandName } from "../command.ts";
import { longFlag } from "../options.ts";
import { parseCommandLine } from "../program.ts";
import { COMMANDS, GROUPS } from "./index.ts";

const program = { version: "0", summary: "test", commands: COMMANDS, groups: GROUPS };
const named = COMMANDS.map((spec): [string, CommandSpec] => [commandName(spec.path), spec]);

test.each(named)("%s: --help shows the summary, every option and an example", (_, spec) => {
  const parsed = parseCommandLine(program, [...spec.path, "--help"]);
  if (parsed.kind !== "help") throw new Error("no help");
  const text = parsed.text.replace(/\s+/g, " ");
  expect(text).toContain(`${spec.summary}.`);
  expect(text).toMatch(/Examples?: \$ consilium /);
  for (const name of Object.keys(spec.options)) expect(text).toContain(longFlag(name));
  for (const { name } of spec.args ?? []) expect(text).toContain(name);
  expect(text).toContain("--json");
});

test.each(named)("%s: its examples are command lines of its own", (name, spec) => {
  expect(spec.examples.length).toBeGreaterThan(0);
  for (const example of spec.examples) {
    expect(example.startsWith(`${name} `) || example === name).toBe(true);
    const words = (example.match(/"[^"]*"|\S+/g) ?? []).slice(1);
    const parsed = parseCommandLine(
      program,
      words.map((word) => word.replace(/^"|"$/g, "")),
    );
    expect(parsed.kind === "run" && parsed.spec.path).toEqual(spec.path);
  }
});

test("every command stands in a group that exists, every group has a command", () => {
  const used = new Set(COMMANDS.map(({ path }) => path.slice(0, -1).join(" ")).filter((words) => words !== ""));
  expect(GROUPS.map(({ path }) => path.join(" ")).sort()).toEqual([...used].sort());
});
