/**
 * ONNX Runtime from 1.30 on reports to its maker: outside Windows its library sends events on processes, models and
 * sessions to Microsoft, under an identifier that it keeps on disk. A hospital's machine must say nothing to anybody but
 * its coordinator, so the runtime is told not to before it starts.
 *
 * The runtime reads its environment once, when it starts, and a worker thread cannot change the environment of its
 * process: so this is called in the main thread, before any session and any worker. A worker whose environment, a copy
 * of that at its start, does not refuse is stopped here.
 */
import { isMainThread } from "node:worker_threads";
import { ConsiliumError } from "./error.ts";

/** @throws ConsiliumError `usage` in a worker of a process that did not refuse before the worker began. */
export function refuseTelemetry(): void {
  if (isMainThread) process.env.ORT_DISABLE_TELEMETRY = "1";
  if (process.env.ORT_DISABLE_TELEMETRY === "1") return;
  throw new ConsiliumError("usage", {
    subject: "ONNX Runtime in a worker thread",
    expected: "a process that told it to send nothing to its maker",
    actual: "one that did not",
    hint: "Set ORT_DISABLE_TELEMETRY=1 in the environment, or in process.env of the main thread before the worker begins.",
  });
}
