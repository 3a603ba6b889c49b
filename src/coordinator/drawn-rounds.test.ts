import { describe, expect, test } from "vitest";
import { LIMITS } from "../base/index.ts";
import { directiveFor } from "./directive.ts";
import type { ApprovalReceived, CoordinatorEvent } from "./events.ts";
import { roundsOf } from "./settled-rounds.ts";
import type { CoordinatorState } from "./state.ts";
import { step } from "./step.ts";
import {
  aggregated,
  approval,
  approvals,
  drawsOf,
  evaluation,
  failure,
  smallStudy,
  stateAfter,
  submitted,
  update,
} from "./testing/studies.ts";

const SITES = ["charite", "mayo", "tum", "ucsf", "upenn"];
const study = smallStudy({ count: 5, sitesPerRound: 2, evaluateEvery: 5 });
const begun = [...submitted(SITES, study), ...approvals(SITES, study)];
const draws = drawsOf(study, SITES);

function through(rounds: number): CoordinatorEvent[] {
  return draws
    .slice(0, rounds)
    .flatMap((drawn, i) => [...drawn.map((siteId) => update(siteId, i + 1, study)), aggregated(i + 1, drawn)]);
}
function outcomeOf(state: CoordinatorState, event: CoordinatorEvent): string {
  const { verdict } = step(state, event);
  return verdict.outcome === "accepted" ? "accepted" : `${verdict.outcome} ${verdict.error.code}`;
}
function orderOf(state: CoordinatorState, siteId: string): string | undefined {
  return directiveFor(state, siteId, 100).kind.case;
}

describe("rounds of some of the sites", () => {
  test("ask those that were drawn, and close when their updates are there", () => {
    const first = stateAfter(...begun);
    expect(SITES.filter((siteId) => orderOf(first, siteId) === "train")).toEqual(draws[0]);
    expect(SITES.filter((siteId) => orderOf(first, siteId) === "wait")).toHaveLength(3);
    const half = stateAfter(...begun, update(draws[0][0], 1, study));
    expect(half.phase).toMatchObject({ kind: "collecting", round: 1, drawn: draws[0] });
    const closed = stateAfter(...begun, ...draws[0].map((siteId) => update(siteId, 1, study)));
    expect(closed.phase).toMatchObject({ kind: "aggregating", round: 1, leftOut: [] });
  });

  test("tell who was drawn in their record, and nobody as left out", () => {
    const after = stateAfter(...begun, ...through(3));
    expect(roundsOf(after.study).map(({ drawn }) => drawn)).toEqual(draws.slice(0, 3));
    expect(roundsOf(after.study).every(({ leftOut }) => leftOut.length === 0)).toBe(true);
  });

  test("are evaluated by every site", () => {
    const last = stateAfter(...begun, ...through(5));
    expect(SITES.map((siteId) => orderOf(last, siteId))).toEqual(SITES.map(() => "evaluate"));
    const done = stateAfter(...begun, ...through(5), ...SITES.map((siteId) => evaluation(siteId, 5, study, 0.5)));
    expect(done.phase.kind).toBe("done");
  });

  test("take no update of another site", () => {
    const first = stateAfter(...begun);
    const other = SITES.find((siteId) => !draws[0].includes(siteId)) ?? "";
    expect(outcomeOf(first, update(other, 1, study))).toBe("rejected update-wrong-round");
    expect(outcomeOf(first, update(draws[0][0], 1, study))).toBe("accepted");
  });

  test("name a drawn site that is missing at the deadline, and fail or go on by the quorum of the drawn", () => {
    const late: CoordinatorEvent = { kind: "time-reached", atMs: 20 + 100_000 };
    const failed = stateAfter(...begun, update(draws[0][0], 1, study), late);
    expect(failed.phase).toMatchObject({ kind: "failed", code: "quorum-not-reached" });
    expect(failed.phase).toHaveProperty(
      "reason",
      expect.stringContaining(`1 of 2 updates at its deadline; ${draws[0][1]}`),
    );

    const lenient = smallStudy({ count: 5, sitesPerRound: 2, quorum: 1 });
    const open = [...submitted(SITES, lenient), ...approvals(SITES, lenient)];
    const asked = drawsOf(lenient, SITES)[0];
    const wentOn = stateAfter(...open, update(asked[0], 1, lenient), late);
    expect(wentOn.phase).toMatchObject({
      kind: "aggregating",
      leftOut: [{ siteId: asked[1], reason: "no update before the deadline" }],
    });
  });

  test("end the study where a drawn site has failed for good and all drawn are needed", () => {
    const tries = Array.from({ length: LIMITS.siteAttempts }, () => failure(draws[0][0], 1, study));
    expect(stateAfter(...begun, ...tries).phase).toMatchObject({ kind: "failed", code: "quorum-not-reached" });
  });

  test("go on without a site that leaves the study in its round", () => {
    const lenient = smallStudy({ count: 5, sitesPerRound: 2, quorum: 1 });
    const asked = drawsOf(lenient, SITES)[0];
    const left = stateAfter(...submitted(SITES, lenient), ...approvals(SITES, lenient), update(asked[0], 1, lenient), {
      ...approvals(SITES, lenient)[SITES.indexOf(asked[1])],
      approved: false,
      reason: "no more",
    } as CoordinatorEvent);
    expect(left.phase).toMatchObject({ kind: "aggregating", round: 1 });
  });
});

test("sites that only evaluate are never drawn", () => {
  const sites = ["charite", "tum", "ucsf", "ukhd", "upenn"];
  const some = { ...smallStudy({ count: 6, sitesPerRound: 2 }), evaluateOnly: ["tum"] };
  let state = stateAfter(...submitted(sites, some), ...approvals(sites, some));
  const all = new Set<string>();
  for (let round = 1; round <= 5; round++) {
    const drawn = (state.phase as { drawn?: readonly string[] }).drawn ?? [];
    expect(drawn).toHaveLength(2);
    for (const siteId of drawn) all.add(siteId);
    const events = [
      ...drawn.map((siteId) => update(siteId, round, some)),
      aggregated(round, drawn),
      ...sites.map((siteId) => evaluation(siteId, round, some, 0.5)),
    ];
    for (const event of events) {
      const taken = step(state, event);
      expect(taken.verdict.outcome).toBe("accepted");
      state = taken.state;
    }
  }
  expect([...all].sort()).toEqual(["charite", "ucsf", "ukhd", "upenn"]);
});

describe("a pool of sites that shrinks", () => {
  const trio = ["mayo", "tum", "ucsf"];
  const four = smallStudy({ count: 4, sitesPerRound: 2, evaluateEvery: 4 });
  const [, ...others] = trio;
  const start = [...submitted(trio, four), ...approvals(trio, four)];
  const first = drawsOf(four, trio)[0];
  const notDrawn = trio.find((siteId) => !first.includes(siteId)) ?? "";
  const revoked = (siteId: string): CoordinatorEvent => ({ kind: "site-revoked", siteId, reason: "gone", atMs: 25 });
  const decides = (siteId: string, approved: boolean): CoordinatorEvent => ({
    ...(approval(siteId, trio, four, approved) as ApprovalReceived),
    atMs: 41,
  });
  const closed = [...first.map((siteId) => update(siteId, 1, four)), aggregated(1, first)];

  test("to as many as train in a round: all of them are drawn, and their updates close it", () => {
    const left = trio.filter((siteId) => siteId !== notDrawn);
    const second = stateAfter(...start, revoked(notDrawn), ...closed);
    expect(second.phase).toMatchObject({ kind: "collecting", round: 2, drawn: left });
    const both = stateAfter(...start, revoked(notDrawn), ...closed, ...left.map((siteId) => update(siteId, 2, four)));
    expect(both.phase).toMatchObject({ kind: "aggregating", round: 2 });
  });

  test("names who refused or was revoked as left out, without a share of a round for which they were not drawn", () => {
    const told = roundsOf(stateAfter(...start, revoked(notDrawn), ...closed).study)[0].leftOut;
    expect(told).toEqual([{ siteId: notDrawn, reason: "revoked: gone" }]);
    const refused = stateAfter(...start, { ...decides(notDrawn, false), atMs: 22 } as CoordinatorEvent, ...closed);
    expect(roundsOf(refused.study)[0].leftOut).toEqual([
      { siteId: notDrawn, reason: "left the study in round 1: not this one" },
    ]);
  });

  test("takes no more sites than are drawn, however late one approves", () => {
    const gone = decides(notDrawn, false);
    const late = stateAfter(...start, ...closed, gone, decides(notDrawn, true));
    expect((late.phase as { drawn?: readonly string[] }).drawn).toHaveLength(2);
    const shrunk = stateAfter(...start, { ...gone, atMs: 22 } as CoordinatorEvent, ...closed, decides(notDrawn, true));
    expect((shrunk.phase as { drawn?: readonly string[] }).drawn).toEqual(first);
    expect(outcomeOf(shrunk, update(notDrawn, 2, four))).toBe("rejected update-wrong-round");
  });

  test("below them: an open round waits for its deadline, takes back who comes, and else fails the study", () => {
    const two = first.map((siteId) => ({ ...decides(siteId, false), atMs: 39 }) as CoordinatorEvent);
    const short = [...start, ...closed.slice(0, 2), two[0], two[1], closed[2]];
    const open = stateAfter(...short);
    expect(open.phase).toMatchObject({ kind: "collecting", round: 2, drawn: [notDrawn] });
    expect(stateAfter(...short, update(notDrawn, 2, four)).phase).toMatchObject({ kind: "collecting", round: 2 });
    const ended = stateAfter(...short, update(notDrawn, 2, four), { kind: "time-reached", atMs: 1e7 });
    expect(ended.phase).toMatchObject({
      kind: "failed",
      code: "quorum-not-reached",
      reason: expect.stringContaining("1 of 2 updates"),
    });
    const back = [...short, decides(first[0], true)];
    expect(stateAfter(...back).phase).toMatchObject({ drawn: [first[0], notDrawn].sort() });
    const sites = [first[0], notDrawn];
    const complete = stateAfter(...back, ...sites.map((siteId) => update(siteId, 2, four)));
    expect(complete.phase).toMatchObject({ kind: "aggregating", round: 2 });
  });

  test("below them by a revocation: the study ends at once, and says how many are left", () => {
    expect(stateAfter(...start, revoked(notDrawn)).phase.kind).toBe("collecting");
    expect(stateAfter(...start, revoked(notDrawn), revoked(first[0])).phase).toMatchObject({
      kind: "failed",
      reason: expect.stringContaining("1 of 2 sites are left"),
    });
  });

  test("may be given the quorum of all that are drawn while they are there, and begins with as many", () => {
    const change = (quorum: number | "all"): CoordinatorEvent => ({
      kind: "study-changed",
      quorum,
      reason: "why",
      atMs: 26,
    });
    const lenient = stateAfter(...start, change(1), revoked(notDrawn));
    expect(outcomeOf(lenient, change("all"))).toBe("accepted");
    expect(outcomeOf(step(lenient, revoked(first[0])).state, change("all"))).toBe("rejected study-refused");
    const undecided = stateAfter(...submitted(trio, four), ...others.map((siteId) => approval(siteId, trio, four)));
    expect(outcomeOf(undecided, { kind: "study-begun", reason: "why", atMs: 21 })).toBe("accepted");
  });
});
