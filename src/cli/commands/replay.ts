/** `replay`: aggregation again, from the journal and the objects that are kept. */
import type { Json } from "../../base/index.ts";
import type { Replay, ReplayedRound } from "../../coordinator/index.ts";
import { defineCommand } from "../command.ts";
import { countOf, formatTable } from "../format.ts";
import { option } from "../options.ts";
import { short } from "../site-events.ts";

const EXIT_DIFFERENT = 1;

export const replay = defineCommand({
  path: ["replay"],
  summary: "Aggregate a federation's rounds again, and compare",
  description:
    "Sums the updates of every round whose objects are kept (the study's `retain`) and compares the model, the total " +
    "weight and the shares with what the journal says. Rounds that cannot be checked are named. Changes nothing, and may " +
    "run beside the coordinator. Ends with exit code 1 where a round differs.",
  options: { home: option.requiredText("DIR", "the coordinator's home folder") },
  examples: ["consilium replay --home coordinator"],
  async run({ options, progress }) {
    const { replayAggregates } = await import("../../coordinator/index.ts");
    let done = 0;
    const replayed = await replayAggregates(options.home, () => progress.update({ label: "Replaying", done: ++done }));
    const different = replayed.rounds.some(({ outcome }) => outcome === "different");
    return {
      json: replayed as unknown as Json,
      text: describeReplay(replayed),
      exitCode: different ? EXIT_DIFFERENT : 0,
    };
  },
});

function describeReplay({ records, rounds }: Replay): string {
  const read = `${countOf(records, "record")} read, each in its place in the chain.`;
  if (rounds.length === 0) return `${read}\nNo round has become a model yet.`;
  const rows = rounds.map(({ study, round, modelSha256, outcome, why }) => [
    study,
    String(round),
    short(modelSha256),
    outcome,
    why,
  ]);
  const tally = (["equal", "different", "unchecked"] as const).map(
    (outcome) => `${rounds.filter((round: ReplayedRound) => round.outcome === outcome).length} ${outcome}`,
  );
  return [read, "", formatTable(["Study", "Round", "Model", "Again", "Why"], rows), "", `${tally.join(", ")}.`].join(
    "\n",
  );
}
