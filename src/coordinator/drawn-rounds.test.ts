import { describe, expect, test } from "vitest";
import { LIMITS } from "../base/index.ts";
import { directiveFor } from "./directive.ts";
import type { CoordinatorEvent } from "./events.ts";
import type { CoordinatorState } from "./state.ts";
import { step } from "./step.ts";
import {
  aggregated,
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
    expect(after.study?.rounds.map(({ drawn }) => drawn)).toEqual(draws.slice(0, 3));
    expect(after.study?.rounds.every(({ leftOut }) => leftOut.length === 0)).toBe(true);
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
