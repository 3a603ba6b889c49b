/** Properties of the state machine over histories in which events are lost, repeated and out of place. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, type Json } from "../base/index.ts";
import type { Study } from "../study/index.ts";
import type { CoordinatorEvent } from "./events.ts";
import { roundsOf } from "./settled-rounds.ts";
import { type CoordinatorState, INITIAL_STATE } from "./state.ts";
import { dutiesOf, step } from "./step.ts";
import {
  aggregated,
  approval,
  approvals,
  evaluation,
  failure,
  objectOf,
  smallStudy,
  stateAfter,
  submitted,
  update,
} from "./testing/studies.ts";

const SITES = ["tum", "ucsf", "upenn"];

function wholeRound(round: number, dice: number, of: Study): CoordinatorEvent[] {
  const updates = SITES.map((siteId) => update(siteId, round, of));
  return [...updates, aggregated(round, SITES), ...SITES.map((siteId) => evaluation(siteId, round, of, dice))];
}

describe("in any order, with any repetition", () => {
  const two = smallStudy({ quorum: 2, count: 3 });
  const forward: CoordinatorEvent[] = [
    ...submitted(SITES, two),
    ...approvals(SITES, two),
    ...[1, 2, 3].flatMap((round) => wholeRound(round, round / 4, two)),
  ];
  const disturbances: CoordinatorEvent[] = [
    ...forward,
    approval("ucsf", SITES, two, false),
    ...[1, 2, 3].map((round) => failure("tum", round, two)),
    { kind: "time-reached", atMs: 30 },
    { kind: "time-reached", atMs: 1e7 },
    { kind: "coordinator-started", atMs: 2e6 },
    { kind: "aggregation-failed", atMs: 45, round: 2, code: "object-corrupt", reason: "lost" },
    { kind: "study-stopped", atMs: 60, reason: "enough" },
    { kind: "study-paused", atMs: 61, reason: "upgrade" },
    { kind: "study-resumed", atMs: 62, reason: "upgraded" },
    { kind: "study-changed", atMs: 63, reason: "slow", deadlineS: 200, quorum: 3 },
    { kind: "study-changed", atMs: 64, reason: "short", quorum: 2, rounds: 2 },
  ];
  /** The way of a study with events lost, repeated, and out of place. */
  const history = fc
    .array(fc.tuple(fc.nat({ max: 99 }), fc.nat()), { minLength: forward.length, maxLength: forward.length })
    .map((fates) =>
      fates.flatMap(([fate, pick], i) => {
        const stranger = disturbances[pick % disturbances.length];
        if (fate < 3) return [];
        if (fate < 25) return [forward[i], stranger];
        return fate < 35 ? [forward[i], forward[i]] : [forward[i]];
      }),
    );

  test("only accepted events change the state, and the accepted ones alone rebuild it", () => {
    let furthest = 0;
    fc.assert(
      fc.property(history, (events) => {
        let state = INITIAL_STATE;
        const journal: CoordinatorEvent[] = [];
        for (const event of events) {
          const { state: next, verdict } = step(state, event);
          if (verdict.outcome === "accepted") journal.push(event);
          else expect(next).toBe(state);
          checkMonotone(state, next);
          state = next;
        }
        furthest = Math.max(furthest, roundsOf(state.study).length ?? 0);
        const rebuilt = stateAfter(...(JSON.parse(JSON.stringify(journal)) as CoordinatorEvent[]));
        expect(canonicalJson(rebuilt as unknown as Json)).toBe(canonicalJson(state as unknown as Json));
        expect(dutiesOf(rebuilt)).toEqual(dutiesOf(state));
        // A snapshot is the state as JSON: what is read back goes on the same way.
        const half = stateAfter(...journal.slice(0, journal.length / 2));
        let continued = JSON.parse(JSON.stringify(half)) as CoordinatorState;
        for (const event of journal.slice(journal.length / 2)) continued = step(continued, event).state;
        expect(canonicalJson(continued as unknown as Json)).toBe(canonicalJson(state as unknown as Json));
      }),
      { numRuns: 300 },
    );
    // The property is empty if histories never get anywhere.
    expect(furthest).toBeGreaterThanOrEqual(2);
  });

  test("every update counts once, in its own round, whatever comes between", () => {
    const chance = fc.array(fc.nat({ max: 1000 }), { minLength: 60, maxLength: 60 });
    fc.assert(
      fc.property(chance, (draws) => {
        const rounds = [1, 2, 3].flatMap((round) => wholeRound(round, 0.5, two));
        const noisy = rounds.flatMap((event, i) => [
          event,
          ...(draws[i % 60] % 2 ? [event, rounds[draws[i] % rounds.length]] : []),
        ]);
        let state = stateAfter(...submitted(SITES, two), ...approvals(SITES, two));
        for (const event of noisy) state = step(state, event).state;
        expect(state.phase.kind).toBe("done");
        for (const { round, updates: counted } of roundsOf(state.study)) {
          expect(Object.keys(counted).sort()).toEqual(SITES);
          for (const siteId of SITES)
            expect(counted[siteId].sha256).toBe(objectOf(`update of ${siteId} for ${round}`).sha256);
        }
      }),
      { numRuns: 100 },
    );
  });

  function checkMonotone(before: CoordinatorState, next: CoordinatorState): void {
    if (before.study === null || next.study?.hash !== before.study.hash) return;
    expect(roundsOf(next.study).length - roundsOf(before.study).length).toBeGreaterThanOrEqual(0);
    expect(roundsOf(next.study).length - roundsOf(before.study).length).toBeLessThanOrEqual(1);
    expect(roundsOf(next.study).map(({ round }) => round)).toEqual(roundsOf(next.study).map((_, i) => i + 1));
    if (before.phase.kind === "done" || before.phase.kind === "failed") expect(next.phase).toEqual(before.phase);
    if (
      before.phase.kind === "collecting" &&
      next.phase.kind === "collecting" &&
      before.phase.round === next.phase.round
    ) {
      // Nothing is taken back but by a site that leaves.
      const { approvals: said } = next.study;
      const staying = Object.entries(before.phase.updates).filter(([siteId]) => said[siteId]?.approved !== false);
      expect(next.phase.updates).toMatchObject(Object.fromEntries(staying));
    }
  }
});
