/** Rounds of storm in a test: none may break, and the storm must have been felt. */
import { expect } from "vitest";
import { runSeeds } from "./run-seeds.ts";

/** In each of the two files that run side by side; together so many. */
export const ROUNDS = Number(process.env.CONSILIUM_CHAOS_ROUNDS ?? 10_000) / 2;
export const FIRST_SEED = Number(process.env.CONSILIUM_CHAOS_SEED ?? 1);

export async function expectCalmAfter(firstSeed: number): Promise<void> {
  const result = await runSeeds({ firstSeed, rounds: ROUNDS });
  expect(result.violations).toEqual([]);
  expect(result.rounds).toBeGreaterThanOrEqual(ROUNDS);
  // A storm that nobody felt would prove nothing.
  expect(result.deaths.coordinator).toBeGreaterThan(ROUNDS / 100);
  expect(result.deaths.sites).toBeGreaterThan(ROUNDS / 100);
  expect(result.pauses).toBeGreaterThan(ROUNDS / 1000);
  const ends = ["fixed done", "timed done", "masked fixed done", "masked timed done"];
  expect(Object.keys(result.ends)).toEqual(expect.arrayContaining(ends));
}
