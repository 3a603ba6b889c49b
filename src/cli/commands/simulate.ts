/** `simulate`: a whole federation in one process. */
import { relative } from "node:path";
import type { Json } from "../../base/index.ts";
import { defineCommand } from "../command.ts";
import { labelsOption } from "../labels-option.ts";
import { option } from "../options.ts";
import { openChosenStudy, studyOptions } from "../study-options.ts";

const FETS_SITES = 29;
const EVEN_SITES = 3;

export const simulate = defineCommand({
  path: ["simulate"],
  summary: "Run a whole federation in one process",
  description:
    "Deals the cases of a dataset out to sites, and runs the coordinator and the sites of the product over a line in " +
    "memory. Writes the model, result.json and report.html. The same study, data and seed give the same model as " +
    "processes of their own would.",
  options: {
    data: option.requiredText("DIR", "dataset to deal out"),
    out: option.requiredText("DIR", "folder to write; new or empty"),
    sites: option.integer(`how many sites (default: ${EVEN_SITES}, or ${FETS_SITES} with --sizes fets)`, { min: 1 }),
    sizes: option.oneOf(`even, or fets: ${FETS_SITES} sites as unequal as in a real consortium (default: even)`, [
      "even",
      "fets",
    ]),
    holdOut: option.list("CASES", "cases that no site gets and that models are measured on, with commas between"),
    baselines: option.flag("also train on pooled data and at each site alone, and compare"),
    learningRates: option.numbers(
      "RATES",
      "rates with commas between, of which federated and pooled training each take the best by the sites' validation cases",
      { min: 1e-9, max: 100 },
    ),
    labels: labelsOption("how labels are written, where file names do not tell"),
    secureAggregation: option.flag("mask updates, so that the coordinator sees only their sum; the model is the same"),
    workers: option.integerOr("engines side by side; the result does not depend on it", 2, { min: 1, max: 64 }),
    ...studyOptions,
  },
  examples: [
    "consilium simulate --data data/brats2021 --sites 3 --hold-out BraTS2021_00006 --rounds 20 --out run",
    "consilium simulate --data phantoms --sizes fets --baselines --learning-rates 0.03,0.1 --seed 1 --out fets",
  ],
  async run({ options, progress, signal }) {
    const { figuresTable } = await import("../figures-table.ts");
    const { runSimulation } = await import("../../simulate/index.ts");
    const { data, out, sizes = "even", holdOut = [], baselines, labels, workers, learningRates } = options;
    const { sites = sizes === "fets" ? FETS_SITES : EVEN_SITES } = options;
    // The smallest majority, unless the study has a threshold of its own.
    const maskingThreshold = options.secureAggregation ? Math.max(2, Math.floor(sites / 2) + 1) : undefined;
    const opened = await openChosenStudy(options, { maskingThreshold });
    const { result, modelDir, report } = await runSimulation(
      {
        ...opened,
        data: { kind: "dealt", dataset: data, sites, sizes, holdOut, ...(labels !== undefined && { labels }) },
        out,
        baselines,
        ...(learningRates !== undefined && { learningRates }),
        workers,
        command: `consilium ${process.argv.slice(2).join(" ")}`,
        signal,
      },
      (news) => {
        if ("line" in news) return progress.note(news.line);
        const { phase, done, total, note } = news;
        // One label for all rounds, so that the time left is that of all.
        const [label, round] = phase.split(", ");
        const detail = [round, note].filter((part) => part !== undefined).join(", ");
        progress.update({ label, done, total, ...(detail !== "" && { detail }) });
      },
    );
    signal.throwIfAborted();
    const shown = (path: string): string => relative(process.cwd(), path) || ".";
    const text = [figuresTable(result), "", `Report  ${shown(report)}`, `Model   ${shown(modelDir)}`].join("\n");
    return { json: result as unknown as Json, text };
  },
});
