/** `compare`: several models' predictions judged on the same cases. */
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { ConsiliumError, type Json } from "../../base/index.ts";
import type { CaseFiles } from "../../imaging/index.ts";
import type { ComparedCase, ComparedFigure, Comparison, FigureSummary } from "../../segmentation/index.ts";
import { defineCommand } from "../command.ts";
import { countOf, formatFigure, formatTable } from "../format.ts";
import { readPrediction } from "../label-maps.ts";
import { labelsOption } from "../labels-option.ts";
import { measureOptions, measuresFrom } from "../measure-options.ts";
import { option } from "../options.ts";
import type { Progress } from "../progress.ts";

const LEVEL = 0.95;

export const compare = defineCommand({
  path: ["compare"],
  summary: "Compare several models on the same cases",
  description:
    "Measures each model's label maps against a dataset's, and prints means with 95 % intervals (bootstrap by patient), " +
    "the worst tenth of the cases and the worst site, paired tests between models (Wilcoxon, corrected by Holm), and " +
    "ranks as in the FeTS challenge. Every model needs a prediction for every case, named CASE.nii.gz or with _seg or " +
    "-seg behind the name, in its folder or in a folder CASE of it. A region that is in neither map counts as Dice 1 " +
    "and 0 mm, one that is in one map only as 0 and 374 mm.",
  options: {
    data: option.requiredText("DIR", "dataset with label maps to compare with"),
    predictions: option.requiredText("NAME=DIR,...", "a name and a folder for each model, with commas between"),
    scores: option.oneOf("judge regions as a whole, or lesion by lesion (default: whole)", ["whole", "lesion-wise"]),
    sites: option.text("FILE", "table with the columns case and site, to name the worst site"),
    labels: labelsOption("how labels are written, where file names do not tell"),
    resamples: option.integerOr("bootstrap resamples", 2000, { min: 100, max: 1_000_000 }),
    seed: option.integerOr("of the bootstrap", 0),
    ...measureOptions,
  },
  examples: [
    "consilium compare --data data/brats2021 --predictions federated=out/a,pooled=out/b",
    "consilium compare --data data/brats2021 --predictions ours=out/a,theirs=out/b --scores lesion-wise --sites sites.csv",
  ],
  async run({ options, progress, signal }) {
    const { scanDataset } = await import("../../imaging/index.ts");
    const { compareModels } = await import("../../segmentation/index.ts");
    const models = modelsOf(options.predictions);
    const dataset = await scanDataset(options.data, options.labels === undefined ? {} : { labels: options.labels });
    if (dataset.problems.length > 0) throw dataset.problems[0].error;
    const sites = options.sites === undefined ? new Map<string, string>() : await readSites(options.sites);
    const { rules, ...measureBy } = await measuresFrom(options);
    // Where every prediction lies is settled before the first image is opened.
    // One after the other: of several that are missing it is always the first that is named.
    const jobs: Job[] = [];
    for (const files of dataset.cases) {
      const predictions: string[] = [];
      for (const { name, dir } of models) predictions.push(await findPrediction(name, dir, files.id));
      jobs.push({ files, predictions });
    }
    const cases: ComparedCase[] = [];
    for (const [i, { files, predictions }] of jobs.entries()) {
      signal.throwIfAborted();
      report(progress, i, jobs.length);
      const measures = await measureCase(files, predictions, dataset.convention, measureBy);
      const site = siteOf(sites, files, options.sites);
      cases.push({ id: files.id, subject: files.subject, ...(site !== undefined && { site }), measures });
    }
    const { scores = "whole", seed, resamples } = options;
    const names = models.map(({ name }) => name);
    const comparison = compareModels(names, cases, scores, { seed, resamples, level: LEVEL });
    const json = { scores, lesionRules: rules, bootstrap: { seed, resamples, level: LEVEL }, ...comparison };
    return { json: json as unknown as Json, text: textOf(comparison, scores) };
  },
});

interface Job {
  readonly files: CaseFiles;
  readonly predictions: readonly string[];
}

interface NamedFolder {
  readonly name: string;
  readonly dir: string;
}

function modelsOf(typed: string): NamedFolder[] {
  const models = typed.split(",").map((item) => {
    const [, name, dir] = /^([^=]+)=(.+)$/.exec(item.trim()) ?? [];
    return name === undefined ? undefined : { name: name.trim(), dir: dir.trim() };
  });
  const good = models.filter((model) => model !== undefined);
  if (good.length === models.length && new Set(good.map(({ name }) => name)).size === models.length) return good;
  throw new ConsiliumError("usage", {
    subject: "consilium compare --predictions",
    expected: "NAME=DIR for each model with commas between, each name once",
    actual: typed,
    hint: "See `consilium compare --help`.",
  });
}

async function findPrediction(model: string, dir: string, id: string): Promise<string> {
  const names = ["", "_seg", "-seg"].flatMap((suffix) => [`${id}${suffix}.nii.gz`, `${id}${suffix}.nii`]);
  const places = [...names.map((name) => join(dir, name)), ...names.map((name) => join(dir, id, name))];
  const there = await Promise.all(
    places.map((path) =>
      stat(path).then(
        (entry) => entry.isFile(),
        () => false,
      ),
    ),
  );
  const found = places.filter((_, i) => there[i]);
  if (found.length === 1) return found[0];
  if (found.length === 0) await readdir(dir).catch((cause) => noFolder(dir, cause));
  throw new ConsiliumError("dataset-invalid", {
    subject: `predictions of ${model}`,
    expected: `one label map for ${id} (${id}.nii.gz or ${id}_seg.nii.gz)`,
    actual: found.length === 0 ? "none" : found.map((path) => basename(path)).join(" and "),
    hint: "Every model is judged on every case: segment the case, or take it out of the dataset.",
  });
}

function noFolder(dir: string, cause: unknown): never {
  throw new ConsiliumError("file-not-found", {
    subject: dir,
    expected: "a folder with predictions",
    actual: (cause as NodeJS.ErrnoException).code ?? String(cause),
    hint: "Check the path after the model's name.",
    cause,
  });
}

async function readSites(path: string): Promise<Map<string, string>> {
  const { readTable } = await import("../../imaging/index.ts");
  const rows = await readTable(path, { required: ["case", "site"], optional: [] });
  return new Map(rows.map(({ cells }) => [cells.case, cells.site]));
}

function siteOf(sites: ReadonlyMap<string, string>, { id }: CaseFiles, table: string | undefined): string | undefined {
  const site = sites.get(id);
  if (table === undefined || (site !== undefined && site !== "")) return site;
  throw new ConsiliumError("dataset-invalid", {
    subject: basename(table),
    expected: `the site of case ${id}`,
    actual: "none",
    hint: "Add a row for it: the worst site is not known while some cases have no site.",
  });
}

async function measureCase(
  files: CaseFiles,
  predictions: readonly string[],
  convention: Parameters<typeof readPrediction>[2],
  measureBy: Parameters<typeof import("../../segmentation/index.ts").measureLabelMaps>[5],
): Promise<ComparedCase["measures"]> {
  const { labelsToClasses, readNifti, spacingMmOf } = await import("../../imaging/index.ts");
  const { measureLabelMaps } = await import("../../segmentation/index.ts");
  const { studySchema } = await import("../../study/index.ts");
  if (files.labelMap === undefined) {
    throw new ConsiliumError("modality-missing", {
      subject: `case ${files.id}`,
      expected: "a label map to compare with",
      actual: "none",
      hint: "Add the label map, or leave the case out.",
    });
  }
  const { volume } = await readNifti(files.labelMap);
  const reference = labelsToClasses(volume, convention, basename(files.labelMap));
  const { regions } = studySchema.shape.task.parse({});
  const spacingMm = spacingMmOf(reference.affineVoxelToRas);
  const measures: ComparedCase["measures"][number][] = [];
  for (const path of predictions) {
    const { data } = await readPrediction(path, reference, convention);
    measures.push(measureLabelMaps(data, reference.data, reference.dims, spacingMm, regions, measureBy));
  }
  return measures;
}

function report(progress: Progress, done: number, total: number): void {
  progress.update({ label: "Measuring", done, total, unit: "cases" });
}

const FIGURES: readonly (readonly [ComparedFigure, string, number])[] = [
  ["dice", "Dice", 3],
  ["hd95", "HD95, mm", 1],
];

function textOf({ models, tests, cases, subjects }: Comparison, scores: string): string {
  const rows = FIGURES.flatMap(([figure, name, decimals]) =>
    Object.keys(models[0].regions).flatMap((region) =>
      models.map(({ model, regions }) => [name, region, model, ...summaryCells(regions[region][figure], decimals)]),
    ),
  );
  const ranks = models.map(({ model, meanRank, rankSum, place }) => [model, formatFigure(meanRank, 2), rankSum, place]);
  const parts = [
    `${countOf(cases, "case")} of ${countOf(subjects, "subject")}, ${scores === "whole" ? "regions as a whole" : "lesion by lesion"}.`,
    formatTable(["Figure", "Region", "Model", "Mean", "95 % interval", "Worst tenth", "Worst site"], rows),
    formatTable(["Model", "Mean rank", "Sum of ranks", "Place"], ranks),
  ];
  if (tests.length > 0) {
    const differences = tests.map(({ first, second, region, figure, meanDifference, p, pHolm }) => {
      const [, name, decimals] = FIGURES.find(([key]) => key === figure) as (typeof FIGURES)[number];
      return [
        `${first} - ${second}`,
        name,
        region,
        formatFigure(meanDifference, decimals),
        probability(p),
        probability(pHolm),
      ];
    });
    parts.push(formatTable(["Models", "Figure", "Region", "Difference", "p", "p, Holm"], differences));
  }
  return parts.join("\n\n");
}

function summaryCells({ mean, interval, worstDecile, worstSite }: FigureSummary, decimals: number): string[] {
  return [
    formatFigure(mean, decimals),
    interval === null ? "–" : interval.map((end) => formatFigure(end, decimals)).join(" to "),
    formatFigure(worstDecile, decimals),
    worstSite === null ? "–" : `${worstSite.site} ${formatFigure(worstSite.mean, decimals)}`,
  ];
}

function probability(p: number): string {
  return p < 0.001 ? "< 0.001" : p.toFixed(3);
}
