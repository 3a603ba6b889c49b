/** Commands of this program as processes of their own: how they end, and what they say. */
import type { ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import { LIMITS } from "../base/index.ts";

const OUTPUT_CHARS = 1 << 20;

/** Collects what a process writes, up to a bound. @returns what came until now */
export function textOf(stream: Readable, atMostChars = OUTPUT_CHARS): () => string {
  let output = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    if (output.length < atMostChars) output += text;
  });
  return () => output;
}

export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** @returns how it went, once it is gone; asked to stop it has a short time, since it may be deep in a calculation. */
export async function endOf(child: ChildProcess, signal: AbortSignal): Promise<End> {
  let last: NodeJS.Timeout | undefined;
  const stop = (): void => {
    child.kill("SIGTERM");
    last = setTimeout(() => child.kill("SIGKILL"), LIMITS.serveStopMs);
  };
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  try {
    return await new Promise<End>((resolve) => {
      child.on("close", (code, by) => resolve({ code, signal: by }));
      // Without a number it never began; what else is reported as an error ends with its close.
      child.on("error", () => (child.pid === undefined ? resolve({ code: null, signal: null }) : undefined));
    });
  } finally {
    clearTimeout(last);
    signal.removeEventListener("abort", stop);
  }
}

export function endInWords({ code, signal }: End, asked: boolean): string {
  if (code !== null) return `an end with exit code ${code}`;
  if (asked) return "a stop";
  return signal === null ? "a process that never began" : `an end by ${signal}, from outside`;
}
