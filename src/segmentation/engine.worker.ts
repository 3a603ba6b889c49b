/** The worker thread of an engine pool: answers jobs one after another. */
import { parentPort, workerData } from "node:worker_threads";
import { ConsiliumError, invariant } from "../base/index.ts";
import { decodeOnnx } from "../graph/index.ts";
import type { EngineDeadline, EngineJob, EngineReply, EngineSetup, EngineStop } from "./engine-protocol.ts";
import { createSiteEngine } from "./site-engine.ts";

const port = parentPort;
invariant(port !== null, "the engine to run in a worker thread");
const { study, networkBytes, cacheDir, lowerings } = workerData as EngineSetup;
const network = decodeOnnx(networkBytes, "the study's network");
const stopping = new AbortController();
const engine = createSiteEngine({
  study,
  network,
  lowerings,
  signal: stopping.signal,
  ...(cacheDir !== undefined && { cacheDir }),
});
const reply = (message: EngineReply, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

let queue = Promise.resolve();
let current: number | undefined;
port.on("message", (message: EngineJob | EngineDeadline | EngineStop) => {
  if (message.kind === "stop") {
    stopping.abort(stopped());
    queue = queue.then(() => engine.close()).finally(() => process.exit());
  } else if (message.kind === "finish-within") {
    if (message.id === current) engine.finishWithin(message.ms);
  } else {
    queue = queue.then(() => answer(message));
  }
});

async function answer(job: EngineJob): Promise<void> {
  const { id } = job;
  current = id;
  const onProgress = (progress: { done: number; total: number; loss?: number }): void =>
    reply({ kind: "progress", id, progress });
  try {
    if (job.kind === "train") {
      const result = await engine.train(job.site, job.request, onProgress);
      reply({ kind: "trained", id, result }, [result.parameters.buffer, result.optimiserState.buffer] as ArrayBuffer[]);
    } else if (job.kind === "tally") {
      reply({ kind: "tallied", id, result: await engine.tally(job.site, onProgress) });
    } else {
      reply({ kind: "evaluated", id, result: await engine.evaluate(job.site, job.request, onProgress) });
    }
  } catch (cause) {
    reply({ kind: "failed", id, error: asConsiliumError(cause).toJSON() });
  }
}

function stopped(): ConsiliumError {
  return new ConsiliumError("interrupted", {
    subject: "engine",
    expected: "work to its end",
    actual: "an order to stop",
    hint: "Start again: work goes on from its last saved state.",
  });
}

function asConsiliumError(cause: unknown): ConsiliumError {
  if (cause instanceof ConsiliumError) return cause;
  return new ConsiliumError("internal", {
    subject: "engine",
    expected: "work to its end",
    actual: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause),
    hint: "This is a defect: please report it with the command that shows it.",
  });
}
