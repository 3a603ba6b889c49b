/** A status as a stream: it is told when it changes, and between changes there are signs of life. */
import { LIMITS } from "../base/index.ts";

export interface StatusUpdate {
  /** Empty where nothing changed. */
  readonly json: string;
  readonly timeMs: bigint;
}

export interface StatusSource {
  /** The status now, as JSON text. */
  read(): Promise<string> | string;
  /** What is compared instead of the whole text, where a part of it always changes. */
  onChange?(listener: () => void): () => void;
}

/** Ends with the signal. */
export async function* statusStream(source: StatusSource, signal: AbortSignal): AsyncGenerator<StatusUpdate> {
  let [told, toldMs] = ["", 0];
  let wake: (() => void) | undefined;
  const stopListening = source.onChange?.(() => wake?.());
  const stop = (): void => wake?.();
  signal.addEventListener("abort", stop);
  try {
    while (!signal.aborted) {
      const json = await source.read();
      const nowMs = Date.now();
      if (json !== told) {
        [told, toldMs] = [json, nowMs];
        yield { json, timeMs: BigInt(nowMs) };
      } else if (nowMs - toldMs >= LIMITS.consoleSignOfLifeMs) {
        toldMs = nowMs;
        yield { json: "", timeMs: BigInt(nowMs) };
      }
      if (signal.aborted) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LIMITS.consoleLookMs);
        wake = () => {
          clearTimeout(timer);
          // Several changes of one moment are told together.
          setTimeout(resolve, 50);
        };
      });
    }
  } finally {
    stopListening?.();
    signal.removeEventListener("abort", stop);
  }
}
