/**
 * Engines in worker threads, so that the network's long steps never hold up the process that talks to the world.
 * A hospital's site has a pool of one; a simulation shares a few among all of its sites. Jobs wait in the order in
 * which they came; a site's own jobs never overlap, because a site asks for one thing at a time.
 */
import type { Worker } from "node:worker_threads";
import { ConsiliumError, startWorkerThread } from "../base/index.ts";
import { encodeOnnx, type Graph } from "../graph/index.ts";
import { networkOfStudy } from "../networks/index.ts";
import type { Study } from "../study/index.ts";
import type { LoweringTable } from "../training/index.ts";
import type { CaseTally } from "./case-tally.ts";
import type { EngineDeadline, EngineJob, EngineReply, EngineSetup, EngineStop } from "./engine-protocol.ts";
import type { CaseScores, LocalWork, SiteData, TrainResult, WorkProgress } from "./local-work.ts";

export interface EnginePool {
  /** The engine as one site sees it; closing it leaves the pool open. */
  forSite(site: SiteData): LocalWork;
  close(): Promise<void>;
}

export interface EnginePoolOptions {
  readonly study: Study;
  readonly network: Graph;
  /** Threads of work side by side; each uses `training.threads` of the study. */
  readonly workers: number;
  readonly cacheDir?: string;
  /** Instead of the table that ships; its digest is in every run record. */
  readonly lowerings?: LoweringTable | undefined;
}

interface Pending {
  readonly job: EngineJob;
  /** By `performance.now`: when the steps of a training that has such a time are to end. */
  finishAtMs: number | undefined;
  readonly onProgress: (progress: WorkProgress) => void;
  readonly resolve: (result: TrainResult | readonly CaseScores[] | readonly CaseTally[]) => void;
  readonly reject: (error: unknown) => void;
}

interface Slot {
  readonly worker: Worker;
  current: Pending | undefined;
}

/** Longer than any step takes. */
const STOP_PATIENCE_MS = 120_000;

export function openEnginePool({ study, network, workers, cacheDir, lowerings }: EnginePoolOptions): EnginePool {
  const setup: EngineSetup = {
    study,
    networkBytes: encodeOnnx(network),
    lowerings,
    ...(cacheDir !== undefined && { cacheDir }),
  };
  const waiting: Pending[] = [];
  const slots: Slot[] = [];
  let nextId = 0;
  let closed = false;

  function startSlot(): Slot {
    const worker = startWorkerThread(import.meta.url, "segmentation", "engine.worker", { workerData: setup });
    const slot: Slot = { worker, current: undefined };
    worker.on("message", (reply: EngineReply) => settle(slot, reply));
    worker.on("error", (cause) => fail(slot, cause));
    worker.on("exit", () => fail(slot, new Error("the engine's thread ended")));
    return slot;
  }
  function dispatch(): void {
    while (waiting.length > 0) {
      let slot = slots.find(({ current }) => current === undefined);
      if (slot === undefined) {
        if (slots.length >= workers) return;
        slot = startSlot();
        slots.push(slot);
      }
      slot.current = waiting.shift();
      if (slot.current !== undefined) slot.worker.postMessage(timed(slot.current));
    }
  }
  function settle(slot: Slot, reply: EngineReply): void {
    const pending = slot.current;
    if (pending === undefined || reply.id !== pending.job.id) return;
    if (reply.kind === "progress") {
      pending.onProgress(reply.progress);
      return;
    }
    slot.current = undefined;
    if (reply.kind === "failed") pending.reject(new ConsiliumError(reply.error.code, reply.error));
    else pending.resolve(reply.result);
    dispatch();
  }
  function fail(slot: Slot, cause: unknown): void {
    const index = slots.indexOf(slot);
    if (index >= 0) slots.splice(index, 1);
    slot.current?.reject(closed ? interrupted(cause) : brokenOff(cause));
    slot.current = undefined;
    if (!closed) dispatch();
  }
  function submit(make: (id: number) => EngineJob, onProgress?: (progress: WorkProgress) => void): Promise<unknown> {
    if (closed) return Promise.reject(interrupted());
    return new Promise((resolve, reject) => {
      const job = make(nextId++);
      const finishAtMs = job.kind === "train" ? fromNow(job.request.finishWithinMs) : undefined;
      waiting.push({ job, finishAtMs, onProgress: onProgress ?? (() => undefined), resolve, reject });
      dispatch();
    });
  }
  function finishWithin(site: SiteData, ms: number): void {
    for (const pending of waiting) {
      if (pending.job.site === site && pending.finishAtMs !== undefined) pending.finishAtMs = fromNow(ms);
    }
    for (const { current, worker } of slots) {
      if (current?.job.site !== site || current.job.kind !== "train") continue;
      worker.postMessage({ kind: "finish-within", id: current.job.id, ms } satisfies EngineDeadline);
    }
  }
  return {
    forSite: (site: SiteData): LocalWork => ({
      train: (request, onProgress) =>
        submit((id) => ({ kind: "train", id, site, request }), onProgress) as Promise<TrainResult>,
      evaluate: (request, onProgress) =>
        submit((id) => ({ kind: "evaluate", id, site, request }), onProgress) as Promise<readonly CaseScores[]>,
      tally: (onProgress) => submit((id) => ({ kind: "tally", id, site }), onProgress) as Promise<readonly CaseTally[]>,
      finishWithin: (ms) => finishWithin(site, ms),
      close: () => Promise.resolve(),
    }),
    async close() {
      closed = true;
      for (const { reject } of waiting.splice(0)) reject(interrupted());
      await Promise.all(slots.map(({ worker }) => stopped(worker)));
    },
  };
}

/** The job with what is left of its time: waiting for a worker is part of it. */
function timed({ job, finishAtMs }: Pending): EngineJob {
  if (job.kind !== "train" || finishAtMs === undefined) return job;
  return { ...job, request: { ...job.request, finishWithinMs: finishAtMs - performance.now() } };
}

function fromNow(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : performance.now() + ms;
}

/** Lets the worker finish its step: ONNX Runtime ends the whole process where its thread goes away within one. */
function stopped(worker: Worker): Promise<void> {
  return new Promise((resolve) => {
    const patience = setTimeout(() => void worker.terminate(), STOP_PATIENCE_MS);
    worker.once("exit", () => {
      clearTimeout(patience);
      resolve();
    });
    worker.postMessage({ kind: "stop" } satisfies EngineStop);
  });
}

function interrupted(cause?: unknown): ConsiliumError {
  return new ConsiliumError("interrupted", {
    subject: "engine",
    expected: "work to its end",
    actual: "a stop",
    hint: "Start again: work goes on from its last saved state.",
    cause,
  });
}

function brokenOff(cause: unknown): ConsiliumError {
  return new ConsiliumError("internal", {
    subject: "engine",
    expected: "work to its end",
    actual: cause instanceof Error ? cause.message : String(cause),
    hint: "If memory ran out, take a smaller patch or batch.",
    cause,
  });
}

export interface LocalWorkOptions {
  readonly study: Study;
  readonly data: SiteData;
  /** The ONNX file of a study that declares one. */
  readonly modelBytes?: Uint8Array;
  readonly cacheDir?: string;
  readonly lowerings?: LoweringTable | undefined;
}

/** One site's engine in a worker thread of its own; closing it ends the thread. */
export async function openLocalWork(options: LocalWorkOptions): Promise<LocalWork> {
  const { study, data, modelBytes, cacheDir, lowerings } = options;
  const network = networkOfStudy(study, modelBytes);
  const pool = openEnginePool({ study, network, workers: 1, lowerings, ...(cacheDir !== undefined && { cacheDir }) });
  return { ...pool.forSite(data), close: () => pool.close() };
}
