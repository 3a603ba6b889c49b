/** `train`: one institution alone, or pooled data. */
import { relative } from "node:path";
import { defineCommand } from "../command.ts";
import { countOf, formatDuration, formatFigure, formatTable } from "../format.ts";
import { labelsOption } from "../labels-option.ts";
import { option } from "../options.ts";
import { openChosenStudy, studyOptions } from "../study-options.ts";

export const train = defineCommand({
  path: ["train"],
  summary: "Train on one dataset, without a federation",
  description:
    "The same engine, optimiser and schedule as in a federation, on one institution's data or on pooled data. A fifth " +
    "of the subjects is kept to measure on, unless cases are held out by name; with fewer than five cases all train.",
  options: {
    data: option.requiredText("DIR", "dataset"),
    out: option.requiredText("DIR", "folder to write; new or empty"),
    holdOut: option.list("CASES", "cases to measure on, with commas between"),
    labels: labelsOption("how labels are written, where file names do not tell"),
    ...studyOptions,
  },
  examples: [
    "consilium train --data data/brats2021 --out run",
    "consilium train --data data/brats2021 --out run --hold-out BraTS2021_00006 --rounds 20",
  ],
  async run({ options, progress, signal }) {
    const startedMs = performance.now();
    const { trainAlone } = await import("../train-alone.ts");
    const { data, out, holdOut = [], labels } = options;
    const opened = await openChosenStudy(options);
    const trained = await trainAlone({
      ...opened,
      dataset: data,
      out,
      holdOut,
      progress,
      signal,
      ...(labels !== undefined && { labels }),
    });
    const { cases, figures, modelSha256, modelDir, gradientSteps, losses } = trained;
    const seconds = (performance.now() - startedMs) / 1000;
    const rounds = opened.study.rounds.count;
    const peakRssBytes = process.resourceUsage().maxRSS * 1024;
    const run = { rounds, gradientSteps, losses, seconds, peakRssBytes };
    const json = {
      cases,
      dice: figures?.dice ?? null,
      hd95: figures?.hd95 ?? null,
      undefined: figures?.undefined ?? {},
      modelSha256,
      ...run,
    };
    const measured =
      figures === null
        ? "No case was left to measure on."
        : formatTable(
            ["Region", "Dice", "HD95, mm"],
            Object.keys(figures.dice).map((region) => [
              region,
              formatFigure(figures.dice[region]),
              formatFigure(figures.hd95[region], 1),
            ]),
          );
    const facts = `${countOf(cases.train, "training case")}, ${cases.validation} to measure on; ${gradientSteps} gradient steps, ${formatDuration(seconds * 1000)}.`;
    return { json, text: `${measured}\n\n${facts}\nModel  ${relative(process.cwd(), modelDir)}` };
  },
});
