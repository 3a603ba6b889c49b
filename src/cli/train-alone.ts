/**
 * One institution alone, or pooled data: the same engine, optimiser and schedule as in a federation, without the
 * exchange. What a federation is measured against.
 */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConsiliumError, type Json } from "../base/index.ts";
import { type CaseFiles, type CaseProblem, checkDataset, type LabelConvention, scanDataset } from "../imaging/index.ts";
import {
  type CardFacts,
  type CaseFigures,
  type CaseScores,
  cardFigures,
  figuresOfCases,
  type ModelDescription,
  openEnginePool,
  pairedChange,
  type RegionChange,
  type ScoredCase,
  type ScoreSummary,
  type SiteData,
  summariseScores,
  writeModelFolder,
} from "../segmentation/index.ts";
import { trainOnCases } from "../simulate/index.ts";
import { casesOf, splitBySubject } from "../site/index.ts";
import { type Study, stepsOfRound } from "../study/index.ts";
import type { OpenedStudy } from "./open-study.ts";
import type { Progress } from "./progress.ts";

export interface TrainAloneOptions extends OpenedStudy {
  readonly dataset: string;
  readonly labels?: LabelConvention;
  /** A folder that is new or empty. */
  readonly out: string;
  /** Cases that are measured on instead of a fifth of the subjects. */
  readonly holdOut: readonly string[];
  /** Read every case first, and leave out those with a problem; otherwise one ends the run. */
  readonly excludeBroken?: boolean;
  /** The model that training starts from, where it is one: it is measured before as well. */
  readonly from?: ModelDescription;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface TrainedAlone {
  /** `leftOut`: neither trained nor measured on, since they are other scans of held-out subjects. */
  readonly cases: { readonly train: number; readonly validation: number; readonly leftOut: number };
  /** Cases that were left out for what is wrong with them. */
  readonly excluded: readonly CaseProblem[];
  /** Null where there is nothing to measure on. */
  readonly figures: ScoreSummary | null;
  /** What stands beside the means; null where there are none. */
  readonly spread: CaseFigures | null;
  /** By region, what training changed in the model that it started from; null without one, or without a case. */
  readonly change: Readonly<Record<string, RegionChange>> | null;
  readonly modelSha256: string;
  readonly modelDir: string;
  readonly gradientSteps: number;
  /** Mean loss of each round. */
  readonly losses: readonly (number | null)[];
  /** What the model's bits depend on beside study and data; null where no step was taken. */
  readonly runRecord: Json | null;
}

/** Windows overlap by half where a figure is published. */
const FINAL_OVERLAP = 0.5;
const SITE = "alone";

/** @throws ConsiliumError what dataset, study and engine are refused for; `file-exists` for a used output folder. */
export async function trainAlone(options: TrainAloneOptions): Promise<TrainedAlone> {
  const { study, network, initial, out, progress, signal, from } = options;
  await refuseUsedFolder(out);
  const { data, leftOut, excluded } = await dataOf(options);
  const { trainingCases, validationCases } = data;
  const cacheDir = join(out, "cache");
  const pool = openEnginePool({ study, network, workers: 1, cacheDir, lowerings: options.lowerings });
  const stop = (): void => void pool.close();
  signal.addEventListener("abort", stop);
  try {
    const steps = stepsOfRound(study, trainingCases.length);
    const tell = ({ done, total, loss }: { done: number; total: number; loss?: number }): void =>
      progress.update({
        label: "Training",
        done,
        total,
        unit: "steps",
        ...(loss !== undefined && { detail: `loss ${loss.toFixed(3)}` }),
      });
    // What is measured on must not choose the model as well.
    const trainingData = { ...data, validationCases: [] };
    const { parameters, gradientSteps, losses, runRecord } = await trainOnCases({
      pool,
      study,
      network,
      data: trainingData,
      stepsOfRounds: Array.from({ length: study.rounds.count }, () => steps),
      initial: initial.data,
      onProgress: tell,
    });
    const measure = (label: string, measured: Float32Array): Promise<readonly CaseScores[]> =>
      pool
        .forSite(data)
        .evaluate({ parameters: measured, overlap: FINAL_OVERLAP }, ({ done, total }) =>
          progress.update({ label, done, total, unit: "cases" }),
        );
    const scores = await measure("Evaluating", parameters);
    const before = from === undefined ? null : await measure("Evaluating the model it started from", initial.data);
    const regions = Object.keys(study.task.regions);
    const figures =
      scores.length === 0
        ? null
        : summariseScores(
            scores.map((score) => score.regions),
            regions,
          );
    const spread = scores.length === 0 ? null : figuresOfCases(scored(data, scores), regions);
    const change =
      before === null || scores.length === 0 ? null : pairedChange(scored(data, before), scored(data, scores), regions);
    const cases = { train: trainingCases.length, validation: validationCases.length, leftOut };
    const modelDir = join(out, "model");
    const { modelSha256 } = await writeModelFolder(modelDir, {
      study,
      network,
      parameters: { ...initial, data: parameters },
      facts: cardFacts(data, scores, study, gradientSteps, from),
    });
    await writeFile(join(out, "scores.json"), `${JSON.stringify(scores, null, 2)}\n`);
    await writeFile(join(out, "run-record.json"), `${JSON.stringify(runRecord, null, 2)}\n`);
    return { cases, excluded, figures, spread, change, modelSha256, modelDir, gradientSteps, losses, runRecord };
  } finally {
    signal.removeEventListener("abort", stop);
    await pool.close();
    await rm(cacheDir, { recursive: true, force: true });
  }
}

interface ChosenData {
  readonly data: SiteData;
  readonly leftOut: number;
  readonly excluded: readonly CaseProblem[];
}

async function dataOf(options: TrainAloneOptions): Promise<ChosenData> {
  const { dataset: dir, holdOut, study } = options;
  const { cases, convention, excluded } = await usableCases(options);
  const unknown = holdOut.find((id) => !cases.some((each) => each.id === id));
  if (unknown !== undefined) {
    const expected = `cases of the dataset${excluded.length > 0 ? " that can be used" : ""}`;
    throw refusal("usage", "consilium train --hold-out", expected, unknown);
  }
  const [trainingCases, validationCases] =
    holdOut.length > 0 ? heldOutOf(cases, holdOut) : splitOf(cases, study.training.seed);
  if (trainingCases.length === 0) throw refusal("dataset-too-small", dir, "at least one case to train on", "none");
  const leftOut = cases.length - trainingCases.length - validationCases.length;
  return { data: { siteId: SITE, trainingCases, validationCases, convention }, leftOut, excluded };
}

/** @throws ConsiliumError of the first case with a problem, unless those are to be left out */
export async function usableCases({
  dataset: dir,
  labels,
  excludeBroken = false,
  study,
  progress,
  signal,
}: Pick<TrainAloneOptions, "dataset" | "labels" | "excludeBroken" | "study" | "progress" | "signal">): Promise<{
  readonly cases: readonly CaseFiles[];
  readonly convention: LabelConvention;
  readonly excluded: readonly CaseProblem[];
}> {
  const { mayMiss } = study.task;
  const dataset = await scanDataset(dir, { ...(labels && { labels }), ...(mayMiss && { mayMiss }) });
  const { convention } = dataset;
  const unlabelled = ({ id, labelMap }: Pick<CaseFiles, "id" | "labelMap">): ConsiliumError | undefined =>
    labelMap === undefined ? refusal("modality-missing", `case ${id}`, "a label map to train on", "none") : undefined;
  if (!excludeBroken) {
    if (dataset.problems.length > 0) throw withWayOn(dataset.problems[0].error);
    const wrong = dataset.cases.map(unlabelled).find((error) => error !== undefined);
    if (wrong !== undefined) throw withWayOn(wrong);
    return { cases: dataset.cases, convention, excluded: [] };
  }
  const { problems } = await checkDataset(dataset, {
    alsoWrong: unlabelled,
    onCase(done, total) {
      signal.throwIfAborted();
      progress.update({ label: "Checking", done, total, unit: "cases" });
    },
  });
  const excluded = new Set(problems.map(({ caseId }) => caseId));
  return { cases: dataset.cases.filter(({ id }) => !excluded.has(id)), convention, excluded: problems };
}

function withWayOn(error: ConsiliumError): ConsiliumError {
  const { subject, expected, actual } = error;
  const hint = `${error.hint} Or leave such cases out with --exclude-broken.`;
  return new ConsiliumError(error.code, { subject, expected, actual, hint, cause: error });
}

function splitOf(cases: readonly CaseFiles[], seed: number): [CaseFiles[], CaseFiles[]] {
  const split = splitBySubject(cases, seed);
  return [casesOf(cases, split, "training"), casesOf(cases, split, "validation")];
}

/** All cases of a held-out subject are kept from training; only those that are named are measured on. */
export function heldOutOf(
  cases: readonly CaseFiles[],
  holdOut: readonly string[],
): [training: CaseFiles[], held: CaseFiles[]] {
  const held = cases.filter(({ id }) => holdOut.includes(id));
  const subjects = new Set(held.map(({ subject }) => subject));
  return [cases.filter(({ subject }) => !subjects.has(subject)), held];
}

function refusal(
  code: "usage" | "modality-missing" | "dataset-too-small",
  subject: string,
  expected: string,
  actual: string,
): ConsiliumError {
  return new ConsiliumError(code, {
    subject,
    expected,
    actual,
    hint: "See what the dataset holds: `consilium cohort check DIR`.",
  });
}

async function refuseUsedFolder(out: string): Promise<void> {
  await mkdir(out, { recursive: true });
  const held = await readdir(out);
  if (held.length === 0) return;
  throw new ConsiliumError("file-exists", {
    subject: out,
    expected: "a folder that is new or empty",
    actual: `one that holds ${held.length} entries`,
    hint: "Give another --out, or move the old run away.",
  });
}

function scored({ validationCases }: SiteData, scores: readonly CaseScores[]): ScoredCase[] {
  return validationCases.map(({ subject }, i) => ({ subject, regions: scores[i].regions }));
}

function cardFacts(
  data: SiteData,
  scores: readonly CaseScores[],
  study: Study,
  gradientSteps: number,
  from: ModelDescription | undefined,
): CardFacts {
  const figures = cardFigures(scored(data, scores), Object.keys(study.task.regions));
  const { trainingCases, validationCases } = data;
  return {
    sites: [{ id: SITE, training: trainingCases.length, validation: validationCases.length, figures }],
    round: study.rounds.count,
    gradientSteps,
    evaluation: { on: figures === null ? "nothing" : "validation", figures },
    lineage: {
      kind: "one institution",
      studyHash: null,
      which: `model of round ${study.rounds.count}`,
      parent: from === undefined ? null : { name: from.name, modelSha256: from.modelSha256 },
    },
  };
}
