/** Entry of the command line: wires the commands to this process's streams, signals and exit code. */
import packageFile from "../../package.json" with { type: "json" };
import { COMMANDS, GROUPS } from "./commands/index.ts";
import { runCommandLine } from "./run-command-line.ts";

export interface MainOptions {
  /** Path of the file that was started, so that commands can start others. */
  readonly launcher: string;
}

/** Runs one command line and ends the process with its exit code. */
export async function main(argv: readonly string[], { launcher }: MainOptions): Promise<void> {
  const program = {
    version: packageFile.version,
    summary: packageFile.description,
    commands: COMMANDS,
    groups: GROUPS,
  };
  // A reader that went away (`consilium ... | head`) is no failure.
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});
  const exitCode = await runCommandLine(program, argv, {
    launcher,
    writeOut: (text) => process.stdout.write(text),
    outIsTerminal: process.stdout.isTTY === true,
    err: {
      write: (text) => process.stderr.write(text),
      isTerminal: process.stderr.isTTY === true,
      columns: process.stderr.columns ?? 80,
    },
    debug: Boolean(process.env.CONSILIUM_DEBUG),
    onInterrupt: (listener) => {
      process.on("SIGINT", listener);
      process.on("SIGTERM", listener);
      return () => {
        process.off("SIGINT", listener);
        process.off("SIGTERM", listener);
      };
    },
  });
  // What was written is flushed before the end; idle threads and connections do not hold the process.
  await new Promise((resolve) => process.stdout.write("", resolve));
  await new Promise((resolve) => process.stderr.write("", resolve));
  process.exit(exitCode);
}
