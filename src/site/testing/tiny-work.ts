/**
 * A small engine for tests: real gradient descent with momentum on a quadratic whose minimum each case shifts, so
 * that parameters, moments, rounds, cases and sites all enter the bits, in microseconds.
 */
import { randomBytes } from "node:crypto";
import { AXES, cellCount } from "../../aggregation/index.ts";
import { createRandom, sha256 } from "../../base/index.ts";
import { createCryptoRandom, createPatientSum, type PatientSum } from "../../privacy/index.ts";
import type { CaseTally, LocalWork, SiteData } from "../../segmentation/index.ts";
import { leastSteps, type Study } from "../../study/index.ts";
import type { OpenWork } from "../engine.ts";

export interface TinyWorkHooks {
  /** Called before each step, each evaluated case and each tallied one; may throw, or wait. */
  readonly onStep?: (where: "train" | "evaluate" | "tally", round: number, done: number) => void | Promise<void>;
  readonly onClose?: () => void;
  /** By which steps that have a time are ended, in milliseconds: `performance.now` unless given. */
  readonly nowMs?: () => number;
  /** Hears how long steps have from now on, in milliseconds, where that is told while they are taken. */
  readonly onTimeLeft?: (ms: number) => void;
}

export function tinyWork(hooks: TinyWorkHooks = {}): OpenWork {
  return async ({ study, data }) => openTiny(study, data, hooks);
}

function openTiny(study: Study, data: SiteData, hooks: TinyWorkHooks): LocalWork {
  const { learningRate } = study.training.optimiser;
  const { nowMs = () => performance.now() } = hooks;
  let finishAtMs: number | undefined;
  return {
    async train(request, onProgress) {
      const { parameters, optimiserState, stepsTaken, round, siteId, steps: asked, finishWithinMs } = request;
      const noise = noiseOf(study, data, parameters.length);
      const weights = parameters.slice();
      const moments = optimiserState?.slice() ?? new Float32Array(weights.length);
      const own = study.training.runningStatistics === "local";
      const statistics = request.runningStatistics?.slice() ?? new Float32Array(2);
      let lossSum = 0;
      finishAtMs = finishWithinMs === undefined ? undefined : nowMs() + finishWithinMs;
      const least = leastSteps(study, asked);
      let steps = 0;
      for (let step = 0; step < asked; step++) {
        if (finishAtMs !== undefined && step >= least && nowMs() > finishAtMs) break;
        steps++;
        await hooks.onStep?.("train", round, step);
        const random = createRandom(study.training.seed, "case", siteId, round, step);
        const target = targetOf(data.trainingCases[random.integer(data.trainingCases.length)].id, weights.length);
        const gradient = weights.map((weight, i) => weight - target[i]);
        const loss = gradient.reduce((sum, value) => sum + value * value, 0);
        noise?.add(gradient);
        const direction = noise?.noisedMean() ?? gradient;
        for (let i = 0; i < weights.length; i++) {
          moments[i] = 0.9 * moments[i] + direction[i];
          weights[i] -= learningRate * moments[i];
        }
        for (let i = 0; i < statistics.length; i++) statistics[i] = 0.9 * statistics[i] + 0.1 * target[i];
        lossSum += loss / weights.length;
        onProgress?.({ done: step + 1, total: asked, loss });
      }
      const runRecord = { engine: "tiny", threads: 1 };
      const meanLoss = lossSum / steps;
      return {
        parameters: weights,
        optimiserState: moments,
        ...(own && { runningStatistics: statistics }),
        stepsTaken: stepsTaken + steps,
        meanLoss,
        steps,
        runRecord,
      };
    },
    finishWithin(ms) {
      if (finishAtMs !== undefined) finishAtMs = nowMs() + ms;
      hooks.onTimeLeft?.(ms);
    },
    async evaluate({ parameters: model, runningStatistics: statistics = [] }, onProgress) {
      const parameters = model.slice();
      parameters.set(statistics);
      const scores = [];
      for (const [i, { id }] of data.validationCases.entries()) {
        await hooks.onStep?.("evaluate", 0, i);
        const target = targetOf(id, parameters.length);
        const mse = parameters.reduce((sum, value, k) => sum + (value - target[k]) ** 2, 0) / parameters.length;
        const figures = { dice: 1 / (1 + mse), hd95: mse, sensitivity: 1, specificity: 1 };
        const regions = Object.fromEntries(
          Object.keys(study.task.regions).map((region) => [
            region,
            region === "ET" ? { ...figures, hd95: null } : figures,
          ]),
        );
        scores.push({ caseId: id, regions });
        onProgress?.({ done: i + 1, total: data.validationCases.length });
      }
      return scores;
    },
    async tally(onProgress) {
      const cases = [...data.trainingCases, ...data.validationCases].sort((a, b) => (a.id < b.id ? -1 : 1));
      const tallies: CaseTally[] = [];
      for (const [i, { id }] of cases.entries()) {
        await hooks.onStep?.("tally", 0, i);
        tallies.push(tinyTally(study, id));
        onProgress?.({ done: i + 1, total: cases.length });
      }
      return tallies;
    },
    async close() {
      hooks.onClose?.();
    },
  };
}

/** What the case's name says of its voxels: each has every scan and region. */
export function tinyTally({ task, statistics }: Pick<Study, "task" | "statistics">, caseId: string): CaseTally {
  const of = (name: string) => createRandom("tally", sha256(caseId), name);
  const draw = (names: readonly string[], most: number): Record<string, number> =>
    Object.fromEntries(names.map((name) => [name, of(name).integer(most)]));
  const range = statistics?.intensities;
  const voxels = (channel: string): number[] => {
    const random = of(channel);
    return Array.from({ length: range ? cellCount(range) : 0 }, () => random.integer(1000));
  };
  return {
    caseId,
    intensities: range ? Object.fromEntries(task.channels.map((channel) => [channel, voxels(channel)])) : {},
    voxelSizes: draw(AXES, 5000),
    volumes: draw(Object.keys(task.regions), 300_000),
    labels: task.labels.filter((label, i) => i > 0 && of(label).uniform() < 0.6),
  };
}

/** Real clipping and noise where the study declares them: no two runs give the same bits. */
function noiseOf({ privacy }: Study, { trainingCases }: SiteData, length: number): PatientSum | undefined {
  const { patientLevel } = privacy;
  const random = createCryptoRandom({ randomBytes });
  return patientLevel && createPatientSum({ ...patientLevel, length, expectedPatients: trainingCases.length, random });
}

function targetOf(caseId: string, length: number): Float32Array {
  const random = createRandom("target", sha256(caseId));
  return Float32Array.from({ length }, () => random.between(-1, 1));
}
