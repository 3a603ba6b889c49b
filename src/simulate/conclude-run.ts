/** The end of every run, simulated or of real processes: the model is measured, and what it leaves is written. */
import type { Graph, Parameters } from "../graph/index.ts";
import type { CaseFiles, LabelConvention } from "../imaging/index.ts";
import { plannedPrivacy } from "../privacy/index.ts";
import { worstSites } from "../segmentation/index.ts";
import type { Study } from "../study/index.ts";
import type { LoweringTable } from "../training/index.ts";
import { assess } from "./assess.ts";
import type { FederatedRun } from "./federated-run.ts";
import type { ChosenRate, TriedRate } from "./learning-rates.ts";
import { writeOutcome } from "./outcome.ts";
import type { OnRunProgress } from "./progress.ts";
import { type FederationResult, type LearningRates, ratioOf } from "./result.ts";

export interface ConclusionOptions {
  readonly study: Study;
  readonly network: Graph;
  readonly initial: Parameters;
  readonly run: FederatedRun;
  readonly heldOut: readonly CaseFiles[];
  readonly convention: LabelConvention;
  readonly baselines: boolean;
  /** What the federation's own learning rate was chosen from, and the list for the pooled model. */
  readonly triedRates?: readonly TriedRate[];
  readonly workers: number;
  readonly out: string;
  readonly cacheDir: string;
  /** How gradients are lowered, instead of the table that ships. */
  readonly lowerings?: LoweringTable | undefined;
  /** How the run was started, for the report. */
  readonly command: string;
  /** `performance.now()` at its start. */
  readonly startedMs: number;
  /** Of other processes that took part; asked for at the end. */
  readonly otherPeakRssBytes?: () => number;
  readonly onProgress: OnRunProgress;
}

export interface Conclusion {
  readonly result: FederationResult;
  readonly modelDir: string;
  readonly report: string;
}

export async function concludeRun(options: ConclusionOptions): Promise<Conclusion> {
  const { study, run, out, startedMs, otherPeakRssBytes = () => 0 } = options;
  const assessment = await assess({
    ...options,
    federated: run.model,
    sites: run.sites,
    ...(options.triedRates && { learningRates: options.triedRates.map(({ rate }) => rate) }),
  });
  const { evaluatedOn, federated, pooled, alone, pooledTraining } = assessment;
  const sites = run.sites.map(({ id, cases, dice, hd95 }) => ({ id, cases, dice, hd95 }));
  const result: FederationResult = {
    sites,
    evaluatedOn,
    federated,
    worstSite: worstSites(sites, Object.keys(study.task.regions)),
    matrices: run.matrices,
    pooled,
    alone,
    ratio: ratioOf(federated.dice, pooled?.dice),
    learningRates: describeRates(study, options.triedRates, pooledTraining),
    patientLevel: plannedPrivacy(study) ?? null,
    rounds: run.rounds.length,
    gradientSteps: run.gradientSteps,
    seconds: (performance.now() - startedMs) / 1000,
    peakRssBytes: Math.max(otherPeakRssBytes(), process.resourceUsage().maxRSS * 1024),
  };
  return { result, ...(await writeOutcome(out, { ...options, assessment, result })) };
}

/** Null where nothing was chosen. */
function describeRates(
  { training }: Study,
  triedRates: readonly TriedRate[] = [],
  pooled: ChosenRate<unknown> | null,
): LearningRates | null {
  if (triedRates.length < 2) return null;
  return {
    federated: training.optimiser.learningRate,
    pooled: pooled?.rate ?? null,
    tried: triedRates.map(({ rate, dice }, i) => ({ rate, federated: dice, pooled: pooled?.tried[i].dice ?? null })),
  };
}
