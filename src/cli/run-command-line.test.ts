import { beforeEach, expect, test } from "vitest";
import { ConsiliumError, type ErrorCode, exitCodeOf } from "../base/index.ts";
import { type CommandSpec, defineCommand } from "./command.ts";
import { option } from "./options.ts";
import type { ProgramSpec } from "./program.ts";
import { runCommandLine, type Surroundings } from "./run-command-line.ts";

let out = "";
let err = "";
let interrupt: ((signal: NodeJS.Signals) => void) | undefined;
const around: Surroundings = {
  launcher: "consilium.mjs",
  writeOut: (text) => {
    out += text;
  },
  err: {
    write: (text) => {
      err += text;
    },
    isTerminal: false,
    columns: 80,
  },
  debug: false,
  onInterrupt: (listener) => {
    interrupt = listener;
    return () => {
      interrupt = undefined;
    };
  },
};

const echo = defineCommand({
  path: ["say", "echo"],
  summary: "Repeat what was given",
  args: [{ name: "WORD", help: "what to repeat" }],
  options: {
    times: option.integerOr("how often", 1, { min: 1, max: 3 }),
    tone: option.oneOf("how", ["loud", "low"]),
    to: option.text("NAME", "to whom"),
    loudly: option.flag("as a switch"),
  },
  examples: ["consilium say echo hello --times 2"],
  run: async ({ args, options, progress }) => {
    progress.note("echoing");
    return { json: { args: [...args], ...options }, text: args.join(" ").repeat(options.times) };
  },
});

function failing(error: unknown): CommandSpec {
  return defineCommand({
    path: ["fail"],
    summary: "Fail",
    options: {},
    examples: [],
    run: () => Promise.reject(error),
  });
}

function programWith(...commands: CommandSpec[]): ProgramSpec {
  return { version: "1.2.3", summary: "A test", commands, groups: [{ path: ["say"], summary: "say things" }] };
}

beforeEach(() => {
  out = "";
  err = "";
});

test("an answer goes to standard output, progress to standard error", async () => {
  expect(await runCommandLine(programWith(echo), ["say", "echo", "hi", "--times", "2"], around)).toBe(0);
  expect([out, err]).toEqual(["hihi\n", "echoing\n"]);
});

test("with --json one document on one line; with --quiet nothing else", async () => {
  const words = ["say", "echo", "hi", "--to", "you", "--loudly", "--json", "--quiet"];
  expect(await runCommandLine(programWith(echo), words, around)).toBe(0);
  expect(JSON.parse(out)).toEqual({ args: ["hi"], times: 1, to: "you", loudly: true });
  expect(out.trimEnd()).not.toContain("\n");
  expect(err).toBe("");
});

test.each([
  ["an unknown option", ["say", "echo", "hi", "--tims", "2"], "unknown option '--tims'"],
  ["an unknown command", ["say", "ecko"], "unknown command 'ecko'"],
  ["a missing argument", ["say", "echo"], "missing required argument 'WORD'"],
  ["an argument too many", ["say", "echo", "a", "b"], "too many arguments"],
  ["an option without its value", ["say", "echo", "a", "--to"], ""],
  ["an option in place of a value", ["say", "echo", "a", "--to", "--loudly"], '"--loudly"'],
  ["a value out of range", ["say", "echo", "a", "--times", "4"], '"4"'],
  ["a fraction", ["say", "echo", "a", "--times", "1.5"], '"1.5"'],
  ["an empty value", ["say", "echo", "a", "--to", ""], '""'],
  ["none of the choices", ["say", "echo", "a", "--tone", "shrill"], '"shrill"'],
  ["no command", ["say"], "no command"],
])("%s is a usage error, in JSON too", async (_, words, actual) => {
  expect(await runCommandLine(programWith(echo), words, around)).toBe(2);
  expect(out).toBe("");
  expect(err).not.toBe("");
  expect(await runCommandLine(programWith(echo), [...words, "--json"], around)).toBe(2);
  const { error } = JSON.parse(out);
  expect(error).toMatchObject({ code: "usage", subject: expect.stringMatching(/^consilium say/) });
  expect(error.actual).toContain(actual);
  expect(error.hint).toContain("--help");
});

test.each(["internal", "file-corrupt", "study-refused", "unreachable"] as const)(
  "a failure of code %s",
  async (code: ErrorCode) => {
    const error = new ConsiliumError(code, { subject: "x.nii", expected: "a", actual: "b", hint: "Do c." });
    expect(await runCommandLine(programWith(failing(error)), ["fail"], around)).toBe(exitCodeOf(code));
    expect([out, err]).toEqual(["", `consilium: x.nii: expected a, got b [${code}]\n  Do c.\n`]);
    err = "";
    expect(await runCommandLine(programWith(failing(error)), ["fail", "--json"], around)).toBe(exitCodeOf(code));
    expect(JSON.parse(out)).toEqual({ error: { code, subject: "x.nii", expected: "a", actual: "b", hint: "Do c." } });
    expect(err).toBe("");
  },
);

test.each([
  [Object.assign(new Error("x"), { code: "ENOSPC", path: "out", syscall: "write" }), "disk-full", 1],
  [Object.assign(new Error("x"), { code: "ENOENT", path: "in", syscall: "open" }), "file-not-found", 3],
  [Object.assign(new Error("x"), { code: "ECONNREFUSED", syscall: "connect" }), "unreachable", 5],
  [new TypeError("undefined is not a function"), "internal", 1],
  ["a thrown text", "internal", 1],
])("%s becomes %s", async (thrown, code, exitCode) => {
  expect(await runCommandLine(programWith(failing(thrown)), ["fail", "--json"], around)).toBe(exitCode);
  expect(JSON.parse(out).error.code).toBe(code);
});

test("the stack is shown in debug only", async () => {
  const program = programWith(failing(new TypeError("deep down")));
  await runCommandLine(program, ["fail"], around);
  expect(err).not.toContain("    at ");
  await runCommandLine(program, ["fail"], { ...around, debug: true });
  expect(err).toContain("TypeError: deep down\n    at ");
});

test("an interrupt lets the command put its things in order, and ends with 130", async () => {
  let tidied = false;
  const patient = defineCommand({
    path: ["wait"],
    summary: "Wait",
    options: {},
    examples: [],
    run: ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          tidied = true;
          reject(new Error("some consequence"));
        });
      }),
  });
  const ending = runCommandLine(programWith(patient), ["wait", "--json"], around);
  interrupt?.("SIGINT");
  expect(await ending).toBe(130);
  expect(tidied).toBe(true);
  expect(JSON.parse(out).error).toMatchObject({ code: "interrupted", actual: "SIGINT" });
  expect(interrupt).toBeUndefined();
});

test("a second interrupt does not wait for a command that hangs", async () => {
  const hanging = defineCommand({
    path: ["hang"],
    summary: "Hang",
    options: {},
    examples: [],
    run: () => new Promise(() => {}),
  });
  const ending = runCommandLine(programWith(hanging), ["hang"], around);
  interrupt?.("SIGTERM");
  interrupt?.("SIGTERM");
  expect(await ending).toBe(130);
});

test("help and version", async () => {
  expect(await runCommandLine(programWith(echo), ["--version"], around)).toBe(0);
  expect(out).toBe("1.2.3\n");
  out = "";
  expect(await runCommandLine(programWith(echo), ["say", "echo", "--help", "--json"], around)).toBe(0);
  expect(JSON.parse(out).help).toContain("--times <N>");
});

const looping = defineCommand({
  path: ["next"],
  summary: "Show twice",
  options: {},
  examples: [],
  run: async ({ show }) => {
    show({ turn: 1 }, "one");
    show({ turn: 2 }, "two");
    return { json: { turn: 3 }, text: "three" };
  },
});

test("what is shown before the end: lines, documents, or a screen that is drawn again", async () => {
  expect(await runCommandLine(programWith(looping), ["next"], around)).toBe(0);
  expect(out).toBe("one\n\ntwo\n\nthree\n");
  out = "";
  await runCommandLine(programWith(looping), ["next", "--json"], around);
  expect(
    out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).turn),
  ).toEqual([1, 2, 3]);
  out = "";
  await runCommandLine(programWith(looping), ["next"], { ...around, outIsTerminal: true });
  expect(out).toBe("\x1b[H\x1b[2Jone\n\x1b[H\x1b[2Jtwo\nthree\n");
});

test("no command at all is what to do next, where the program has that", async () => {
  expect(await runCommandLine(programWith(looping), ["--quiet"], around)).toBe(0);
  expect(out).toContain("three");
  expect(await runCommandLine(programWith(echo), [], around)).toBe(2);
});
