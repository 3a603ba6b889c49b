/**
 * Turns the records of commands into a parser (commander) that neither prints nor exits by itself: it answers with
 * a command to run, a help text, or a usage error.
 */
import { Command, CommanderError, Option } from "commander";
import { ConsiliumError } from "../base/index.ts";
import { type CommandSpec, commandName, type Invocation } from "./command.ts";
import { longFlag, readOptions } from "./options.ts";

export interface GroupSpec {
  readonly path: readonly string[];
  readonly summary: string;
}

export interface ProgramSpec {
  readonly version: string;
  readonly summary: string;
  /** In the order of help. */
  readonly commands: readonly CommandSpec[];
  readonly groups: readonly GroupSpec[];
}

export interface CommonOptions {
  readonly json: boolean;
  readonly quiet: boolean;
}

export type Parsed =
  | {
      readonly kind: "run";
      readonly spec: CommandSpec;
      readonly given: Pick<Invocation, "options" | "args">;
      readonly common: CommonOptions;
    }
  | { readonly kind: "help"; readonly text: string }
  /** A group without a command: people are shown its help, programs the error. */
  | { readonly kind: "incomplete"; readonly text: string; readonly error: ConsiliumError };

/** @throws ConsiliumError `usage` */
export function parseCommandLine(program: ProgramSpec, argv: readonly string[]): Parsed {
  let printed = "";
  let parsed: Parsed | undefined;
  const root = buildCommander(program, (run) => {
    parsed = run;
  });
  const capture = (text: string): void => {
    printed += text;
  };
  configureAll(root, (command) => {
    command.exitOverride().configureOutput({ writeOut: capture, writeErr: capture, outputError: () => {} });
  });
  try {
    root.parse([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.helpDisplayed" || error.code === "commander.version") {
      return { kind: "help", text: printed.trimEnd() };
    }
    const problem = usageError(error, program, argv);
    if (error.code === "commander.help") return { kind: "incomplete", text: printed.trimEnd(), error: problem };
    throw problem;
  }
  if (parsed === undefined) throw new Error("a command line was parsed to nothing");
  return parsed;
}

function buildCommander(program: ProgramSpec, onRun: (run: Parsed) => void): Command {
  const root = new Command("consilium")
    .description(program.summary)
    .version(program.version, "-V, --version", "print the version");
  addCommonOptions(root.helpOption("-h, --help", "print help").helpCommand(false));
  root.addHelpText("after", "\nEvery command has its own help: consilium train --help");
  const groups = new Map<string, Command>();
  const groupOf = (words: string): Command => {
    const known = groups.get(words);
    if (known !== undefined) return known;
    const summary = program.groups.find(({ path }) => path.join(" ") === words)?.summary ?? "";
    const group = root
      .command(words)
      .summary(summary)
      .description(`${summary}.`)
      .helpOption("-h, --help", "print this help");
    groups.set(words, addCommonOptions(group.helpCommand(false)));
    return group;
  };
  for (const spec of program.commands) {
    const words = spec.path.slice(0, -1).join(" ");
    const parent = words === "" ? root : groupOf(words);
    addCommand(parent.command(spec.path.at(-1) ?? ""), spec, onRun);
  }
  return root;
}

function addCommand(command: Command, spec: CommandSpec, onRun: (run: Parsed) => void): void {
  command
    .summary(spec.summary)
    .description(spec.description ? `${spec.summary}.\n\n${spec.description}` : `${spec.summary}.`);
  command.helpOption("-h, --help", "print this help").allowExcessArguments(false).showSuggestionAfterError(true);
  for (const { name, help, optional } of spec.args ?? []) command.argument(optional ? `[${name}]` : `<${name}>`, help);
  for (const [name, { placeholder, help, defaultText }] of Object.entries(spec.options)) {
    const text = defaultText === undefined ? help : `${help} (default: ${defaultText})`;
    command.addOption(
      new Option(placeholder === undefined ? longFlag(name) : `${longFlag(name)} <${placeholder}>`, text),
    );
  }
  addCommonOptions(command);
  const examples = spec.examples.map((example) => `  $ ${example}`).join("\n");
  command.addHelpText("after", `\n${spec.examples.length > 1 ? "Examples" : "Example"}:\n${examples}`);
  command.action(() => {
    const { json, quiet, ...typed } = command.optsWithGlobals<Record<string, string | boolean | undefined>>();
    const options = readOptions(spec.options, typed, commandName(spec.path));
    onRun({
      kind: "run",
      spec,
      given: { options, args: command.args },
      common: { json: json === true, quiet: quiet === true },
    });
  });
}

function addCommonOptions(command: Command): Command {
  return command
    .option("--json", "print one JSON document, also for failures")
    .option("-q, --quiet", "print no progress");
}

function configureAll(command: Command, configure: (command: Command) => void): void {
  configure(command);
  for (const child of command.commands) configureAll(child, configure);
}

function usageError(error: CommanderError, program: ProgramSpec, argv: readonly string[]): ConsiliumError {
  const words = argv.filter((word) => !word.startsWith("-"));
  const known = [...program.commands, ...program.groups].map(({ path }) => path);
  const command = known
    .filter((path) => path.every((word, i) => words[i] === word))
    .reduce<readonly string[]>((longest, path) => (path.length > longest.length ? path : longest), []);
  const message = error.code === "commander.help" ? "no command" : error.message.replace(/^error: /, "");
  const [problem, suggestion] = message.split("\n");
  return new ConsiliumError("usage", {
    subject: commandName(command),
    expected: "a command line as its help shows",
    actual: problem.replace(/[.]$/, ""),
    hint: `${suggestion ? `${suggestion.replace(/^\(|\)$/g, "")} ` : ""}See \`${commandName(command)} --help\`.`,
  });
}
