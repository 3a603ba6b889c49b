import { expect, test } from "vitest";
import { createRateLimit } from "./rate-limit.ts";

/** Calls that pass, of one each `everyMs`. */
function passing(calls: number, everyMs: number): number {
  let nowMs = 0;
  const limit = createRateLimit("asking", 2, 0.2, { nowMs: () => nowMs });
  let passed = 0;
  for (let i = 0; i < calls; i++) {
    try {
      limit.take("everybody");
      passed++;
    } catch (error) {
      expect(error).toHaveProperty("code", "limit-exceeded");
    }
    nowMs += everyMs;
  }
  return passed;
}

test("a burst passes, and then as many as come back in time", () => {
  expect(passing(10, 0)).toBe(2);
  expect(passing(10, 5000)).toBe(10);
});

test("who asks too often does not keep the bucket empty", () => {
  expect(passing(101, 1000)).toBe(22);
});
