import { expect, test } from "vitest";
import { untilAborted } from "./until-aborted.ts";

test("a stop is heard whether it comes before or after, and not without one", async () => {
  const stop = new AbortController();
  const waits = Promise.race([untilAborted(stop.signal).then(() => "stopped"), Promise.resolve("waits")]);
  expect(await waits).toBe("waits");
  stop.abort();
  await untilAborted(stop.signal);
});
