/** Sites that come late, leave and come back, and what a round's record says of those who were not in it. */

import { describe, expect, test } from "vitest";
import { directiveFor } from "./directive.ts";
import type { CoordinatorEvent } from "./events.ts";
import { roundsOf } from "./settled-rounds.ts";
import { type CoordinatorState, participantsOf } from "./state.ts";
import { step } from "./step.ts";
import {
  aggregated,
  approval,
  approvals,
  evaluation,
  objectOf,
  smallStudy,
  stateAfter,
  submitted,
  update,
} from "./testing/studies.ts";

const SITES = ["tum", "ucsf", "upenn"];
const study = smallStudy({ count: 3, quorum: 2 });
const offered = submitted(SITES, study);
const begun = [...offered, ...approvals(SITES, study)];
const decision = (siteId: string, approved: boolean): CoordinatorEvent => approval(siteId, SITES, study, approved);
const begin: CoordinatorEvent = { kind: "study-begun", atMs: 25, reason: "boards meet late" };
const deadline: CoordinatorEvent = { kind: "time-reached", atMs: 1e7 };
const cases = (siteId: string, trainingCases: number): CoordinatorEvent => ({
  kind: "site-reported",
  atMs: 3,
  siteId,
  productVersion: "0",
  data: { trainingCases, validationCases: 1, channels: ["t1"], labelConvention: "brats2021" },
});
function refusal(state: CoordinatorState, event: CoordinatorEvent): string {
  const { verdict, state: next } = step(state, event);
  expect(next).toBe(state);
  return verdict.outcome === "accepted" ? "accepted" : `${verdict.outcome} ${verdict.error.code}`;
}
function orderOf(state: CoordinatorState, siteId: string): unknown {
  return directiveFor(state, siteId, 100).kind;
}

describe("a site that has not decided", () => {
  const two = [decision("tum", true), decision("ucsf", true)];

  test("does not hold up a study that its lead begins, and takes part from its approval on", () => {
    expect(stateAfter(...offered, ...two).phase.kind).toBe("approving");
    const started = stateAfter(...offered, ...two, begin);
    expect(started.phase).toMatchObject({ kind: "collecting", round: 1 });
    expect(started.study?.changes).toMatchObject([{ number: 1, kind: "begun", reason: "boards meet late" }]);
    expect(orderOf(started, "upenn")).toMatchObject({ case: "review" });
    expect(refusal(started, update("upenn", 1, study))).toBe("rejected study-not-approved");
    const without = stateAfter(...offered, ...two, begin, update("tum", 1, study), update("ucsf", 1, study));
    expect(without.phase).toMatchObject({
      kind: "aggregating",
      leftOut: [{ siteId: "upenn", reason: "has not decided about the study" }],
    });
    const late = stateAfter(...offered, ...two, begin, update("tum", 1, study), decision("upenn", true));
    expect(orderOf(late, "upenn")).toMatchObject({ case: "train", value: { round: 1 } });
    expect(participantsOf(late.study as never)).toEqual(SITES);
  });

  test("holds it up where too few have approved, or the study has begun", () => {
    expect(refusal(stateAfter(...offered, decision("tum", true)), begin)).toBe("rejected quorum-not-reached");
    expect(refusal(stateAfter(...begun), begin)).toBe("rejected quorum-not-reached");
  });
});

describe("a site that leaves", () => {
  test("takes its update out of the open round, is named in its record, and is asked no more", () => {
    const left = stateAfter(...begun, update("upenn", 1, study), decision("upenn", false));
    expect(left.phase).toMatchObject({ kind: "collecting", updates: {} });
    expect(orderOf(left, "upenn")).toMatchObject({ case: "review", value: { decision: "refused" } });
    expect(refusal(left, update("upenn", 1, study))).toBe("rejected study-not-approved");
    const closed = [update("tum", 1, study), update("ucsf", 1, study)].reduce(
      (state, event) => step(state, event).state,
      left,
    );
    expect(closed.phase).toMatchObject({
      kind: "aggregating",
      leftOut: [{ siteId: "upenn", reason: "left the study in round 1: not this one" }],
    });
  });

  test("last of those awaited closes the round; where it was needed, the round waits for its deadline", () => {
    const sent = [...begun, update("tum", 1, study), update("ucsf", 1, study)];
    expect(stateAfter(...sent, decision("upenn", false)).phase.kind).toBe("aggregating");
    const short = stateAfter(...sent, decision("ucsf", false), decision("upenn", false));
    expect(short.phase).toMatchObject({ kind: "collecting" });
    expect(step(short, deadline).state.phase).toMatchObject({ kind: "failed", code: "quorum-not-reached" });
    const back = stateAfter(
      ...sent,
      decision("ucsf", false),
      decision("ucsf", true),
      decision("upenn", false),
      update("ucsf", 1, study),
    );
    expect(back.phase.kind).toBe("aggregating");
  });

  test("while figures are awaited is not waited for, and its past rounds stay", () => {
    const summed = [...begun, ...SITES.map((siteId) => update(siteId, 1, study)), aggregated(1, SITES)];
    const figures = ["tum", "ucsf"].map((siteId) => evaluation(siteId, 1, study, 0.5));
    const on = stateAfter(...summed, ...figures, decision("upenn", false));
    expect(on.phase).toMatchObject({ kind: "collecting", round: 2 });
    expect(Object.keys(roundsOf(on.study)[0].updates ?? {})).toEqual(SITES);
  });

  test("gets the model of the rounds that it helped to make, and one that never came does not", () => {
    const rest = ["tum", "ucsf"];
    const one = smallStudy({ count: 1, quorum: 2 });
    const ended = (...who: CoordinatorEvent[]): CoordinatorState => {
      const figures = rest.map((siteId) => evaluation(siteId, 1, one, 0.5));
      return stateAfter(...submitted(SITES, one), ...who, aggregated(1, SITES), ...figures);
    };
    const say = (siteId: string, yes: boolean): CoordinatorEvent => approval(siteId, SITES, one, yes);
    const sent = SITES.map((siteId) => update(siteId, 1, one));
    const helped = ended(...approvals(SITES, one), ...sent, say("upenn", false));
    expect(orderOf(helped, "upenn")).toMatchObject({ case: "done" });
    const never = ended(say("tum", true), say("ucsf", true), begin, ...sent.slice(0, 2));
    expect(orderOf(never, "upenn")).toMatchObject({ case: "wait" });
  });
});

test("a round's record says what each absent site would have counted for", () => {
  const reports = [cases("tum", 3), cases("ucsf", 3), cases("upenn", 14)];
  const events = [...offered.slice(0, -1), ...reports, offered[offered.length - 1], ...approvals(SITES, study)];
  const closed = stateAfter(
    ...events,
    update("tum", 1, study),
    update("ucsf", 1, study),
    deadline,
    aggregated(1, ["tum", "ucsf"]),
  );
  expect(roundsOf(closed.study)[0].leftOut).toEqual([
    { siteId: "upenn", reason: "no update before the deadline", shareLost: 0.7 },
  ]);
  expect(objectOf("model 1").sha256).toBe(roundsOf(closed.study)[0].model.sha256);
});
