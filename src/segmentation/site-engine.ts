/**
 * The engine that serves sites' requests in one thread: a training session and a forward session for the study's
 * network and patch, and the cases of whichever site asks. It holds no state of a site between requests but its
 * prepared cases, so requests of several sites may come in any order.
 */
import { ConsiliumError, createRandom, type Json } from "../base/index.ts";
import type { Graph, ParameterLayout } from "../graph/index.ts";
import {
  type GradientSession,
  openGradientSession,
  openTrainingSession,
  runRecord,
  type StepHooks,
  type TrainingSession,
} from "../runtime/index.ts";
import type { Study } from "../study/index.ts";
import { learningRateAt, stepOptionsOfStudy } from "../training/index.ts";
import { createCaseStore } from "./case-store.ts";
import { evaluateOnOwnGrid } from "./evaluate-case.ts";
import type { CaseScores, EvaluateRequest, SiteData, TrainRequest, TrainResult, WorkProgress } from "./local-work.ts";
import { drawPatch, patchSettings } from "./patches.ts";
import type { Predict } from "./sliding-window.ts";
import { trainPrivately } from "./train-privately.ts";
import { openWindowPredictor, type WindowPredictor } from "./window-predictor.ts";

export interface SiteEngineOptions {
  readonly study: Study;
  readonly network: Graph;
  readonly cacheDir?: string;
  /** Looked at before every run of a graph. */
  readonly signal?: AbortSignal;
}

type OnProgress = (progress: WorkProgress) => void;

export interface SiteEngine {
  train(site: SiteData, request: TrainRequest, onProgress: OnProgress): Promise<TrainResult>;
  evaluate(site: SiteData, request: EvaluateRequest, onProgress: OnProgress): Promise<readonly CaseScores[]>;
  close(): Promise<void>;
}

export function createSiteEngine({ study, network, cacheDir, signal }: SiteEngineOptions): SiteEngine {
  const { task, training } = study;
  const [pw, ph, pd] = training.patch;
  const channels = task.channels.length;
  const patchVoxels = pw * ph * pd;
  const shape = (batch: number): number[] => [batch, channels, pd, ph, pw];
  const store = createCaseStore({
    spacingMm: task.spacingMm,
    channels: task.channels,
    mayMiss: task.mayMiss,
    classes: task.labels.length,
    ...(cacheDir !== undefined && { cacheDir }),
  });
  const { threads } = training;
  let trainer: Promise<TrainingSession> | undefined;
  let privateTrainer: Promise<GradientSession> | undefined;
  let predictor: Promise<WindowPredictor> | undefined;
  const openTrainer = (): Promise<TrainingSession> => {
    trainer ??= openTrainingSession(network, {
      ...stepOptionsOfStudy(study, shape(training.batch)),
      accumulate: training.accumulate,
      threads,
    });
    return trainer;
  };
  const openPrivateTrainer = (): Promise<GradientSession> => {
    privateTrainer ??= openGradientSession(network, { ...stepOptionsOfStudy(study, shape(1)), threads });
    return privateTrainer;
  };
  const dropoutOf = ({ siteId, round }: TrainRequest): StepHooks => ({
    dropoutSeed: [training.seed, "dropout", siteId, round],
  });
  async function trainWithNoise(site: SiteData, request: TrainRequest, onProgress: OnProgress): Promise<TrainResult> {
    const session = await openPrivateTrainer();
    refuseBuffers(session.layout);
    session.load(request.parameters, request.optimiserState, request.stepsTaken, dropoutOf(request));
    const meanLoss = await trainPrivately({
      study,
      session,
      trainingCases: site.trainingCases,
      open: (files) => store.training(files, site.convention),
      steps: request.steps,
      learningRate: (shareOfRound) => learningRateAt(study, request.round, shareOfRound),
      signal,
      onStep: (done, loss) => onProgress({ done, total: request.steps, ...(loss !== undefined && { loss }) }),
    });
    return resultOf(session, request, meanLoss);
  }
  const resultOf = (
    session: Pick<TrainingSession, "averaged" | "state">,
    { stepsTaken, steps }: TrainRequest,
    meanLoss: number | null,
  ): TrainResult => ({
    parameters: session.averaged().slice(),
    optimiserState: session.state().slice(),
    stepsTaken: stepsTaken + steps,
    meanLoss,
    steps,
    runRecord: runRecord(threads) as Json,
  });
  const openPredictor = (): Promise<WindowPredictor> => {
    predictor ??= openWindowPredictor(network, study, { threads });
    return predictor;
  };
  /** Draws the patches of one batch; each from a seed of its own, so that any of them can be drawn again. */
  const fillBatch = async (
    site: SiteData,
    request: TrainRequest,
    step: number,
    part: number,
    batch: PatchBatch,
  ): Promise<void> => {
    for (let place = 0; place < training.batch; place++) {
      const item = part * training.batch + place;
      const files = caseOfItem(site, study, request, step * itemsPerStep(study) + item);
      const source = await store.training(files, site.convention);
      drawPatch(
        source,
        patchSettings(study),
        [training.seed, "patch", request.siteId, request.round, step, item],
        batch.image.subarray(place * channels * patchVoxels, (place + 1) * channels * patchVoxels),
        batch.labels.subarray(place * patchVoxels, (place + 1) * patchVoxels),
      );
      batch.cases[place] = files.id;
    }
  };
  return {
    async train(site, request, onProgress) {
      if (study.privacy.patientLevel !== undefined) return trainWithNoise(site, request, onProgress);
      const session = await openTrainer();
      session.load(request.parameters, request.optimiserState, request.stepsTaken, dropoutOf(request));
      let lossSum = 0;
      const batches = Array.from({ length: training.accumulate }, () => emptyBatch(study));
      for (let step = 0; step < request.steps; step++) {
        for (const [part, batch] of batches.entries()) {
          await fillBatch(site, request, step, part, batch);
        }
        signal?.throwIfAborted();
        const { loss } = await session.step(batches, learningRateAt(study, request.round, step / request.steps));
        lossSum += loss;
        onProgress({ done: step + 1, total: request.steps, loss });
      }
      return resultOf(session, request, lossSum / request.steps);
    },
    async evaluate(site, { parameters, overlap }, onProgress) {
      const predictor = await openPredictor();
      const window = predictor.window(overlap);
      const predict: Predict = (image, sides) => {
        signal?.throwIfAborted();
        return predictor.predict(image, sides, parameters);
      };
      const scores: CaseScores[] = [];
      for (const files of site.validationCases) {
        const regions = await evaluateOnOwnGrid(files, site.convention, task, window, predict);
        scores.push({ caseId: files.id, regions });
        onProgress({ done: scores.length, total: site.validationCases.length });
      }
      return scores;
    },
    async close() {
      await (await trainer)?.close();
      await (await privateTrainer)?.close();
      await (await predictor)?.close();
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

interface PatchBatch {
  readonly image: Float32Array;
  readonly labels: Uint8Array;
  readonly cases: string[];
}

function emptyBatch({ task, training }: Study): PatchBatch {
  const voxels = training.batch * training.patch.reduce((product, side) => product * side, 1);
  return { image: new Float32Array(task.channels.length * voxels), labels: new Uint8Array(voxels), cases: [] };
}

/** Patches of one gradient step. */
function itemsPerStep({ training }: Study): number {
  return training.batch * training.accumulate;
}

/** Items run through all cases in a new order each time, across rounds. */
function caseOfItem(
  { trainingCases }: SiteData,
  study: Study,
  request: TrainRequest,
  item: number,
): SiteData["trainingCases"][number] {
  const count = trainingCases.length;
  const before = (request.round - 1) * request.steps * itemsPerStep(study);
  const epoch = Math.floor((before + item) / count);
  const order = createRandom(study.training.seed, "order", request.siteId, epoch).shuffled(trainingCases);
  return order[(before + item) % count];
}

/** Gradient steps of a site with so many training cases in a round. */
export function stepsOfRound(study: Study, trainingCases: number): number {
  const { stepsPerRound } = study.training;
  if (typeof stepsPerRound === "number") return stepsPerRound;
  return Math.max(1, Math.ceil((stepsPerRound.patchesPerCase * trainingCases) / itemsPerStep(study)));
}
