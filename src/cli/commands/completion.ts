/** `completion`: a script that teaches a shell this program's commands and options. */
import { type CommandSpec, defineCommand } from "../command.ts";
import { completionScript, SHELLS } from "../completion.ts";
import { option } from "../options.ts";

/** @param commands all others; asked for when it runs */
export function defineCompletion(commands: () => readonly CommandSpec[]): CommandSpec {
  return defineCommand({
    path: ["completion"],
    summary: "Print a script that completes commands in a shell",
    description:
      "Add its output to the shell's start: `source <(consilium completion)` in ~/.bashrc, `source <(consilium " +
      "completion --shell zsh)` in ~/.zshrc, `consilium completion --shell fish | source` in fish's config.",
    options: { shell: option.oneOf("whose script (default: bash)", SHELLS) },
    examples: ["consilium completion", "consilium completion --shell zsh"],
    async run({ options }) {
      const shell = options.shell ?? "bash";
      const script = completionScript(shell, commands());
      return { json: { shell, script }, text: script.trimEnd() };
    },
  });
}
