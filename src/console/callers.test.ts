import { createContextValues } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { LIMITS } from "../base/index.ts";
import { CoordinatorConsole } from "../protocol/index.ts";
import { authorise, SESSION } from "./callers.ts";
import type { ConsoleContext } from "./console-context.ts";

test("a stream whose caller left before it was let through takes no room", async () => {
  const context = { calls: { take: () => undefined }, sessions: { isOver: () => false } } as unknown as ConsoleContext;
  const contextValues = createContextValues().set(SESSION, { role: "lead", csrf: "x" } as never);
  const through = authorise(context)(async () => ({ stream: false }) as never);
  const ask = (signal: AbortSignal) =>
    through({
      stream: true,
      service: CoordinatorConsole,
      method: CoordinatorConsole.method.watchStatus,
      contextValues,
      signal,
    } as never);
  for (let i = 0; i < LIMITS.consoleStreams; i++) await expect(ask(AbortSignal.abort())).rejects.toThrow(/abort/);
  await expect(ask(new AbortController().signal)).resolves.toBeDefined();
});
