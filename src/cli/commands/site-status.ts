/** `site status` and `site log`: where a hospital stands, and every byte that left it. */
import type { Json } from "../../base/index.ts";
import type { SiteStatus } from "../../site/index.ts";
import { defineCommand } from "../command.ts";
import { countOf, formatBytes, formatFigure, formatTable } from "../format.ts";
import { describeChange } from "../live-change.ts";
import { option } from "../options.ts";
import { besideOthers, short } from "../site-events.ts";

export const siteStatus = defineCommand({
  path: ["site", "status"],
  summary: "Show where this site stands",
  options: { home: option.requiredText("DIR", "this site's home folder") },
  examples: ["consilium site status --home site"],
  async run({ options }) {
    const site = await import("../../site/index.ts");
    const status = await site.siteStatus(options.home);
    return { json: status as unknown as Json, text: describeStatus(status) };
  },
});

export const siteLog = defineCommand({
  path: ["site", "log"],
  summary: "List everything that left this site",
  description: "Verifies the log's chain of digests first: a line that was changed or removed is an error.",
  options: {
    home: option.requiredText("DIR", "this site's home folder"),
    what: option.text("KIND", 'only this: "update", "evaluation figures", ...'),
    study: option.text("HASH", "only what was about this study; 8 digits are enough"),
  },
  examples: ["consilium site log --home site", "consilium site log --home site --what update --study 4f1c22d0"],
  async run({ options }) {
    const { matchingLog, readSiteLog } = await import("../../site/index.ts");
    const { home, what = "", study = "" } = options;
    const entries = matchingLog(await readSiteLog(home), { what, study });
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    const rows = entries.map(({ timeMs, what, round, bytes: size, sha256, count }) => [
      new Date(timeMs).toISOString().slice(0, 19).replace("T", " "),
      count === undefined ? what : `${what} (${count})`,
      round === 0 ? "" : String(round),
      formatBytes(size),
      short(sha256),
    ]);
    const total = `${countOf(entries.length, "line")}, ${formatBytes(bytes)}; the chain holds.`;
    return {
      json: { entries: entries as unknown as Json, bytes },
      text: `${formatTable(["Time (UTC)", "What", "Round", "Size", "SHA-256"], rows)}\n\n${total}`,
    };
  },
});

function describeStatus({ siteId, membership, running, data, studies, left }: SiteStatus): string {
  const cases =
    data === undefined
      ? "no data registered"
      : `${data.training} training and ${countOf(data.validation, "validation case")}${data.excluded > 0 ? `, ${data.excluded} left out` : ""}`;
  const rows = studies.map(({ studyHash, name, decision, round, updateMade, evaluation, end, paused }) => [
    name,
    short(studyHash),
    decision,
    round === undefined ? "–" : `${round}${updateMade ? ", update made" : ", training"}`,
    evaluation === undefined
      ? "–"
      : evaluation.regions
          .map(
            ({ region, diceSum, diceCases }) =>
              `${region} ${formatFigure(diceCases === 0 ? null : diceSum / diceCases)}`,
          )
          .join(", "),
    end?.kind ?? (paused ? "paused" : "–"),
  ]);
  const changes = studies.flatMap((study) =>
    study.changes.map((change) => `${study.name}, change ${change.number}: ${describeChange(change)}`),
  );
  return [
    `${siteId} in "${membership.federationName}" at ${membership.address}, ${running ? "running" : "not running"}`,
    ...(membership.mutualTls === false
      ? [
          "mutual TLS is off: messages are sealed and signed, and go through a proxy that ends TLS (consilium site line)",
        ]
      : []),
    cases,
    `${left.entries} messages and objects left, ${formatBytes(left.bytes)} (consilium site log)`,
    ...(rows.length === 0
      ? ["no study yet"]
      : ["", formatTable(["Study", "Hash", "Decision", "Round", "Dice here", "End"], rows), ...changes]),
    ...studies.flatMap(({ name, comparison }) =>
      comparison === undefined ? [] : [`${name}, round ${comparison.round}: ${besideOthers(comparison)}`],
    ),
  ].join("\n");
}
