/** `study plan`: what the study underway, or the last one, does, in words. */
import type { Json } from "../../base/index.ts";
import { defineCommand } from "../command.ts";
import { option } from "../options.ts";
import { changesSection } from "../study-changes.ts";

export const studyPlan = defineCommand({
  path: ["study", "plan"],
  summary: "Say in words what the study underway does, and what changed since the one before it",
  description:
    "As its sites' reviewers read it; of the last study where none is underway. Reads the journal, changes nothing, and " +
    "may run beside the coordinator.",
  options: { home: option.requiredText("DIR", "the coordinator's home folder") },
  examples: ["consilium study plan --home coordinator"],
  async run({ options }) {
    const { withState } = await import("../../coordinator/index.ts");
    const { submittedPlan } = await import("../../console/index.ts");
    const plan = await withState(options.home, async ({ state }) => submittedPlan(state()));
    if (plan === null) return { json: { plan: null }, text: "No study was submitted yet." };
    return {
      json: { plan } as unknown as Json,
      text: [plan.text, changesSection(plan.before), `Hash of the study: ${plan.hash}`].join("\n\n"),
    };
  },
});
