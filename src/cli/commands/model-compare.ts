/** `model compare`: the models of two studies beside each other, by site. */
import type { Json } from "../../base/index.ts";
import type { ModelComparison } from "../../coordinator/index.ts";
import { defineCommand } from "../command.ts";
import { countOf, formatChange, formatFigure, formatTable } from "../format.ts";
import { option } from "../options.ts";
import { short } from "../site-events.ts";

export const modelCompare = defineCommand({
  path: ["model", "compare"],
  summary: "Compare the models of two studies by site",
  description:
    "Mean Dice of each study's best model over each site's validation cases, and the mean change with its 95 % interval " +
    "over sites (Student's t, paired), where three sites or more have both. The coordinator holds sums and no single " +
    "case: `consilium compare` gives intervals over cases, where the cases are. Without names it is the last study " +
    "beside the one before it.",
  options: {
    home: option.requiredText("DIR", "the coordinator's home folder"),
    before: option.text("STUDY", "name of a study, or the first 6 digits of its hash and more"),
    after: option.text("STUDY", "the same of the other study"),
    region: option.text("NAME", "Dice of this region, instead of the mean of the regions"),
  },
  examples: [
    "consilium model compare --home coordinator",
    'consilium model compare --home coordinator --before "First study" --after 3f9a01 --region ET',
  ],
  async run({ options }) {
    const { adminClient, compareStudyModels } = await import("../../coordinator/index.ts");
    const { home, before, after, region } = options;
    const comparison = compareStudyModels(await adminClient(home).models(), { before, after, region });
    return { json: comparison as unknown as Json, text: describeComparison(comparison) };
  },
});

export function describeComparison({ before, after, region, sites, paired, change }: ModelComparison): string {
  const rows = sites.map((site) => [
    site.id,
    formatFigure(site.before),
    formatFigure(site.after),
    formatChange(site.before, site.after),
  ]);
  const named = [before, after].map(
    ({ study, studyHash, round }) => `${study} (${short(studyHash)}), best model, of round ${round}`,
  );
  return [
    `Before: ${named[0]}`,
    `After: ${named[1]}`,
    "",
    formatTable(["Site", `Dice${region === null ? "" : ` ${region}`} before`, "after", "Change"], rows),
    "",
    change === null
      ? `Both models have figures at ${countOf(paired, "site")}: an interval takes three.`
      : `Mean change ${formatChange(0, change.mean)}, 95 % interval ${change.interval.map((each) => formatChange(0, each)).join(" to ")} over ${countOf(paired, "site")} (Student's t, paired): ${verdict(change.interval)}.`,
  ].join("\n");
}

function verdict([low, high]: readonly [number, number]): string {
  if (low > 0) return "the second is better";
  return high < 0 ? "the first is better" : "neither is shown to be better";
}
