/** What a finished run leaves in its folder: the model, `result.json` and `report.html`. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Graph } from "../graph/index.ts";
import type { CaseFiles, LabelConvention } from "../imaging/index.ts";
import { readModelFolder, writeModelFolder } from "../segmentation/index.ts";
import type { Study } from "../study/index.ts";
import type { Assessment } from "./assess.ts";
import type { FederatedRun } from "./federated-run.ts";
import { heldOutPictures } from "./pictures.ts";
import { figure, renderReport } from "./report.ts";
import type { FederationResult } from "./result.ts";

const PICTURES = 3;

export interface Outcome {
  readonly study: Study;
  readonly network: Graph;
  readonly run: FederatedRun;
  readonly assessment: Assessment;
  readonly result: FederationResult;
  readonly heldOut: readonly CaseFiles[];
  readonly convention: LabelConvention;
  readonly command: string;
}

export async function writeOutcome(out: string, outcome: Outcome): Promise<{ modelDir: string; report: string }> {
  const { study, network, run, result, assessment, heldOut, convention, command } = outcome;
  const modelDir = join(out, "model");
  await writeModelFolder(modelDir, {
    study,
    network,
    parameters: run.model,
    lineage: {
      studyHash: run.studyHash,
      rounds: run.modelRound,
      sites: run.sites.map(({ id, cases }) => ({ id, ...cases })),
    },
    notes: cardNotes(outcome),
  });
  const shown = heldOut.length > 0 ? heldOut : run.sites.flatMap(({ data }) => data.validationCases);
  const pictures = await heldOutPictures(
    await readModelFolder(modelDir),
    shown.slice(0, PICTURES),
    convention,
    study.training.threads,
  );
  const report = join(out, "report.html");
  await writeFile(
    report,
    renderReport({
      title: study.name,
      facts: facts(outcome),
      regions: Object.keys(study.task.regions),
      result,
      roundFigures: run.rounds,
      pooledTraining: assessment.pooledTraining?.trained ?? null,
      traffic: run.traffic,
      pictures,
      commands: [command],
    }),
  );
  await writeFile(join(out, "result.json"), `${JSON.stringify(result, null, 2)}\n`);
  return { modelDir, report };
}

function facts({ study, run, result }: Outcome): string[] {
  const cases = run.sites.reduce((sum, site) => sum + site.cases.train + site.cases.validation, 0);
  return [
    `${run.sites.length} hospitals with ${cases} patients trained one network over ${study.rounds.count} rounds (${result.gradientSteps} gradient steps in all).`,
    `Scans stayed where they were; what travelled is listed below.`,
    `The model is that of round ${run.modelRound}.`,
  ];
}

function cardNotes({ run, result, study }: Outcome): string {
  const regions = Object.keys(study.task.regions);
  const row = (name: string, dice: Readonly<Record<string, number | null>>): string =>
    `| ${name} | ${regions.map((r) => figure(dice[r])).join(" | ")} | ${figure(dice.mean)} |`;
  const rows = [
    `| Dice on ${result.evaluatedOn.cases} ${result.evaluatedOn.kind === "heldOut" ? "held-out" : "validation"} case(s) | ${regions.join(" | ")} | mean |`,
    `| --- |${regions.map(() => " --- |").join("")} --- |`,
    row("federated", result.federated.dice),
    ...(result.pooled === null ? [] : [row("pooled data", result.pooled.dice)]),
    ...(result.alone === null ? [] : [row("one hospital alone, mean", result.alone.mean.dice)]),
  ];
  const sites = run.sites.map(
    ({ id, cases, dice }) =>
      `| ${id} | ${cases.train} | ${cases.validation} | ${dice === null ? "too few cases" : figure(dice.mean)} |`,
  );
  const worst = run.sites
    .filter(({ dice }) => dice !== null && dice.mean !== null)
    .toSorted((a, b) => (a.dice?.mean ?? 0) - (b.dice?.mean ?? 0))[0];
  return `## Figures

${rows.join("\n")}

## Data by site (counts only)

| site | training | validation | mean Dice at the site |
| --- | --- | --- | --- |
${sites.join("\n")}

${worst === undefined ? "No site has enough validation cases to be called the worst." : `Worst site: ${worst.id}, mean Dice ${figure(worst.dice?.mean)}.`}

## Lineage

Study \`${run.studyHash}\`, round ${run.modelRound}.

## Known limits

Trained on skull-stripped, co-registered scans of the four modalities named above; other input is out of its reach.
Small enhancing parts are the first to be missed. Figures on ${result.evaluatedOn.cases} case(s) say little about a hospital that is not among the sites.
`;
}
