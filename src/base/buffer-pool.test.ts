import { expect, it } from "vitest";
import { createBufferPool } from "./buffer-pool.ts";

it("gives a buffer out again once it was given back, to one at a time, and keeps no more than it may", () => {
  const pool = createBufferPool(8, 2);
  const first = [pool.take(), pool.take(), pool.take()];
  expect(new Set(first).size).toBe(3);
  expect(first.every(({ length }) => length === 8)).toBe(true);
  for (const buffer of first) pool.give(buffer);
  const second = [pool.take(), pool.take(), pool.take()];
  expect(new Set(second).size).toBe(3);
  expect(second.filter((buffer) => first.includes(buffer))).toHaveLength(2);
});
