/**
 * The engine that serves sites' requests in one thread, with patches prepared in another beside it: a training session
 * and a forward session for the study's network and patch, and the cases of whichever site asks. It holds no state of
 * a site between requests but its prepared cases, so requests of several sites may come in any order.
 */
import { ConsiliumError, type Json } from "../base/index.ts";
import type { Graph, ParameterLayout } from "../graph/index.ts";
import {
  type GradientSession,
  openGradientSession,
  openTrainingSession,
  runRecord,
  type TrainingSession,
} from "../runtime/index.ts";
import { leastSteps, type Study } from "../study/index.ts";
import {
  type LoweringTable,
  learningRateAt,
  loweringsOf,
  SHIPPED_LOWERINGS,
  stepOptionsOfStudy,
} from "../training/index.ts";
import { type CaseStore, caseStoreOfStudy } from "./case-store.ts";
import { type CaseTally, tallyCase } from "./case-tally.ts";
import { evaluateOnOwnGrid } from "./evaluate-case.ts";
import { beginLocalRound, endLocalRound, type LocalRound, withRunningStatistics } from "./local-round.ts";
import type { CaseScores, EvaluateRequest, SiteData, TrainRequest, TrainResult, WorkProgress } from "./local-work.ts";
import { openPatchQueue, type PatchQueue } from "./patch-queue.ts";
import type { Predict } from "./sliding-window.ts";
import { trainPrivately } from "./train-privately.ts";
import { openWindowPredictor, type WindowPredictor } from "./window-predictor.ts";

export interface SiteEngineOptions {
  readonly study: Study;
  readonly network: Graph;
  readonly cacheDir?: string;
  readonly lowerings?: LoweringTable | undefined;
  /** Looked at before every run of a graph. */
  readonly signal?: AbortSignal;
}

type OnProgress = (progress: WorkProgress) => void;

export interface SiteEngine {
  train(site: SiteData, request: TrainRequest, onProgress: OnProgress): Promise<TrainResult>;
  /** Another `finishWithinMs`, from now, for the training underway; nothing where there is none, or it had none. */
  finishWithin(ms: number): void;
  evaluate(site: SiteData, request: EvaluateRequest, onProgress: OnProgress): Promise<readonly CaseScores[]>;
  tally(site: SiteData, onProgress: OnProgress): Promise<readonly CaseTally[]>;
  close(): Promise<void>;
}

export function createSiteEngine(options: SiteEngineOptions): SiteEngine {
  const { study, network, cacheDir, signal, lowerings: table = SHIPPED_LOWERINGS } = options;
  const { task, training } = study;
  const [pw, ph, pd] = training.patch;
  const channels = task.channels.length;
  const shape = (batch: number): number[] => [batch, channels, pd, ph, pw];
  const { threads } = training;
  const lowerings = loweringsOf(table);
  let trainer: Promise<TrainingSession> | undefined;
  let privateTrainer: Promise<GradientSession> | undefined;
  let predictor: Promise<WindowPredictor> | undefined;
  let patches: PatchQueue | undefined;
  let store: CaseStore | undefined;
  /** By `performance.now`: when the steps underway are to end, where they are to. */
  let finishAtMs: number | undefined;
  const openTrainer = (): Promise<TrainingSession> => {
    trainer ??= openTrainingSession(network, {
      ...stepOptionsOfStudy(study, shape(training.batch)),
      accumulate: training.accumulate,
      threads,
      lowerings,
    });
    return trainer;
  };
  const openPrivateTrainer = (): Promise<GradientSession> => {
    privateTrainer ??= openGradientSession(network, { ...stepOptionsOfStudy(study, shape(1)), threads, lowerings });
    return privateTrainer;
  };
  const begin = (
    session: Pick<TrainingSession, "load" | "layout" | "stateLength">,
    request: TrainRequest,
  ): LocalRound => {
    const round = beginLocalRound(study, session, request);
    session.load(round.parameters, round.optimiser.state, round.optimiser.stepsTaken, {
      dropoutSeed: [training.seed, "dropout", request.siteId, request.round],
      ...(round.control && { controlVariate: round.control.correction }),
    });
    return round;
  };
  async function trainWithNoise(site: SiteData, request: TrainRequest, onProgress: OnProgress): Promise<TrainResult> {
    const session = await openPrivateTrainer();
    store ??= caseStoreOfStudy(study, cacheDir);
    const cases = store;
    refuseBuffers(session.layout);
    const round = begin(session, request);
    const meanLoss = await trainPrivately({
      study,
      session,
      trainingCases: site.trainingCases,
      open: (files) => cases.training(files, site.convention),
      steps: request.steps,
      learningRate: (shareOfRound) => learningRateAt(study, request.round, shareOfRound),
      signal,
      onStep: (done, loss) => onProgress({ done, total: request.steps, ...(loss !== undefined && { loss }) }),
    });
    return resultOf(session, request, round, { steps: request.steps, meanLoss });
  }
  const resultOf = (
    session: Pick<TrainingSession, "averaged" | "state" | "layout" | "stateLength">,
    request: TrainRequest,
    round: LocalRound,
    { steps, meanLoss }: Pick<TrainResult, "steps" | "meanLoss">,
  ): TrainResult => ({
    ...endLocalRound(study, session, request, round, {
      parameters: session.averaged(),
      state: session.state(),
      steps,
    }),
    meanLoss,
    steps,
    runRecord: runRecord(threads, table) as Json,
  });
  const openPredictor = (): Promise<WindowPredictor> => {
    predictor ??= openWindowPredictor(network, study, { threads });
    return predictor;
  };
  return {
    async train(site, request, onProgress) {
      const { finishWithinMs } = request;
      finishAtMs = finishWithinMs === undefined ? undefined : performance.now() + finishWithinMs;
      if (study.privacy.patientLevel !== undefined) return trainWithNoise(site, request, onProgress);
      patches ??= openPatchQueue(study, cacheDir);
      const { round, steps, siteId } = request;
      patches.start(site, { round, steps, siteId });
      const session = await openTrainer();
      const begun = begin(session, request);
      const least = leastSteps(study, request.steps);
      const startedMs = performance.now();
      let lossSum = 0;
      let done = 0;
      while (done < request.steps) {
        if (done >= least && finishAtMs !== undefined && nextStepEndsMs(startedMs, done) > finishAtMs) break;
        const batches = await patches.next();
        signal?.throwIfAborted();
        const { loss } = await session.step(batches, learningRateAt(study, request.round, done / request.steps));
        patches.giveBack(batches);
        lossSum += loss;
        done++;
        onProgress({ done, total: request.steps, loss });
      }
      return resultOf(session, request, begun, { steps: done, meanLoss: lossSum / done });
    },
    finishWithin(ms) {
      if (finishAtMs !== undefined) finishAtMs = performance.now() + ms;
    },
    async evaluate(site, { parameters, runningStatistics: statistics, overlap }, onProgress) {
      const predictor = await openPredictor();
      const window = predictor.window(overlap);
      const model = withRunningStatistics(
        predictor.layout,
        parameters.subarray(0, predictor.layout.length),
        statistics,
      );
      const predict: Predict = (image, sides) => {
        signal?.throwIfAborted();
        return predictor.predict(image, sides, model);
      };
      const scores: CaseScores[] = [];
      for (const files of site.validationCases) {
        const regions = await evaluateOnOwnGrid(files, site.convention, task, window, predict);
        scores.push({ caseId: files.id, regions });
        onProgress({ done: scores.length, total: site.validationCases.length });
      }
      return scores;
    },
    async tally(site, onProgress) {
      const cases = [...site.trainingCases, ...site.validationCases].sort((a, b) => (a.id < b.id ? -1 : 1));
      const tallies: CaseTally[] = [];
      for (const files of cases) {
        signal?.throwIfAborted();
        tallies.push(await tallyCase(files, site.convention, study));
        onProgress({ done: tallies.length, total: cases.length });
      }
      return tallies;
    },
    async close() {
      await (await trainer)?.close();
      await (await privateTrainer)?.close();
      await (await predictor)?.close();
      await patches?.close();
    },
  };
}

/** What a forward pass moves has no noise: a site looks itself, whatever was checked before. */
function refuseBuffers({ entries }: ParameterLayout): void {
  const buffer = entries.find((entry) => entry.buffer);
  if (buffer === undefined) return;
  throw new ConsiliumError("study-invalid", {
    subject: `running statistics ${buffer.name}`,
    expected: "frozen ones with privacy.patientLevel",
    actual: "some that are made from patients without noise",
    hint: "Set training.runningStatistics to frozen, or take norms over each case.",
  });
}

/** When another step would end, if it takes as long as those before it. */
function nextStepEndsMs(startedMs: number, done: number): number {
  const nowMs = performance.now();
  return nowMs + (nowMs - startedMs) / done;
}
