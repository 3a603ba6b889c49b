/** The worker thread of a patch queue: fills each room that it is given with the next step's batches, in their order. */
import { parentPort, workerData } from "node:worker_threads";
import { ConsiliumError, invariant } from "../base/index.ts";
import { caseStoreOfStudy } from "./case-store.ts";
import { drawBatches, type PatchBatch } from "./draw-batches.ts";
import type { PatchOrder, PatchSetup, PreparedStep } from "./patch-protocol.ts";

const port = parentPort;
invariant(port !== null, "patches to be prepared in a worker thread");
const { study, cacheDir } = workerData as PatchSetup;
const store = caseStoreOfStudy(study, cacheDir);
const reply = (message: PreparedStep, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

let job: Extract<PatchOrder, { kind: "start" }> | undefined;
let step = 0;
let queue = Promise.resolve();
port.on("message", (order: PatchOrder) => {
  if (order.kind === "start") {
    job = order;
    step = 0;
  } else {
    queue = queue.then(() => fill(order.id, [...order.batches]));
  }
});

/** Rooms of a request that is over are let go. */
async function fill(id: number, batches: PatchBatch[]): Promise<void> {
  const current = job;
  if (current === undefined || current.id !== id || step >= current.request.steps) return;
  const mine = step++;
  try {
    await drawBatches(store, study, current.site, current.request, mine, batches);
    const buffers = batches.flatMap(({ image, labels }) => [image.buffer, labels.buffer]);
    reply({ kind: "prepared", id, step: mine, batches }, buffers);
  } catch (cause) {
    reply({ kind: "failed", id, error: asConsiliumError(cause).toJSON() });
  }
}

function asConsiliumError(cause: unknown): ConsiliumError {
  if (cause instanceof ConsiliumError) return cause;
  return new ConsiliumError("internal", {
    subject: "preparation of patches",
    expected: "work to its end",
    actual: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause),
    hint: "This is a defect: please report it with the command that shows it.",
  });
}
