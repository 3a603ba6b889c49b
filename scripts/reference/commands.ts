/** The reference of commands, from the very records that parse them. */
import { type CommandSpec, commandName } from "../../src/cli/command.ts";
import { COMMANDS, GROUPS } from "../../src/cli/commands/index.ts";
import { longFlag } from "../../src/cli/options.ts";

export function commandsPage(): string {
  const alone = COMMANDS.filter(({ path }) => path.length === 1);
  const groups = GROUPS.map(({ path, summary }) => ({
    title: `consilium ${path.join(" ")}`,
    summary,
    commands: COMMANDS.filter((command) => command.path.length > 1 && command.path[0] === path[0]),
  }));
  return `# Commands

${COMMANDS.length} commands. Every one takes \`--json\` (one document on standard output, for failures too), \`--quiet\`
(no progress) and \`--help\`. Exit codes: 0 done, 1 failed, 2 usage, 3 bad input, 4 refused by policy, 5 unreachable, 130
interrupted; [errors](ERRORS.md) have codes of their own.

${alone.map(section).join("\n")}
${groups.map(({ title, summary, commands }) => `## ${title}\n\n${summary}.\n\n${commands.map(section).join("\n")}`).join("\n")}`;
}

function section({ path, summary, description, args = [], options, examples }: CommandSpec): string {
  const usage = [commandName(path), ...args.map(({ name, optional }) => (optional ? `[${name}]` : `<${name}>`))];
  const rows = [
    ...args.map(({ name, help }) => `| \`${name}\` | ${cell(help)} |`),
    ...Object.entries(options).map(([name, { placeholder, help, defaultText }]) => {
      const flag = placeholder === undefined ? longFlag(name) : `${longFlag(name)} ${placeholder}`;
      return `| \`${cell(flag)}\` | ${cell(help)}${defaultText === undefined ? "" : ` (default: ${cell(defaultText)})`} |`;
    }),
  ];
  return `${path.length > 1 ? "###" : "##"} ${commandName(path)}

${summary}.${description === undefined ? "" : ` ${description}`}

    ${[...usage, ...(Object.keys(options).length > 0 ? ["[options]"] : [])].join(" ")}

${rows.length === 0 ? "" : `| | |\n| --- | --- |\n${rows.join("\n")}\n\n`}For example:

${examples.map((example) => `    ${example}`).join("\n")}
`;
}

/** As a cell of a table: a bar would end it. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
