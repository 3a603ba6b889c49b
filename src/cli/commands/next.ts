/** `next`, which `consilium` alone is too: what to do next with the homes in this folder. */
import type { Json } from "../../base/index.ts";
import { defineCommand } from "../command.ts";
import { type NextStep, nextSteps } from "../next-steps.ts";

export const next = defineCommand({
  path: ["next"],
  summary: "Show what to do next here",
  description:
    "Looks at the homes of coordinators and sites in this folder, or at the one that is given, and shows where each " +
    "stands and the command that goes on from there. `consilium` without a command does the same.",
  args: [{ name: "DIR", help: "a home, or a folder that holds homes (default: this folder)", optional: true }],
  options: {},
  examples: ["consilium next", "consilium next coordinator"],
  async run({ args }) {
    const steps = await nextSteps(args[0] ?? ".");
    return { json: { steps: steps as unknown as Json }, text: steps.map(describeStep).join("\n\n") };
  },
});

function describeStep({ about, state, commands }: NextStep): string {
  return [`${about}: ${state}`, ...commands.map((command) => `  ${command}`)].join("\n");
}
