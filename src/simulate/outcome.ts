/** What a finished run leaves in its folder: the model, `result.json` and `report.html`. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Graph } from "../graph/index.ts";
import type { CaseFiles, LabelConvention } from "../imaging/index.ts";
import {
  type CardFacts,
  type CaseScores,
  cardFigures,
  readModelFolder,
  type ScoredCase,
  siteCardFigures,
  writeModelFolder,
} from "../segmentation/index.ts";
import type { Study } from "../study/index.ts";
import type { Assessment } from "./assess.ts";
import type { FederatedRun } from "./federated-run.ts";
import { heldOutPictures } from "./pictures.ts";
import { renderReport } from "./report.ts";
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
    facts: cardFacts(outcome),
    signer: run.signer,
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
      study,
      facts: facts(outcome),
      result,
      roundFigures: run.rounds,
      pooledTraining: assessment.pooledTraining?.trained ?? null,
      statistics: run.statistics,
      traffic: run.traffic,
      pictures,
      commands: [command],
    }),
  );
  await writeFile(join(out, "result.json"), `${JSON.stringify(result, null, 2)}\n`);
  return { modelDir, report };
}

function facts({ run, result }: Outcome): string[] {
  const cases = run.sites.reduce((sum, site) => sum + site.cases.train + site.cases.validation, 0);
  return [
    `${run.sites.length} hospitals with ${cases} patients trained one network over ${run.rounds.length} rounds (${result.gradientSteps} gradient steps in all).`,
    `Scans stayed where they were; what travelled is listed below.`,
    `The model is that of round ${run.modelRound}.`,
  ];
}

function cardFacts({ study, run, assessment, heldOut, result }: Outcome): CardFacts {
  const regions = Object.keys(study.task.regions);
  const scored = (cases: readonly CaseFiles[], scores: readonly CaseScores[]): ScoredCase[] =>
    cases.map(({ subject }, i) => ({ subject, regions: scores[i].regions }));
  const measured = heldOut.length > 0 ? heldOut : run.sites.flatMap(({ data }) => data.validationCases);
  return {
    sites: run.sites.map(({ id, cases, data }, i) => {
      const tells = study.metrics === "perSite" && data.validationCases.length >= study.minCasesPerMetric;
      const figures = siteCardFigures(scored(data.validationCases, assessment.siteScores[i]), regions);
      return { id, training: cases.train, validation: cases.validation, figures: tells ? figures : null };
    }),
    round: run.modelRound,
    gradientSteps: result.gradientSteps,
    evaluation: {
      on: measured.length === 0 ? "nothing" : result.evaluatedOn.kind,
      figures: cardFigures(scored(measured, assessment.federatedScores), regions),
    },
    lineage: { kind: "federation", studyHash: run.studyHash, which: `model of round ${run.modelRound}`, parent: null },
  };
}
