/** `cohort check`: what a dataset folder holds and what is wrong with it, case by case. */
import { ConsiliumError, type Json } from "../../base/index.ts";
import type {
  CaseFiles,
  CaseProblem,
  Dataset,
  DatasetCheck,
  Modality,
  NegativeScan,
  Outlier,
} from "../../imaging/index.ts";
import { type CommandResult, defineCommand } from "../command.ts";
import { countOf, formatTable } from "../format.ts";
import { labelsOption } from "../labels-option.ts";
import { mayMissOption, parseMayMiss } from "../may-miss-option.ts";
import { outlierLines } from "../outlier-lines.ts";

const EXIT_BAD_INPUT = 3;

export const cohortCheck = defineCommand({
  path: ["cohort", "check"],
  summary: "Check a dataset, case by case",
  description:
    "Reads every image of every case in a BraTS layout (2018 to 2021: X_t1ce.nii.gz; 2023 on: X-t1c.nii.gz). Changes " +
    "nothing. Names cases that lie far from the others, which may be right all the same. Ends with exit code 3 where a " +
    "case cannot be used. A scan may be missing where --may-miss says so, as for `site data`.",
  args: [{ name: "DIR", help: "folder with the cases" }],
  options: {
    labels: labelsOption("how labels are written, where file names do not tell"),
    mayMiss: mayMissOption,
  },
  examples: [
    "consilium cohort check data/brats2021",
    "consilium cohort check data/glioma --labels brats2023 --json",
    "consilium cohort check data/own --may-miss t2",
  ],
  async run({ args, options, progress, signal }) {
    const { checkDataset, findOutliers, measuredCases, scanDataset } = await import("../../imaging/index.ts");
    const { labels } = options;
    const mayMiss = parseMayMiss(options.mayMiss, "consilium cohort check");
    const dataset = await scanDataset(args[0], { ...(labels && { labels }), ...(mayMiss && { mayMiss }) });
    const check = await checkDataset(dataset, {
      onCase(done, total) {
        signal.throwIfAborted();
        progress.update({ label: "Checking", done, total, unit: "cases" });
      },
    });
    return reportOf(dataset, check, findOutliers(measuredCases(check.cases)));
  },
});

function reportOf(
  dataset: Dataset,
  { cases: checked, problems, negative }: DatasetCheck,
  outliers: readonly Outlier[],
): CommandResult {
  const complete = new Map(dataset.cases.map((files) => [files.id, files]));
  const cases = checked.map((each) => ({ ...each, missing: missingOf(complete.get(each.id)) }));
  const usable = cases.filter((each) => each.problems.length === 0);
  const subjects = new Set(usable.map(({ subject }) => subject)).size;
  const labelled = usable.filter(({ labelMap }) => labelMap).length;
  const error = summaryError(problems);
  const json = {
    convention: dataset.convention,
    usable: usable.length,
    subjects,
    labelled,
    cases: cases.map((each) => ({ ...each, problems: each.problems.map((problem) => problem.toJSON()) })),
    outliers: outliers.map((each) => ({ ...each })),
    negative: negative.map((each) => ({ ...each })),
    ignored: dataset.ignored,
    ...(error && { error: error.toJSON() }),
  } satisfies Json;
  const rows = cases.map(({ id, labelMap, missing, problems: list }) => [
    id,
    labelMap === null ? "–" : labelMap ? "yes" : "no",
    list.length === 0
      ? ["usable", ...(missing ?? []).map((scan) => `without ${scan}`)].join(", ")
      : [...new Set(list.map(({ code }) => code))].join(", "),
  ]);
  const text = [
    formatTable(["Case", "Label map", "State"], rows),
    ...problems.map(({ caseId, error: { subject, expected, actual, hint } }) =>
      [`\n${caseId}: ${subject}: expected ${expected}, got ${actual}.`, `  ${hint}`].join("\n"),
    ),
    ...outlierLines(outliers).map((line, i) => (i === 0 ? `\n${line}` : line)),
    ...negativeLines(negative).map((line, i) => (i === 0 ? `\n${line}` : line)),
    `\n${usable.length} of ${countOf(cases.length, "case")} can be used, from ${countOf(subjects, "subject")}; ` +
      `${labelled} with a label map (${dataset.convention}).`,
    ...(dataset.ignored.length > 0 ? [`Not used, since their names say no role: ${dataset.ignored.join(", ")}`] : []),
  ].join("\n");
  return error === undefined ? { json, text } : { json, text, exitCode: EXIT_BAD_INPUT };
}

function negativeLines(negative: readonly NegativeScan[]): readonly string[] {
  if (negative.length === 0) return [];
  return [
    "Negative voxels, which a scanner's magnitude image has none of; an image z-scored by a step of your own has:",
    ...negative.map(({ caseId, modality, share }) => {
      const percent = 100 * share;
      return `  ${caseId}: ${modality}, ${percent < 0.1 ? "under 0.1" : percent.toFixed(1)} % of what is not zero`;
    }),
  ];
}

/** Scans that a case lacks, as may be; null where it is not complete. */
function missingOf(files: CaseFiles | undefined): Modality[] | null {
  if (files === undefined) return null;
  return (["t1", "t1ce", "t2", "flair"] as const).filter((scan) => files.images[scan] === undefined);
}

/** One problem speaks for itself; several under one code. */
function summaryError(problems: readonly CaseProblem[]): ConsiliumError | undefined {
  if (problems.length <= 1) return problems[0]?.error;
  const wrong = new Set(problems.map(({ caseId }) => caseId)).size;
  return new ConsiliumError("dataset-invalid", {
    subject: "dataset",
    expected: "cases without problems",
    actual: `${problems.length} problems in ${countOf(wrong, "case")}`,
    hint: "Correct or remove these cases; each says what is wrong with it.",
  });
}
