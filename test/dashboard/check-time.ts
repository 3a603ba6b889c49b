/**
 * Times of a browser: told in every run, and judged where `npm run bench -- dashboard-times` asks for it, since a bound
 * holds for a machine with nothing else to do.
 */
import { expect } from "vitest";

export function checkTime(what: string, ms: number, atMostMs: number): void {
  console.error(`${what}: ${Math.round(ms)} ms, of at most ${atMostMs} ms`);
  if (process.env.CONSILIUM_CHECK_TIMES === "1") expect(ms, what).toBeLessThan(atMostMs);
}
