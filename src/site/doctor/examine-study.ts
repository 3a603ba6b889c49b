/**
 * What a study asks of this machine: data, disk, memory and time. Steps are measured with the study's own network on
 * made-up patches: no patient's data is touched before the study is approved.
 */
import { statfs } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { createRandom } from "../../base/index.ts";
import { networkOfStudy } from "../../networks/index.ts";
import { openTrainingSession } from "../../runtime/index.ts";
import { outputChannels, type Study, stepsOfRound } from "../../study/index.ts";
import { networkParameters, stepOptionsOfStudy } from "../../training/index.ts";
import { checkPatchFitsData, type RegisteredData, trainingCases, validationCases } from "../site-data.ts";
import { bad, type Finding, find, good, type OnFinding, skipped } from "./finding.ts";

/** The first run of a graph allocates and is not counted. */
const WARM_UP_STEPS = 1;
/** Models, updates and moments that a site keeps at a time, as multiples of the model (`study-progress.ts`). */
const OBJECTS_PER_MODEL = 6;
/** Left free beside what is reckoned. */
const MEMORY_RESERVE = 1.15;

export interface StudyOptions {
  readonly study: Study;
  /** The ONNX file of a study whose network is one. */
  readonly modelBytes: Uint8Array | undefined;
  readonly data: RegisteredData | undefined;
  readonly home: string;
  readonly steps: number;
  readonly downBytesPerSecond: number | undefined;
  readonly upBytesPerSecond: number | undefined;
  readonly signal: AbortSignal;
  readonly onFinding: OnFinding;
}

export async function examineStudy(options: StudyOptions): Promise<readonly Finding[]> {
  const { study, modelBytes, home, onFinding } = options;
  const findings: Finding[] = [await find("data", async () => dataFound(study, options.data), onFinding)];
  if (study.network.kind === "onnx" && modelBytes === undefined) {
    const words = "the study's network is a file that is not here yet: give the study file with --study";
    return [...findings, { check: "step", ...skipped(words) }];
  }
  let measured: Measured | undefined;
  findings.push(
    await find(
      "step",
      async () => {
        measured = await measureSteps(options);
        return stepFound(measured, study);
      },
      onFinding,
    ),
  );
  if (measured === undefined) return findings;
  const { parameters, peakBytes, secondsPerStep } = measured;
  findings.push(await find("memory", async () => memoryFound(peakBytes), onFinding));
  findings.push(await find("disk", () => diskFound(home, parameters, options), onFinding));
  findings.push(await find("round", async () => roundFound(options, secondsPerStep, parameters), onFinding));
  return findings;
}

function dataFound(study: Study, data: RegisteredData | undefined): Omit<Finding, "check"> {
  if (data === undefined) {
    return bad("warning", "no cases are registered", "Register them: `consilium site data --home HOME --dataset DIR`.");
  }
  const [training, validation] = [trainingCases(data).length, validationCases(data).length];
  const figures = { training, validation, excluded: data.excluded.length };
  if (training === 0) return bad("failed", "no case is left for training", "Register more cases.", figures);
  checkPatchFitsData(study, data.smallestExtentMm);
  return good(
    `${training} training and ${validation} validation cases; the study's patch fits into the smallest`,
    figures,
  );
}

interface Measured {
  readonly secondsPerStep: number;
  readonly parameters: number;
  /** Of this process at its largest: what a site at work takes. */
  readonly peakBytes: number;
}

async function measureSteps({ study, modelBytes, steps, signal }: StudyOptions): Promise<Measured> {
  const { task, training } = study;
  const [pw, ph, pd] = training.patch;
  const shape = [training.batch, task.channels.length, pd, ph, pw];
  const network = networkOfStudy(study, modelBytes);
  const parameters = networkParameters(network);
  const session = await openTrainingSession(network, {
    ...stepOptionsOfStudy(study, shape),
    accumulate: training.accumulate,
    threads: training.threads,
  });
  try {
    session.load(parameters.data, null, 0);
    const batch = madeUpBatch(study);
    const times: number[] = [];
    for (let step = 0; step < WARM_UP_STEPS + steps; step++) {
      signal.throwIfAborted();
      const start = performance.now();
      await session.step(batch, training.optimiser.learningRate);
      if (step >= WARM_UP_STEPS) times.push((performance.now() - start) / 1000);
    }
    times.sort((a, b) => a - b);
    const peakBytes = process.resourceUsage().maxRSS * 1024;
    return { secondsPerStep: times[times.length >> 1], parameters: parameters.data.length, peakBytes };
  } finally {
    await session.close();
  }
}

function madeUpBatch({ task, training }: Study): { image: Float32Array; labels: Uint8Array } {
  const voxels = training.batch * training.patch.reduce((product, side) => product * side, 1);
  const random = createRandom("doctor", 1);
  const image = Float32Array.from({ length: voxels * task.channels.length }, () => random.between(-1, 1));
  const labels = Uint8Array.from({ length: voxels }, () => random.integer(outputChannels(task)));
  return { image, labels };
}

function stepFound({ secondsPerStep, parameters }: Measured, { training }: Study): Omit<Finding, "check"> {
  const processors = availableParallelism();
  const words = `${secondsPerStep.toFixed(2)} s for a training step of ${parameters.toLocaleString("en")} parameters on ${training.threads} of ${processors} processors`;
  const figures = { secondsPerStep, parameters, threads: training.threads, processors };
  if (training.threads <= processors) return good(words, figures);
  return bad(
    "warning",
    words,
    "The study declares more threads than this machine has: it works, more slowly.",
    figures,
  );
}

function memoryFound(peakBytes: number): Omit<Finding, "check"> {
  const limit = process.constrainedMemory();
  const total = limit !== undefined && limit > 0 && limit < totalmem() ? limit : totalmem();
  // What this process holds already is part of what it found possible.
  const available = process.availableMemory() + process.memoryUsage.rss();
  const needed = Math.round(peakBytes * MEMORY_RESERVE);
  const figures = { neededBytes: needed, availableBytes: available, totalBytes: total };
  const words = `training takes ${size(peakBytes)}; ${size(available)} of ${size(total)} are to be had`;
  if (needed <= available) return good(words, figures);
  if (needed <= total) return bad("warning", words, "It fits once other programs are closed.", figures);
  return bad("failed", words, "It does not fit: take a machine with more memory, or ask for a smaller patch.", figures);
}

async function diskFound(home: string, parameters: number, options: StudyOptions): Promise<Omit<Finding, "check">> {
  const { bavail, bsize } = await statfs(home);
  const free = bavail * bsize;
  const needed = OBJECTS_PER_MODEL * 4 * parameters + preparedBytes(options);
  const figures = { neededBytes: needed, freeBytes: free };
  const words = `the study keeps up to ${size(needed)} here; ${size(free)} are free`;
  if (needed <= free) return good(words, figures);
  return bad("failed", words, "It does not fit: make room, or move the home to another disk.", figures);
}

/** Prepared cases in the cache: channels as float32 and classes as bytes, on the study's grid. */
function preparedBytes({ study, data }: StudyOptions): number {
  if (data === undefined) return 0;
  const voxels = data.smallestExtentMm.reduce((product, mm) => product * Math.ceil(mm / study.task.spacingMm), 1);
  return data.cases.length * voxels * (4 * study.task.channels.length + 1);
}

function roundFound(options: StudyOptions, secondsPerStep: number, parameters: number): Omit<Finding, "check"> {
  const { study, data, downBytesPerSecond, upBytesPerSecond } = options;
  if (data === undefined) return skipped("its steps follow from the cases, and none are registered");
  const steps = stepsOfRound(study, trainingCases(data).length);
  const training = steps * secondsPerStep;
  const model = 4 * parameters;
  const transfer = downBytesPerSecond && upBytesPerSecond ? model / downBytesPerSecond + model / upBytesPerSecond : 0;
  const { deadlineS } = study.rounds;
  const figures = { steps, trainingS: training, transferS: transfer, deadlineS };
  const words = `${steps} steps take ${duration(training)}, moving ${size(2 * model)} ${transfer === 0 ? "was not measured" : `takes ${duration(transfer)}`}; the deadline is ${duration(deadlineS)}`;
  if (training + transfer <= deadlineS) return good(words, figures);
  const hint = "It does not fit: ask the study lead for a longer deadline or fewer steps, or take a faster machine.";
  return bad("failed", words, hint, figures);
}

function size(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  return seconds < 7200 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
