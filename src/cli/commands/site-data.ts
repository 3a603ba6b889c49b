/** `site data`: a hospital registers the cases that it trains on. */
import { ConsiliumError } from "../../base/index.ts";
import { defineCommand } from "../command.ts";
import { countOf } from "../format.ts";
import { labelsOption } from "../labels-option.ts";
import { mayMissOption, parseMayMiss } from "../may-miss-option.ts";
import { option } from "../options.ts";
import { outlierLines } from "../outlier-lines.ts";

export const siteData = defineCommand({
  path: ["site", "data"],
  summary: "Register this site's cases",
  description:
    "Reads and checks every case, and splits subjects 80 to 20 into training and validation; the split stays the same " +
    "when cases are added later. Files stay where they are, and only counts ever leave the site. A scan may be missing " +
    "where --may-miss says so: such a case takes part in studies alone that are trained for that. With fewer than five " +
    "cases all of them train, and the site has no figures of its own. Counts that were private stay so when data is " +
    "registered again, until --tell-counts.",
  options: {
    home: option.requiredText("DIR", "this site's home folder"),
    dataset: option.requiredText("DIR", "folder with the cases, in a BraTS layout"),
    labels: labelsOption("how labels are written, where file names do not tell"),
    mayMiss: mayMissOption,
    excludeBroken: option.flag("leave out cases with a problem, instead of refusing the dataset"),
    privateCounts: option.flag("tell nobody how many cases there are: they leave inside masked sums alone"),
    tellCounts: option.flag("tell studies how many cases there are, where that was private"),
    seed: option.integer("seed of the split, at the first registration"),
  },
  examples: ["consilium site data --home site --dataset data/glioma"],
  async run({ options, progress, signal }) {
    const { registerDataset } = await import("../../site/index.ts");
    const { home, dataset, labels, excludeBroken, privateCounts, tellCounts, seed } = options;
    if (privateCounts && tellCounts) throw bothWays();
    const mayMiss = parseMayMiss(options.mayMiss, "consilium site data");
    const registration = await registerDataset({
      home,
      dataset,
      excludeBroken,
      ...((privateCounts || tellCounts) && { privateCounts }),
      ...(labels !== undefined && { labels }),
      ...(mayMiss !== undefined && { mayMiss }),
      ...(seed !== undefined && { seed }),
      onProgress: (done, total) => {
        signal.throwIfAborted();
        progress.update({ label: "Checking", done, total, unit: "cases" });
      },
    });
    const { training, validation, subjects, incomplete, added, gone, convention, outliers } = registration;
    const excluded = registration.excluded.map(({ caseId, error }) => ({ caseId, ...error.toJSON() }));
    const lines = [
      `${training} training and ${countOf(validation, "validation case")} of ${countOf(subjects, "subject")} registered ` +
        `(${added} new, ${gone} gone; labels as in ${convention}).`,
      ...(incomplete === 0 ? [] : [`${countOf(incomplete, "case")} without all four scans.`]),
      ...(registration.privateCounts ? ["These numbers stay here, until --tell-counts."] : []),
      ...excluded.map(({ caseId, expected, actual }) => `Left out: ${caseId}: expected ${expected}, got ${actual}.`),
      ...outlierLines(outliers),
    ];
    return {
      json: {
        training,
        validation,
        subjects,
        incomplete,
        added,
        gone,
        convention,
        privateCounts: registration.privateCounts,
        excluded,
        outliers: outliers.map((each) => ({ ...each })),
      },
      text: lines.join("\n"),
    };
  },
});

function bothWays(): ConsiliumError {
  return new ConsiliumError("usage", {
    subject: "consilium site data",
    expected: "--private-counts or --tell-counts",
    actual: "both",
    hint: "Without either, counts stay as private as they were.",
  });
}
