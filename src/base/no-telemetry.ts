/**
 * ONNX Runtime from 1.30 on reports to its maker: outside Windows its library sends events on processes, models and
 * sessions to Microsoft, under an identifier that it keeps on disk. A hospital's machine must say nothing to anybody but
 * its coordinator, so the runtime is told not to before it starts.
 *
 * The runtime reads its environment once, when it starts, and a worker thread cannot change the environment of its
 * process: so this is called in the main thread, before any session and any worker.
 */
export function refuseTelemetry(): void {
  process.env.ORT_DISABLE_TELEMETRY = "1";
}
