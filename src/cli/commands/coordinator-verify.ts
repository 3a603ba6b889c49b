/** `coordinator verify`: the whole journal, record by record, with every signature. */
import type { Json } from "../../base/index.ts";
import type { JournalHead } from "../../coordinator/index.ts";
import { defineCommand } from "../command.ts";
import { countOf } from "../format.ts";
import { option } from "../options.ts";

export const coordinatorVerify = defineCommand({
  path: ["coordinator", "verify"],
  summary: "Check the whole journal",
  description:
    "Reads every record: the chain of digests, what follows from each event, every site's signature, snapshots, and " +
    "the heads that sites countersigned. A start checks only what came after the last snapshot. Changes nothing, and " +
    "may run beside the coordinator. With --head, records that sites were told of must be there: `consilium site " +
    "status --json` shows a site's, as journalHead.",
  options: {
    home: option.requiredText("DIR", "the coordinator's home folder"),
    head: option.parsed("N:SHA256", "records that sites keep, with commas between them", parseHeads),
  },
  examples: ["consilium coordinator verify --home coordinator"],
  async run({ options }) {
    const { verifyHome } = await import("../../coordinator/index.ts");
    const audit = await verifyHome(options.home, options.head ?? []);
    const { records, head, signatures, snapshots, countersigned } = audit;
    const heads = countersigned.map(({ siteId, number }) => `${siteId} ${number}`).join(", ");
    return {
      json: audit as unknown as Json,
      text: [
        `${countOf(records, "record")}, whole: each in its place in the chain, each accepted by the state before it.`,
        `Head: record ${head.number}, SHA-256 ${head.sha256}`,
        `${countOf(signatures, "message")} of sites, each under the site's own signature.`,
        `${countOf(snapshots.length, "snapshot")} compared with the state that the records lead to.`,
        `Last records that sites countersigned: ${heads || "none"}`,
      ].join("\n"),
    };
  },
});

function parseHeads(typed: string): readonly JournalHead[] {
  return typed.split(",").map((each) => {
    const match = /^(\d{1,15}):([0-9a-f]{64})$/.exec(each.trim());
    if (match === null) throw new RangeError("NUMBER:SHA256, as `site status --json` shows them");
    return { number: Number(match[1]), sha256: match[2] };
  });
}
