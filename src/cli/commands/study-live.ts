/** `study begin`, `pause`, `resume`, `change` and `stop`: what may be done to a study while it runs, with a reason for its sites. */
import { ConsiliumError, type Json } from "../../base/index.ts";
import type { AdminClient } from "../../coordinator/index.ts";
import { defineCommand } from "../command.ts";
import { describeChange } from "../live-change.ts";
import { option } from "../options.ts";

const AT_THE_NEXT_QUESTION = "sites are told at their next question.";
const common = {
  home: option.requiredText("DIR", "the coordinator's home folder"),
  reason: option.requiredText("TEXT", "why, as sites are told"),
};

export const studyBegin = defineCommand({
  path: ["study", "begin"],
  summary: "Begin the first round without the sites that have not decided",
  description: "Sites that approve the study later take part from then on.",
  options: common,
  examples: ['consilium study begin --home coordinator --reason "two boards meet next month"'],
  async run({ options }) {
    await (await client(options.home)).changeStudy({ kind: "study-begun", reason: options.reason });
    return { json: { begun: true }, text: `Begun; ${AT_THE_NEXT_QUESTION}` };
  },
});

export const studyPause = defineCommand({
  path: ["study", "pause"],
  summary: "Pause the study underway",
  description:
    "No new work begins and no deadline passes until the study is resumed. What sites have begun they finish and send, " +
    "and it counts.",
  options: common,
  examples: ['consilium study pause --home coordinator --reason "scanner upgrade at two sites"'],
  async run({ options }) {
    await (await client(options.home)).changeStudy({ kind: "study-paused", reason: options.reason });
    return { json: { paused: true }, text: `Paused; ${AT_THE_NEXT_QUESTION}` };
  },
});

export const studyResume = defineCommand({
  path: ["study", "resume"],
  summary: "Resume a paused study",
  options: common,
  examples: ['consilium study resume --home coordinator --reason "both scanners are back"'],
  async run({ options }) {
    await (await client(options.home)).changeStudy({ kind: "study-resumed", reason: options.reason });
    return { json: { resumed: true }, text: `Resumed; ${AT_THE_NEXT_QUESTION}` };
  },
});

export const studyChange = defineCommand({
  path: ["study", "change"],
  summary: "Change deadline, quorum or rounds of the study underway",
  description:
    "The round underway follows the new rules at once. Rounds may become fewer, and again as many as the reviewers " +
    "approved; for more, submit a study that starts from this one's model.",
  options: {
    ...common,
    deadline: option.number("S", "seconds that a round may take", { min: 1 }),
    quorum: option.parsed("N|all", "updates that close a round at its deadline", parseQuorum),
    rounds: option.integer("rounds in all", { min: 1 }),
  },
  examples: ['consilium study change --home coordinator --deadline 172800 --reason "the largest site needs two days"'],
  async run({ options }) {
    const { home, reason, deadline, quorum, rounds } = options;
    const rules = {
      ...(deadline !== undefined && { deadlineS: deadline }),
      ...(quorum !== undefined && { quorum }),
      ...(rounds !== undefined && { rounds }),
    };
    if (Object.keys(rules).length === 0) {
      throw new ConsiliumError("usage", {
        subject: "consilium study change",
        expected: "--deadline, --quorum or --rounds",
        actual: "none of them",
        hint: "See `consilium study change --help`.",
      });
    }
    await (await client(home)).changeStudy({ kind: "study-changed", reason, ...rules });
    const words = describeChange({ kind: "Changed", reason, ...rules });
    return { json: { changed: rules as Json }, text: `${words}; ${AT_THE_NEXT_QUESTION}` };
  },
});

export const studyStop = defineCommand({
  path: ["study", "stop"],
  summary: "End the study underway before its time",
  options: common,
  examples: ["consilium study stop --home coordinator --reason superseded"],
  async run({ options }) {
    await (await client(options.home)).stopStudy(options.reason);
    return { json: { stopped: true }, text: `Stopped; ${AT_THE_NEXT_QUESTION}` };
  },
});

async function client(home: string): Promise<AdminClient> {
  const { adminClient } = await import("../../coordinator/index.ts");
  return adminClient(home);
}

function parseQuorum(typed: string): number | "all" {
  if (typed === "all") return typed;
  const sites = Number(typed);
  if (Number.isSafeInteger(sites) && sites >= 1) return sites;
  throw new RangeError("a number of sites, or all");
}
