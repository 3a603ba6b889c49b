/** What a command is: a record that help, parsing, tests of all commands and the runner read alike. */
import type { Json } from "../base/index.ts";
import type { OptionSpecs, OptionValues } from "./options.ts";
import type { Progress } from "./progress.ts";

export interface ArgumentSpec {
  /** In help: `<DIR>`, or `[DIR]` where it may be left out. */
  readonly name: string;
  readonly help: string;
  readonly optional?: boolean;
}

export interface Invocation<O extends OptionSpecs = OptionSpecs> {
  readonly options: OptionValues<O>;
  /** As typed; as many as the command's required arguments at least. */
  readonly args: readonly string[];
  /** Progress and notes on standard error. */
  readonly progress: Progress;
  /** Standard output before the command has ended: a document a line with --json, a screen on a terminal. */
  readonly show: (json: Json, text: string) => void;
  /** Aborted by an interrupt, with a ConsiliumError `interrupted` as its reason. */
  readonly signal: AbortSignal;
  /** Of the product. */
  readonly version: string;
  /** Path of the launcher, for commands that start others as processes. */
  readonly launcher: string;
}

export interface CommandResult {
  /** The one document on standard output with --json. */
  readonly json: Json;
  /** Standard output otherwise, without the last line's end. */
  readonly text: string;
  /** Where the work was done and its answer is no (a dataset with problems): 0 if left out. */
  readonly exitCode?: number;
}

export interface CommandSpec<O extends OptionSpecs = OptionSpecs> {
  /** Words after `consilium`. */
  readonly path: readonly string[];
  /** One line for lists of commands. */
  readonly summary: string;
  /** A paragraph or two for the command's own help. */
  readonly description?: string;
  readonly args?: readonly ArgumentSpec[];
  readonly options: O;
  /** Whole command lines, without the prompt. */
  readonly examples: readonly string[];
  readonly run: (invocation: Invocation<O>) => Promise<CommandResult>;
}

/** Keeps the types of a command's options while the record is written down. */
export function defineCommand<const O extends OptionSpecs>(spec: CommandSpec<O>): CommandSpec {
  return spec as unknown as CommandSpec;
}

export function commandName(path: readonly string[]): string {
  return ["consilium", ...path].join(" ");
}
