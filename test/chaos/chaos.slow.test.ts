/** Rounds of chaos, and a planted bug of each kind that the checkers must catch. */
import { describe, expect, it } from "vitest";
import { makeFixture } from "./fixture.ts";
import { runChaos } from "./run-chaos.ts";
import { runSeeds } from "./run-seeds.ts";
import { SABOTAGES } from "./sabotage.ts";

const ROUNDS = Number(process.env.CONSILIUM_CHAOS_ROUNDS ?? 2_000);
const FIRST_SEED = Number(process.env.CONSILIUM_CHAOS_SEED ?? 1);

describe("a federation in a simulated storm", () => {
  it(`holds through ${ROUNDS} rounds from seed ${FIRST_SEED}`, { timeout: 30 * 60_000 }, async () => {
    const result = await runSeeds({ firstSeed: FIRST_SEED, rounds: ROUNDS });
    expect(result.violations).toEqual([]);
    expect(result.rounds).toBeGreaterThanOrEqual(ROUNDS);
    // A storm that nobody felt would prove nothing.
    expect(result.deaths.coordinator).toBeGreaterThan(ROUNDS / 100);
    expect(result.deaths.sites).toBeGreaterThan(ROUNDS / 100);
    expect(result.pauses).toBeGreaterThan(ROUNDS / 1000);
    expect(Object.keys(result.ends)).toEqual(expect.arrayContaining(["fixed done", "timed done"]));
  });

  it("is the same history from the same seed", async () => {
    const fixture = await makeFixture();
    const one = { fixture, seed: 5, rounds: 5, kind: "fixed" } as const;
    expect(await runChaos(one)).toEqual(await runChaos(one));
    expect((await runChaos({ ...one, seed: 7 })).trace).not.toBe((await runChaos(one)).trace);
  });

  it.each(SABOTAGES)("catches a planted bug, with the command that replays it: %s", async (sabotage) => {
    const { violations } = await runSeeds({ firstSeed: 1, histories: 10, sabotage });
    expect(violations).toHaveLength(1);
    expect(violations[0]).toMatch(/^seed \d+: .+\n {2}npx tsx scripts\/chaos.ts --seed \d+/s);
    expect(violations[0]).toMatch(CAUGHT_BY[sabotage]);
  });
});

const CAUGHT_BY = {
  "count-twice": /not the exact sum/,
  "lose-one": /not the exact sum/,
  "wrong-sum": /not the exact sum/,
  "round-goes-back": /was followed by/,
  "tail-removed": /journal-rolled-back/,
  "journal-differs": /not what \d+ records lead to/,
  "other-figures": /the matrix has another cell/,
} as const satisfies Record<(typeof SABOTAGES)[number], RegExp>;
