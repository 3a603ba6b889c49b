/**
 * Patches prepared beside the training step: a worker thread reads cases, cuts and varies patches while the step runs,
 * at most `LIMITS.preparedSteps` steps ahead.
 *
 * Invariants
 * - Steps come in their order, and each patch has a seed of its own: the bits are those of drawing in the step's thread.
 * - Memory is bounded: one room for the step that runs and one for each step ahead. A room is filled, handed over
 *   (transferred, not copied), and filled again once the step gives it back.
 * - Prepared cases live in the worker alone.
 */
import { setImmediate } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { ConsiliumError, LIMITS, startWorkerThread } from "../base/index.ts";
import type { Study } from "../study/index.ts";
import { emptyBatches, type PatchBatch, type PatchRequest } from "./draw-batches.ts";
import type { SiteData } from "./local-work.ts";
import type { PatchOrder, PatchSetup, PreparedStep } from "./patch-protocol.ts";

export interface PatchQueue {
  /** Begins the steps of a request, from the first; what was underway for another request is dropped. */
  start(site: SiteData, request: PatchRequest): void;
  /** The next step's batches. @throws ConsiliumError what a case is refused for. */
  next(): Promise<PatchBatch[]>;
  /** The step is done with them. */
  giveBack(batches: readonly PatchBatch[]): void;
  /** How often `next` found nothing ready, since the last start. */
  waits(): number;
  close(): Promise<void>;
}

export function openPatchQueue(study: Study, cacheDir?: string): PatchQueue {
  const setup: PatchSetup = { study, ...(cacheDir !== undefined && { cacheDir }) };
  const worker: Worker = startWorkerThread(import.meta.url, "segmentation", "patch-preparer.worker", {
    workerData: setup,
  });
  const ready: PreparedStep[] = [];
  let id = 0;
  let waits = 0;
  let closed = false;
  let failure: ConsiliumError | undefined;
  let wake = (): void => undefined;
  const order = (message: PatchOrder, transfer: ArrayBuffer[] = []): void => worker.postMessage(message, transfer);
  const fail = (error: ConsiliumError): void => {
    failure ??= error;
    wake();
  };
  worker.on("message", (step: PreparedStep) => {
    if (step.id !== id) return;
    ready.push(step);
    wake();
  });
  worker.on("error", (cause) => fail(brokenOff(cause)));
  worker.on("exit", () => fail(brokenOff(new Error("the thread that prepares patches ended"))));
  const giveBack = (batches: readonly PatchBatch[]): void => {
    if (closed || batches.length === 0) return;
    const buffers = batches.flatMap(({ image, labels }) => [image.buffer, labels.buffer]);
    order({ kind: "room", id, batches }, buffers);
  };
  return {
    start(site, request) {
      id++;
      waits = 0;
      ready.length = 0;
      order({ kind: "start", id, site, request });
      for (let i = 0; i < LIMITS.preparedSteps + 1; i++) giveBack(emptyBatches(study));
    },
    async next() {
      // a step holds this thread until it ends: what came meanwhile is let in first
      await setImmediate();
      if (ready.length === 0 && failure === undefined) waits++;
      while (ready.length === 0) {
        if (failure !== undefined) throw failure;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const step = ready.shift() as PreparedStep;
      if (step.kind === "failed") throw new ConsiliumError(step.error.code, step.error);
      return step.batches;
    },
    giveBack,
    waits: () => waits,
    async close() {
      closed = true;
      await worker.terminate();
    },
  };
}

function brokenOff(cause: unknown): ConsiliumError {
  return new ConsiliumError("internal", {
    subject: "preparation of patches",
    expected: "work to its end",
    actual: cause instanceof Error ? cause.message : String(cause),
    hint: "If memory ran out, take a smaller patch or batch.",
    cause,
  });
}
