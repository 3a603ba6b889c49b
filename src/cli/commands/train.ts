/** `train`: one institution alone, or pooled data. */
import { relative } from "node:path";
import type { Json } from "../../base/index.ts";
import type { CaseFigures, RegionChange, ScoreSummary } from "../../segmentation/index.ts";
import { defineCommand } from "../command.ts";
import { countOf, formatDuration, formatFigure, formatTable } from "../format.ts";
import { labelsOption } from "../labels-option.ts";
import { option } from "../options.ts";
import { openChosenStudy, studyOptions } from "../study-options.ts";
import type { TrainedAlone } from "../train-alone.ts";

export const train = defineCommand({
  path: ["train"],
  summary: "Train on one dataset, without a federation",
  description:
    "The same engine, optimiser and schedule as in a federation, on one institution's data or on pooled data. A fifth " +
    "of the subjects is kept to measure on, unless cases are held out by name (other scans of the same patients are then " +
    "left out, and counted); with fewer than five cases all train. " +
    "With --from, a model is trained further on this data alone, and measured before and after on the same cases.",
  options: {
    data: option.requiredText("DIR", "dataset"),
    out: option.requiredText("DIR", "folder to write; new or empty"),
    holdOut: option.list("CASES", "cases to measure on, with commas between"),
    excludeBroken: option.flag("read every case first, and leave out those with a problem"),
    from: option.text("DIR", "model folder to go on from, by its own study (fine-tuning)"),
    labels: labelsOption("how labels are written, where file names do not tell"),
    ...studyOptions,
  },
  examples: [
    "consilium train --data data/brats2021 --out run",
    "consilium train --data data/brats2021 --out run --hold-out BraTS2021_00006 --rounds 20",
    "consilium train --from model --data data/own --out tuned --rounds 5 --learning-rate 0.003",
  ],
  async run({ options, progress, signal }) {
    const startedMs = performance.now();
    const { trainAlone } = await import("../train-alone.ts");
    const { readModelFolder, worstTenthInWords } = await import("../../segmentation/index.ts");
    const { data, out, holdOut = [], labels, excludeBroken } = options;
    const from = options.from === undefined ? undefined : await readModelFolder(options.from);
    const opened = await openChosenStudy(options, { from });
    const trained = await trainAlone({
      ...opened,
      dataset: data,
      out,
      holdOut,
      excludeBroken,
      progress,
      signal,
      ...(labels !== undefined && { labels }),
      ...(from && { from: from.description }),
    });
    const { change, cases, excluded, figures, spread, modelSha256, modelDir, gradientSteps, losses, runRecord } =
      trained;
    const seconds = (performance.now() - startedMs) / 1000;
    const rounds = opened.study.rounds.count;
    const peakRssBytes = process.resourceUsage().maxRSS * 1024;
    const run = { rounds, gradientSteps, losses, seconds, peakRssBytes };
    const json = {
      cases,
      excluded: excluded.map(({ caseId, error }) => ({ caseId, ...error.toJSON() })),
      dice: figures?.dice ?? null,
      hd95: figures?.hd95 ?? null,
      undefined: figures?.undefined ?? {},
      spread: spread as Json,
      change: change as Json,
      modelSha256,
      runRecord,
      ...run,
    };
    const measured =
      figures === null || spread === null
        ? "No case was left to measure on."
        : `${measuredTable(figures, spread)}\n\n${worstTenthInWords(spread.dice)}`;
    const without = excluded.map(({ caseId, error: { code, expected, actual } }) => {
      return `Left out: ${caseId}: expected ${expected}, got ${actual} [${code}].`;
    });
    const facts = `${casesText(cases)}; ${gradientSteps} gradient steps, ${formatDuration(seconds * 1000)}.`;
    const changed = change === null ? "" : `\n\n${changeTable(change)}`;
    return {
      json,
      text: `${measured}${changed}\n\n${[...without, facts].join("\n")}\nModel  ${relative(process.cwd(), modelDir)}`,
    };
  },
});

function measuredTable({ dice, hd95 }: ScoreSummary, spread: CaseFigures): string {
  const cells = (figure: "dice" | "hd95", region: string, decimals: number): string[] => {
    const { interval = null, worstTenth } = spread[figure][region] ?? {};
    return [
      formatFigure((figure === "dice" ? dice : hd95)[region], decimals),
      interval === null ? "–" : interval.map((end) => end.toFixed(decimals)).join(" to "),
      formatFigure(worstTenth, decimals),
    ];
  };
  const rows = Object.keys(dice).map((region) => [region, ...cells("dice", region, 3), ...cells("hd95", region, 1)]);
  const head = ["Region", "Dice", "95 %", "worst tenth", "HD95, mm", "95 %", "worst tenth"];
  return formatTable(head, rows);
}

export function casesText({ train: trained, validation, leftOut }: TrainedAlone["cases"]): string {
  const counts = `${countOf(trained, "training case")}, ${validation} to measure on`;
  if (leftOut === 0) return counts;
  return `${counts}, and ${countOf(leftOut, "other scan")} of the same patients left out`;
}

function changeTable(change: Readonly<Record<string, RegionChange>>): string {
  const rows = Object.entries(change).map(
    ([region, { before, after, difference, interval, better, worse, cases, p }]) => [
      region,
      formatFigure(before),
      formatFigure(after),
      formatFigure(difference),
      interval === null ? null : interval.map((end) => end.toFixed(3)).join(" to "),
      better,
      worse,
      cases,
      formatFigure(p),
    ],
  );
  const head = ["Dice", "Before", "After", "Difference", "95 % interval", "Better", "Worse", "Cases", "p"];
  return `Before and after, on the same cases (Wilcoxon signed-rank, Holm over regions):\n${formatTable(head, rows)}`;
}
