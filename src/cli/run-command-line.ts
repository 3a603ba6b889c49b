/**
 * One command line from its words to its exit code: parses, runs, and prints. Standard output carries the answer
 * and nothing else (with --json one document on one line, for failures too); everything else goes to standard error.
 */
import type { Json } from "../base/index.ts";
import type { CommandResult } from "./command.ts";
import { describeError, interrupted, toConsiliumError } from "./errors.ts";
import { type Parsed, type ProgramSpec, parseCommandLine } from "./program.ts";
import { createProgress, type ProgressOutput, silentProgress } from "./progress.ts";

/** How long an interrupted command may take to put its things in order: an engine finishes the step that runs. */
const FAREWELL_MS = 120_000;

const NEXT = ["next"];
/** Home, and away with all that is on the screen. */
const CLEAR = "\x1b[H\x1b[2J";

export interface Surroundings {
  readonly launcher: string;
  readonly writeOut: (text: string) => void;
  /** Whether standard output is a terminal: what is shown again then takes the place of what was. */
  readonly outIsTerminal?: boolean;
  readonly err: ProgressOutput;
  readonly debug: boolean;
  /** Calls back on each interrupt; returns a function that stops listening. */
  readonly onInterrupt: (listener: (signal: NodeJS.Signals) => void) => () => void;
}

/** @returns the exit code; never throws. */
export async function runCommandLine(
  program: ProgramSpec,
  argv: readonly string[],
  around: Surroundings,
): Promise<number> {
  // Before anything is parsed, so that a command line that does not parse is answered in JSON too.
  const json = argv.slice(0, argv.includes("--") ? argv.indexOf("--") : undefined).includes("--json");
  const print = (document: Json, text: string): void => around.writeOut(`${json ? JSON.stringify(document) : text}\n`);
  try {
    const parsed = parseCommandLine(program, isBare(program, argv) ? [...NEXT, ...argv] : argv);
    if (parsed.kind === "help") {
      print({ help: parsed.text }, parsed.text);
      return 0;
    }
    if (parsed.kind === "incomplete") {
      if (json) throw parsed.error;
      around.err.write(`${parsed.text}\n`);
      return parsed.error.exitCode;
    }
    const result = await runInterruptibly(parsed, program.version, around);
    print(result.json, result.text);
    return result.exitCode ?? 0;
  } catch (thrown) {
    const error = toConsiliumError(thrown);
    if (json) around.writeOut(`${JSON.stringify({ error: error.toJSON() })}\n`);
    if (!json || around.debug) around.err.write(`${describeError(error, around.debug)}\n`);
    return error.exitCode;
  }
}

/** No command and no question, only how to answer: then what to do next is shown. */
function isBare({ commands }: ProgramSpec, argv: readonly string[]): boolean {
  const offered = commands.some(({ path }) => path.join(" ") === NEXT.join(" "));
  return offered && argv.every((word) => ["--json", "--quiet", "-q"].includes(word));
}

/** The command's result, or the interrupt's error as soon as the command has put its things in order. */
async function runInterruptibly(
  parsed: Parsed & { kind: "run" },
  version: string,
  around: Surroundings,
): Promise<CommandResult> {
  const controller = new AbortController();
  const progress = parsed.common.quiet ? silentProgress : createProgress(around.err);
  let giveUp: ((error: unknown) => void) | undefined;
  const givenUp = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  let timer: NodeJS.Timeout | undefined;
  const stopListening = around.onInterrupt((signal) => {
    const reason = interrupted(signal);
    if (controller.signal.aborted) return giveUp?.(reason);
    controller.abort(reason);
    timer = setTimeout(() => giveUp?.(reason), FAREWELL_MS);
  });
  try {
    const { spec, given } = parsed;
    const show = (document: Json, text: string): void => {
      if (parsed.common.json) {
        around.writeOut(`${JSON.stringify(document)}\n`);
        return;
      }
      around.writeOut(around.outIsTerminal ? `${CLEAR}${text}\n` : `${text}\n\n`);
    };
    const { launcher } = around;
    const invocation = { ...given, progress, signal: controller.signal, version, launcher, show };
    return await Promise.race([spec.run(invocation), givenUp]);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    clearTimeout(timer);
    stopListening();
    progress.end();
  }
}
