/**
 * Completion scripts for shells, written out of the records of commands: everything is in the script, so that a press
 * of the tabulator starts no process.
 */
import { type CommandSpec, commandName } from "./command.ts";
import { longFlag } from "./options.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

const COMMON = ["--json", "--quiet", "--help"];

export function completionScript(shell: Shell, commands: readonly CommandSpec[]): string {
  switch (shell) {
    case "bash":
      return bashScript(commands);
    case "zsh":
      return `autoload -U +X bashcompinit && bashcompinit\n${bashScript(commands)}`;
    case "fish":
      return fishScript(commands);
    default:
      return shell satisfies never;
  }
}

/** Words that may follow after some words of a command: its options, or the groups' and commands' names. */
function wordsAfter(commands: readonly CommandSpec[]): ReadonlyMap<string, readonly string[]> {
  const after = new Map<string, string[]>();
  const add = (path: readonly string[], word: string): void => {
    const key = path.join(" ");
    const words = after.get(key) ?? [];
    if (!words.includes(word)) after.set(key, [...words, word]);
  };
  for (const { path, options } of commands) {
    path.forEach((word, i) => add(path.slice(0, i), word));
    for (const name of Object.keys(options)) add(path, longFlag(name));
    for (const flag of COMMON) add(path, flag);
  }
  return after;
}

/** Values are completed as files, or as the words that an option lists. */
function valuesOf(commands: readonly CommandSpec[]): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, readonly string[]>();
  for (const { options } of commands) {
    for (const [name, { placeholder }] of Object.entries(options)) {
      if (placeholder !== undefined)
        values.set(longFlag(name), placeholder.includes("|") ? placeholder.split("|") : []);
    }
  }
  return values;
}

function bashScript(commands: readonly CommandSpec[]): string {
  const cases = [...wordsAfter(commands)].map(([path, words]) => `    "${path}") words="${words.join(" ")}" ;;`);
  const listed = [...valuesOf(commands)].map(([flag, words]) =>
    words.length > 0
      ? `    ${flag}) COMPREPLY=($(compgen -W "${words.join(" ")}" -- "$word")); return ;;`
      : `    ${flag}) COMPREPLY=($(compgen -f -- "$word")); return ;;`,
  );
  return `# consilium completion bash
_consilium() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" path="" words="" i
  case "$before" in
${listed.join("\n")}
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
      -*) break ;;
      *) path="\${path:+$path }\${COMP_WORDS[i]}" ;;
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$word"))
}
complete -o filenames -F _consilium consilium
`;
}

function fishScript(commands: readonly CommandSpec[]): string {
  const lines = commands.flatMap(({ path, summary, options }) => {
    const parents = path.slice(0, -1);
    const seen = (words: readonly string[]): string =>
      words.map((word) => `__fish_seen_subcommand_from ${word}`).join("; and ");
    const offered = parents.length === 0 ? "__fish_use_subcommand" : seen(parents);
    return [
      `complete -c consilium -f -n '${offered}' -a '${path.at(-1)}' -d '${quoted(summary)}'`,
      ...Object.entries(options).map(([name, { help, placeholder }]) => {
        const value =
          placeholder === undefined
            ? ""
            : placeholder.includes("|")
              ? ` -x -a '${placeholder.replaceAll("|", " ")}'`
              : " -r";
        return `complete -c consilium -n '${seen(path)}' -l '${longFlag(name).slice(2)}'${value} -d '${quoted(help)}'`;
      }),
    ];
  });
  const groups = [...new Set(commands.filter(({ path }) => path.length > 1).map(({ path }) => path[0]))];
  return [
    "# consilium completion fish",
    ...groups.map(
      (group) => `complete -c consilium -f -n '__fish_use_subcommand' -a '${group}' -d '${commandName([group])} ...'`,
    ),
    ...lines,
    "",
  ].join("\n");
}

function quoted(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("'", "\\'");
}
