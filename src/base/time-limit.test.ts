import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { timeLimit } from "./time-limit.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Resolves with why it was aborted, or with nothing within the time. */
async function reasonOf(signal: AbortSignal, withinMs: number): Promise<string | undefined> {
  const aborted = new Promise<string>((resolve) =>
    signal.addEventListener("abort", () => resolve((signal.reason as Error).name), { once: true }),
  );
  return Promise.race([aborted, sleep(withinMs, undefined)]);
}

describe("a time limit", () => {
  test("comes, whatever is collected meanwhile", async () => {
    const { signal } = timeLimit(new AbortController().signal, 60);
    const reason = reasonOf(signal, 2_000);
    collect();
    await sleep(5);
    collect();
    expect(await reason).toBe("TimeoutError");
  });

  test("comes sooner where the caller stops", async () => {
    const caller = new AbortController();
    const { signal, release } = timeLimit(caller.signal, 60_000);
    collect();
    setTimeout(() => caller.abort(), 5);
    expect(await reasonOf(signal, 2_000)).toBe("AbortError");
    release();
  });

  test("never comes once it is released", async () => {
    const { signal, release } = timeLimit(new AbortController().signal, 20);
    release();
    expect(await reasonOf(signal, 60)).toBeUndefined();
  });
});
