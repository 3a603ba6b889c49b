/**
 * From a federated model to its figures: the baselines trained beside it, all models measured on the same patients,
 * and the result that `--json`, the table and the report are made of.
 */
import { groupedBy } from "../base/index.ts";
import type { Graph, Parameters } from "../graph/index.ts";
import { parametersSha256 } from "../graph/index.ts";
import type { CaseFiles, LabelConvention } from "../imaging/index.ts";
import { type CaseScores, type EnginePool, openEnginePool, type SiteData } from "../segmentation/index.ts";
import { type Study, siteTrains } from "../study/index.ts";
import type { LoweringTable } from "../training/index.ts";
import { atMost } from "./at-most.ts";
import { type BaselineResult, trainOnCases } from "./baselines.ts";
import { withOverrides } from "./default-study.ts";
import type { SiteOfRun } from "./federated-run.ts";
import { type ChosenRate, chooseRate } from "./learning-rates.ts";
import type { OnRunProgress } from "./progress.ts";
import { type AloneFigures, type ModelFigures, meanOfMeans, modelFigures } from "./result.ts";

/** Windows overlap by half where a figure is published. */
const FINAL_OVERLAP = 0.5;

export interface AssessmentOptions {
  readonly study: Study;
  readonly network: Graph;
  readonly federated: Parameters;
  readonly sites: readonly SiteOfRun[];
  /** Patients that no site has; without any, models are measured on all sites' validation cases together. */
  readonly heldOut: readonly CaseFiles[];
  readonly convention: LabelConvention;
  readonly baselines: boolean;
  /** Learning rates to choose the pooled model's from; the study's alone unless given. */
  readonly learningRates?: readonly number[];
  readonly initial?: Parameters;
  /** Engines side by side. */
  readonly workers: number;
  readonly cacheDir: string;
  /** How gradients are lowered, instead of the table that ships. */
  readonly lowerings?: LoweringTable | undefined;
  readonly onProgress: OnRunProgress;
}

export interface Assessment {
  readonly evaluatedOn: { readonly kind: "heldOut" | "validation"; readonly cases: number };
  readonly federated: ModelFigures;
  readonly federatedScores: readonly CaseScores[];
  /** The federated model on each site's own validation cases, in the order of the sites. */
  readonly siteScores: readonly (readonly CaseScores[])[];
  readonly pooled: ModelFigures | null;
  /** How the pooled model was trained, with which learning rate. */
  readonly pooledTraining: ChosenRate<BaselineResult> | null;
  readonly alone: AloneFigures | null;
}

export async function assess(options: AssessmentOptions): Promise<Assessment> {
  const { study, network, federated, sites, heldOut, convention, workers, cacheDir, lowerings } = options;
  const pool = openEnginePool({ study, network, workers, cacheDir, lowerings });
  try {
    const kind = heldOut.length > 0 ? "heldOut" : "validation";
    const cases = heldOut.length > 0 ? heldOut : sites.flatMap(({ data }) => data.validationCases);
    const judge = createJudge(pool, cases, convention, options);
    // A case of a site is measured as that site measures it; on anybody else's the model is as it is exported.
    const statistics = heldOut.length > 0 ? [] : runningStatisticsByCase(sites);
    const federatedScores = await judge("Measuring the federated model", federated.data, statistics);
    const siteScores = await scoresBySite(options, pool, heldOut.length > 0 ? undefined : federatedScores);
    const regions = Object.keys(study.task.regions);
    const figuresOf = (scores: readonly CaseScores[], parameters: Float32Array): ModelFigures =>
      modelFigures(
        scores.map((score, i) => ({ subject: cases[i].subject, regions: score.regions })),
        regions,
        parametersSha256({ layout: federated.layout, data: parameters }),
      );
    const own = {
      evaluatedOn: { kind, cases: cases.length },
      federated: figuresOf(federatedScores, federated.data),
      federatedScores,
      siteScores,
    } as const;
    if (!options.baselines) return { ...own, pooled: null, pooledTraining: null, alone: null };

    // Sites that only evaluate bring no cases to the pool, and have no model of their own.
    const trainers = sites.filter(({ id }) => siteTrains(study, id));
    const { pooled, alone } = await trainBaselines(pool, trainers, options);
    const pooledScores = await judge("Measuring the pooled model", pooled.trained.parameters);
    const bySite: { id: string; figures: ModelFigures }[] = [];
    for (const [i, { id }] of trainers.entries()) {
      const scores = await judge(`Measuring ${id} alone`, alone[i].parameters);
      bySite.push({ id, figures: figuresOf(scores, alone[i].parameters) });
    }
    return {
      ...own,
      pooled: figuresOf(pooledScores, pooled.trained.parameters),
      pooledTraining: pooled,
      alone: {
        mean: {
          dice: meanOfMeans(bySite.map(({ figures }) => figures.dice)),
          hd95: meanOfMeans(bySite.map(({ figures }) => figures.hd95)),
        },
        bySite: bySite.map(({ id, figures }) => ({
          id,
          dice: figures.dice,
          hd95: figures.hd95,
          spread: figures.spread,
        })),
      },
    };
  } finally {
    await pool.close();
  }
}

interface Baselines {
  readonly pooled: ChosenRate<BaselineResult>;
  /** In the order of the trainers, with the study's own learning rate. */
  readonly alone: readonly BaselineResult[];
}

/** The pooled model, once for each learning rate, and each site's own, as many side by side as there are engines. */
async function trainBaselines(
  pool: EnginePool,
  trainers: readonly SiteOfRun[],
  options: AssessmentOptions,
): Promise<Baselines> {
  const { study, network, convention, workers, cacheDir, lowerings, onProgress } = options;
  const { learningRates = [study.training.optimiser.learningRate] } = options;
  const initial = options.initial?.data;
  const pooledData: SiteData = {
    siteId: "pooled",
    trainingCases: trainers.flatMap(({ data }) => data.trainingCases),
    validationCases: trainers.flatMap(({ data }) => data.validationCases),
    convention,
  };
  const pooledSteps = trainers[0].steps.map((_, i) => sumOf(trainers.map(({ steps }) => steps[i])));
  const done = new Map<string, number>();
  const total = sumOf(pooledSteps) * (learningRates.length + 1);
  const tell =
    (job: string) =>
    (progress: { done: number }): void => {
      done.set(job, progress.done);
      onProgress({ phase: "Training on pooled data, and at each site alone", done: sumOf([...done.values()]), total });
    };
  const pooledTasks = learningRates.map((rate) => async (signal: AbortSignal) => {
    const variant = withOverrides(study, { learningRate: rate });
    const own = openEnginePool({ study: variant, network, workers: 1, cacheDir, lowerings });
    try {
      endWith(signal, own);
      const job = { study: variant, network, data: pooledData, stepsOfRounds: pooledSteps, initial };
      return await trainOnCases({ ...job, pool: own, onProgress: tell(`pooled ${rate}`) });
    } finally {
      await own.close();
    }
  });
  const aloneTasks = trainers.map(({ id, data, steps }) => (signal: AbortSignal) => {
    endWith(signal, pool);
    const job = { pool, study, network, data, stepsOfRounds: steps, initial };
    return trainOnCases({ ...job, onProgress: tell(id) });
  });
  const trained = await atMost(workers, [...pooledTasks, ...aloneTasks]);
  const candidates = learningRates.map((rate, i) => ({ rate, trained: trained[i] }));
  return { pooled: chooseRate(candidates, diceOfChosen), alone: trained.slice(learningRates.length) };
}

/** Another baseline's failure ends the pool's work: whoever opened it closes it again and waits. */
function endWith(signal: AbortSignal, pool: EnginePool): void {
  signal.addEventListener("abort", () => void pool.close(), { once: true });
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** Mean Dice on validation cases of the round that was chosen. */
function diceOfChosen({ curve, round }: BaselineResult): number | null {
  return curve.find((point) => point.round === round)?.dice.mean ?? null;
}

/** @param known scores of all validation cases, in the order of the sites, where they were measured already. */
async function scoresBySite(
  options: AssessmentOptions,
  pool: EnginePool,
  known: readonly CaseScores[] | undefined,
): Promise<readonly (readonly CaseScores[])[]> {
  const { sites, federated, convention } = options;
  const validating = sites.flatMap(({ data }) => data.validationCases);
  const judge = createJudge(pool, validating, convention, options);
  const scores =
    known ??
    (await judge("Measuring the federated model at each site", federated.data, runningStatisticsByCase(sites)));
  const counts = sites.map(({ data }) => data.validationCases.length);
  return counts.map((count, i) => {
    const before = counts.slice(0, i).reduce((a, b) => a + b, 0);
    return scores.slice(before, before + count);
  });
}

/** Of all sites' validation cases, in the order of the sites. */
function runningStatisticsByCase(sites: readonly SiteOfRun[]): (Float32Array | undefined)[] {
  return sites.flatMap(({ data, runningStatistics: statistics }) => data.validationCases.map(() => statistics));
}

/** @param statistics by case, in place of the model's running statistics. */
type Judge = (
  phase: string,
  parameters: Float32Array,
  statistics?: readonly (Float32Array | undefined)[],
) => Promise<readonly CaseScores[]>;

/** Measures any model on the same cases, shared out among the engines. */
function createJudge(
  pool: EnginePool,
  cases: readonly CaseFiles[],
  convention: LabelConvention,
  { workers, onProgress }: AssessmentOptions,
): Judge {
  return async (phase, parameters, statistics = []) => {
    let done = 0;
    const scores = new Map<number, CaseScores>();
    const kinds = [...new Set(statistics)];
    const measure = async (places: readonly number[]): Promise<void> => {
      for (const alike of groupedBy(places, (i) => String(kinds.indexOf(statistics[i]))).values()) {
        const own = statistics[alike[0]];
        const validationCases = alike.map((i) => cases[i]);
        const work = pool.forSite({ siteId: "assessment", trainingCases: [], validationCases, convention });
        const request = { parameters, ...(own && { runningStatistics: own }), overlap: FINAL_OVERLAP };
        const measured = await work.evaluate(request, () => onProgress({ phase, done: ++done, total: cases.length }));
        // Sites name their cases themselves: two of one name are told apart by their places.
        for (const [k, i] of alike.entries()) scores.set(i, measured[k]);
      }
    };
    const places = [...cases.keys()];
    await Promise.all(Array.from({ length: workers }, (_, w) => measure(places.filter((i) => i % workers === w))));
    return places.flatMap((i) => scores.get(i) ?? []);
  };
}
