/**
 * Cases in worker threads side by side, in order of arrival. A thread that dies, or takes longer than its limit, takes
 * its case along and no other: the case's record says so, and a new thread goes on.
 */
import type { Worker } from "node:worker_threads";
import { ConsiliumError, LIMITS, startWorkerThread } from "../base/index.ts";
import { type CaseRecord, type CaseState, STATES, writeRecord } from "./case-record.ts";
import type { IntakeReply, IntakeSetup } from "./intake.worker.ts";
import type { CaseOrder } from "./run-case.ts";

export interface CasePoolOptions {
  readonly setup: IntakeSetup;
  readonly workers: number;
  readonly onState: (caseId: string, state: CaseState) => void;
  readonly signal?: AbortSignal;
}

/**
 * @returns the records in the order of `orders`.
 * @throws what a record cannot be written for, and the signal's reason: no thread is at work any more then
 */
export async function runCases(orders: readonly CaseOrder[], options: CasePoolOptions): Promise<CaseRecord[]> {
  const records: CaseRecord[] = [];
  let next = 0;
  let broken = false;
  async function lane(): Promise<void> {
    let worker: Worker | undefined;
    try {
      while (next < orders.length && !broken) {
        options.signal?.throwIfAborted();
        const index = next++;
        worker ??= startThread(options.setup);
        const ended = await oneCase(worker, orders[index], options);
        if (!ended.alive) worker = undefined;
        records[index] = ended.record;
      }
    } catch (error) {
      broken = true;
      throw error;
    } finally {
      await worker?.terminate();
    }
  }
  const lanes = Array.from({ length: Math.min(options.workers, orders.length) }, lane);
  // Whoever hears of a failure may let go of the folder that the others still write to.
  await Promise.allSettled(lanes);
  await Promise.all(lanes);
  return records;
}

function startThread(setup: IntakeSetup): Worker {
  const worker = startWorkerThread(import.meta.url, "intake", "intake.worker", { workerData: setup });
  // Its case hears of it too, and tells; a thread that fails once it was given up has no case any more.
  return worker.on("error", () => undefined);
}

async function oneCase(
  worker: Worker,
  order: CaseOrder,
  { onState, signal }: CasePoolOptions,
): Promise<{ record: CaseRecord; alive: boolean }> {
  let { record } = order;
  const ending = await new Promise<CaseRecord | string>((resolve) => {
    const onMessage = (reply: IntakeReply): void => {
      if (reply.kind === "ended") {
        finish(reply.record);
        return;
      }
      record = { ...record, state: reply.state };
      onState(record.caseId, reply.state);
    };
    const onError = (error: Error): void => finish(error.name);
    const onExit = (): void => finish("the end of its thread");
    const onAbort = (): void => finish("a stop");
    const patience = setTimeout(() => finish("no end within its time"), LIMITS.intakeCaseMs);
    function finish(end: CaseRecord | string): void {
      clearTimeout(patience);
      worker.off("message", onMessage).off("error", onError).off("exit", onExit);
      signal?.removeEventListener("abort", onAbort);
      resolve(end);
    }
    worker.on("message", onMessage).on("error", onError).on("exit", onExit);
    signal?.addEventListener("abort", onAbort, { once: true });
    worker.postMessage(order);
  });
  if (typeof ending !== "string") return { record: ending, alive: true };
  await worker.terminate();
  signal?.throwIfAborted();
  const error = new ConsiliumError("internal", {
    subject: "intake",
    expected: "work to its end",
    actual: ending,
    hint: "If memory ran out, run with fewer --workers; the case is tried again on the next run.",
  });
  const towards = STATES[Math.min(STATES.indexOf(record.state) + 1, STATES.length - 1)];
  const failed: CaseRecord = { ...record, failure: { towards, ...error.toJSON() } };
  await writeRecord(order.out, failed);
  return { record: failed, alive: false };
}
