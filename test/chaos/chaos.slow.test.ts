/** Rounds of chaos, and a planted bug of each kind that the checkers must catch. */
import { describe, expect, it } from "vitest";
import { INITIAL_STATE } from "../../src/coordinator/index.ts";
import { createCheckers } from "./checkers.ts";
import { makeFixture } from "./fixture.ts";
import { appendRecord, emptyCoordinatorDisk } from "./memory-stores.ts";
import { runChaos } from "./run-chaos.ts";
import { runSeeds } from "./run-seeds.ts";
import { SABOTAGES } from "./sabotage.ts";
import { expectCalmAfter, FIRST_SEED, ROUNDS } from "./storm.ts";

describe("a federation in a simulated storm", () => {
  it(`holds through ${ROUNDS} rounds from seed ${FIRST_SEED}`, { timeout: 30 * 60_000 }, () =>
    expectCalmAfter(FIRST_SEED),
  );

  it("is the same history from the same seed", async () => {
    const fixture = await makeFixture();
    const one = { fixture, seed: 5, rounds: 5, kind: "fixed" } as const;
    expect(await runChaos(one)).toEqual(await runChaos(one));
    const masked = { ...one, kind: "timed", masked: true } as const;
    expect(await runChaos(masked)).toEqual(await runChaos(masked));
    expect((await runChaos({ ...one, seed: 7 })).trace).not.toBe((await runChaos(one)).trace);
  });

  it.each(SABOTAGES)("catches a planted bug, with the command that replays it: %s", async (sabotage) => {
    const { violations } = await runSeeds({ firstSeed: 1, histories: 10, sabotage });
    expect(violations).toHaveLength(1);
    expect(violations[0]).toMatch(/^seed \d+: .+\n {2}npx tsx scripts\/chaos.ts --seed \d+/s);
    expect(violations[0]).toMatch(CAUGHT_BY[sabotage]);
  });
});

it("a masked round of which shares were revealed, and that the study went on without, is a violation", () => {
  const kept = emptyCoordinatorDisk();
  const checkers = createCheckers({ kept, precisionBits: 28, cases: {}, threshold: 2 });
  expect(() => checkers.atTheEnd(INITIAL_STATE)).not.toThrow();
  for (const siteId of ["a", "b"]) {
    appendRecord(kept, JSON.stringify({ kind: "masking-received", step: "reveal", round: 1, siteId, studyHash: "" }));
  }
  expect(() => checkers.atTheEnd(INITIAL_STATE)).toThrow(
    /round 1 was opened by a, b, and the study went on without it/,
  );
});

it("a masked sum that is wrong is caught by what sites made before they masked it", async () => {
  const history = { fixture: await makeFixture(), seed: 2, rounds: 5, kind: "fixed", masked: true } as const;
  expect((await runChaos({ ...history, sabotage: "wrong-sum" })).violation).toMatch(/not the exact sum/);
});

const CAUGHT_BY = {
  "count-twice": /not the exact sum/,
  "lose-one": /not the exact sum/,
  "wrong-sum": /not the exact sum/,
  "round-goes-back": /was followed by/,
  "tail-removed": /journal-rolled-back/,
  "journal-differs": /not what \d+ records lead to/,
  "other-figures": /the matrix has another cell/,
  "mask-missing": /came without its mask/,
} as const satisfies Record<(typeof SABOTAGES)[number], RegExp>;
