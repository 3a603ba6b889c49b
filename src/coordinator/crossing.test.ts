/** The cross-site matrix, by the state machine: who measures what, what is believed, and what never ends a study. */

import { access } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { LIMITS, sha256 } from "../base/index.ts";
import type { Directive } from "../protocol/index.ts";
import { type Study, studyHash } from "../study/index.ts";
import { directiveFor } from "./directive.ts";
import type { CoordinatorEvent, CrossEvaluationReceived, FailureReceived } from "./events.ts";
import { matrixStatuses } from "./matrix-status.ts";
import { obsoleteObjects, readableObjects } from "./objects-in-use.ts";
import { roundsOf } from "./settled-rounds.ts";
import type { CoordinatorState } from "./state.ts";
import { step } from "./step.ts";
import { newFederation, runToEnd, submitSmall } from "./testing/federations.ts";
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
import { verifyHome } from "./verify.ts";

const SITES = ["tum", "ucsf", "upenn"];
const one = smallStudy({ count: 1, crossSite: "last", quorum: 1 }, { retain: "none" });
const PAIRS = SITES.flatMap((by) => SITES.map((of) => [by, of] as const));

function cell(
  siteId: string,
  ofSite: string,
  changes: Partial<CrossEvaluationReceived> & { readonly study?: Study; readonly dice?: number } = {},
): CrossEvaluationReceived {
  const { study = one, dice = 0.5, ...more } = changes;
  const round = more.round ?? study.rounds.count;
  const sums = { diceSum: dice, diceCases: 1, hd95Sum: 2, hd95Cases: 1 };
  return {
    kind: "cross-evaluation-received",
    atMs: 60,
    siteId,
    studyHash: studyHash(study),
    evidence: { header: "{}", body: "", signature: "" },
    round,
    attempt: 1,
    ofSite,
    updateSha256: objectOf(`update of ${ofSite} for ${round}`).sha256,
    cases: 1,
    regions: { WT: sums, TC: sums, ET: sums },
    ...more,
  };
}

function failed(siteId: string, ofSite: string): FailureReceived {
  return { ...failure(siteId, 1, one, 60), ofSite };
}

function wholeRound(round: number, study: Study, dice = 0.7): CoordinatorEvent[] {
  return [
    ...SITES.map((siteId) => update(siteId, round, study)),
    aggregated(round, SITES),
    ...SITES.map((siteId) => evaluation(siteId, round, study, dice)),
  ];
}

const begun = (study: Study): CoordinatorEvent[] => [...submitted(SITES, study), ...approvals(SITES, study)];
const summed = [...begun(one), ...wholeRound(1, one)];

function orderOf(state: CoordinatorState, siteId: string, atMs = 60): Directive["kind"] {
  return directiveFor(state, siteId, atMs).kind;
}

function askedFor(state: CoordinatorState, siteId: string, atMs = 60): string | undefined {
  const kind = orderOf(state, siteId, atMs);
  return kind.case === "crossEvaluate" ? kind.value.ofSite : kind.case;
}

function verdictOf(state: CoordinatorState, event: CoordinatorEvent): string {
  const { verdict, state: next } = step(state, event);
  if (verdict.outcome !== "accepted") expect(next).toBe(state);
  return verdict.outcome === "accepted" ? "accepted" : `${verdict.outcome} ${verdict.error.code}`;
}

describe("a study that declares a cross-site matrix", () => {
  test("has every site measure every site's model after its last round, its own first, and ends then", () => {
    const open = stateAfter(...summed);
    expect(open.phase).toMatchObject({ kind: "crossing", round: 1, models: SITES, deadlineMs: 50 + 100_000 });
    expect(orderOf(open, "ucsf")).toMatchObject({
      case: "crossEvaluate",
      value: {
        round: 1,
        attempt: 1,
        ofSite: "ucsf",
        globalSha256: objectOf("initial").sha256,
        updateSha256: objectOf("update of ucsf for 1").sha256,
        updateBytes: BigInt(objectOf("x").bytes),
      },
    });
    const some = stateAfter(...summed, cell("ucsf", "ucsf"), cell("ucsf", "upenn"));
    expect(SITES.map((siteId) => askedFor(some, siteId))).toEqual(["tum", "tum", "upenn"]);
    const told = stateAfter(...summed, ...SITES.map((of) => cell("ucsf", of)));
    expect(orderOf(told, "ucsf")).toMatchObject({ case: "wait", value: { reason: /models by tum, upenn/ } });
    const done = stateAfter(...summed, ...PAIRS.map(([by, of], i) => cell(by, of, { dice: i / 10 })));
    expect(done.phase).toMatchObject({ kind: "done", finalRound: 1 });
    const [matrix, ...more] = matrixStatuses(done.study as NonNullable<typeof done.study>);
    expect(more).toEqual([]);
    expect(matrix).toMatchObject({ round: 1, sites: SITES, missing: [] });
    // In rows are models, the global one first; i counts by measuring site, then by model.
    expect(matrix.rows.map(({ of, cells }) => [of, ...cells.map((each) => each?.mean?.toFixed(1))])).toEqual([
      [null, "0.7", "0.7", "0.7"],
      ["tum", "0.0", "0.3", "0.6"],
      ["ucsf", "0.1", "0.4", "0.7"],
      ["upenn", "0.2", "0.5", "0.8"],
    ]);
    expect(verdictOf(done, cell("tum", "ucsf"))).toBe("discarded update-wrong-round");
  });

  test("takes none that does not belong there", () => {
    const open = stateAfter(...summed, cell("tum", "ucsf"));
    expect(verdictOf(open, cell("tum", "ucsf", { dice: 0.9 }))).toBe("discarded update-counted");
    expect(verdictOf(open, cell("tum", "tum", { round: 2 }))).toBe("rejected update-wrong-round");
    expect(verdictOf(open, cell("tum", "elsewhere"))).toBe("rejected update-wrong-round");
    expect(verdictOf(open, cell("tum", "constructor"))).toBe("rejected update-wrong-round");
    expect(verdictOf(open, cell("tum", "upenn", { updateSha256: sha256("another") }))).toBe(
      "rejected update-wrong-round",
    );
    const { WT } = cell("tum", "upenn").regions;
    expect(verdictOf(open, cell("tum", "upenn", { regions: { WT, brain: WT } }))).toBe("rejected message-invalid");
    // Other cases than those of the site's other cells, or of the global model.
    expect(verdictOf(open, cell("tum", "upenn", { cases: 2 }))).toBe("rejected message-invalid");
    expect(verdictOf(open, cell("ucsf", "upenn", { cases: 2 }))).toBe("rejected message-invalid");
    expect(verdictOf(open, cell("tum", "upenn"))).toBe("accepted");
    const collecting = stateAfter(...begun(one));
    expect(verdictOf(collecting, cell("tum", "tum"))).toBe("rejected update-wrong-round");
    const without = smallStudy({ count: 1 });
    const done = stateAfter(...begun(without), ...wholeRound(1, without));
    expect(done.phase.kind).toBe("done");
    expect(verdictOf(done, cell("tum", "tum", { study: without }))).toBe("rejected update-wrong-round");
  });

  test("goes on as long as figures come, and without a site that is silent for as long as a round may take", () => {
    const open = stateAfter(...summed, cell("tum", "tum", { atMs: 90_000 }), cell("tum", "ucsf", { atMs: 95_000 }));
    expect(verdictOf(open, { kind: "time-reached", atMs: 100_051 })).toBe("discarded usage");
    const late = step(open, { kind: "time-reached", atMs: 195_000 }).state;
    expect(late.phase.kind).toBe("done");
    expect(late.study?.matrices?.[0].missing).toEqual([
      { siteId: "tum", models: ["upenn"], reason: "no figures before the deadline" },
      { siteId: "ucsf", models: SITES, reason: "no figures before the deadline" },
      { siteId: "upenn", models: SITES, reason: "no figures before the deadline" },
    ]);
    const paused = stateAfter(...summed, { kind: "study-paused", atMs: 60, reason: "upgrade" });
    expect(verdictOf(paused, { kind: "time-reached", atMs: 900_000 })).toBe("discarded usage");
    const longer = { kind: "study-changed", atMs: 60, reason: "slow", deadlineS: 500 } as const;
    expect(stateAfter(...summed, longer).phase).toMatchObject({ kind: "crossing", deadlineMs: 50 + 500_000 });
    const started = step(stateAfter(...summed), { kind: "coordinator-started", atMs: 500_000 }).state;
    expect(started.phase).toMatchObject({ kind: "crossing", deadlineMs: 600_000 });
  });

  test("leaves out a model that a site keeps failing at, and not the others", () => {
    const tries = Array.from({ length: LIMITS.siteAttempts }, () => failed("tum", "tum"));
    const resting = stateAfter(...summed, failed("tum", "tum"));
    expect(askedFor(resting, "tum", 61)).toBe("wait");
    expect(orderOf(resting, "tum", 10_000)).toMatchObject({ case: "crossEvaluate", value: { attempt: 2 } });
    const given = stateAfter(...summed, ...tries);
    expect(askedFor(given, "tum")).toBe("ucsf");
    expect(verdictOf(given, failed("tum", "tum"))).toBe("discarded update-wrong-round");
    expect(verdictOf(given, failure("tum", 1, one, 60))).toBe("discarded update-wrong-round");
    const rest = PAIRS.filter(([by, of]) => by !== "tum" || of !== "tum").map(([by, of]) => cell(by, of));
    const done = stateAfter(...summed, ...tries, ...rest);
    expect(done.phase.kind).toBe("done");
    expect(done.study?.matrices?.[0].missing).toEqual([
      { siteId: "tum", models: ["tum"], reason: `failed ${LIMITS.siteAttempts} times, last with out-of-memory` },
    ]);
    // The last that is missing closes the matrix too.
    expect(stateAfter(...summed, ...rest, ...tries).phase.kind).toBe("done");
  });

  test("shows the model of a site that leaves to nobody any more, and takes its figures out", () => {
    const left = approval("ucsf", SITES, one, false);
    const open = stateAfter(...summed, cell("ucsf", "tum"), cell("tum", "ucsf"), cell("tum", "tum"), left);
    expect(open.phase).toMatchObject({ models: ["tum", "upenn"], cells: { tum: { tum: {} } } });
    expect(askedFor(open, "tum")).toBe("upenn");
    expect(readableObjects(open, "tum").has(objectOf("update of ucsf for 1").sha256)).toBe(false);
    expect(verdictOf(open, cell("upenn", "ucsf"))).toBe("discarded update-counted");
    expect(verdictOf(open, cell("ucsf", "tum"))).toBe("rejected study-not-approved");
    const done = stateAfter(
      ...[...summed, cell("tum", "ucsf"), left, cell("tum", "tum"), cell("tum", "upenn")],
      ...[cell("upenn", "tum"), cell("upenn", "upenn")],
    );
    expect(done.phase.kind).toBe("done");
    expect(Object.keys(done.study?.matrices?.[0].cells.tum ?? {})).toEqual(["tum", "upenn"]);
    expect(done.study?.matrices?.[0].missing).toEqual([
      { siteId: "ucsf", models: ["tum", "upenn"], reason: "left the study in round 1: not this one" },
    ]);
    const back = step(open, approval("ucsf", SITES, one)).state;
    expect([askedFor(back, "ucsf"), (back.phase as { models?: unknown }).models]).toEqual(["upenn", ["tum", "upenn"]]);
    // One that left before the matrix began is not in it at all.
    const before = stateAfter(...begun(one), ...wholeRound(1, one).slice(0, -1), left);
    expect(before.phase).toMatchObject({ kind: "evaluating" });
    expect(step(before, evaluation("upenn", 1, one, 0.7)).state.phase).toMatchObject({ models: ["tum", "upenn"] });
  });

  test("lets updates be read while it is open, by sites that approved, and keeps them until then whatever is retained", () => {
    const updates = SITES.map((siteId) => objectOf(`update of ${siteId} for 1`).sha256);
    const read = (state: CoordinatorState, siteId: string) =>
      updates.filter((each) => readableObjects(state, siteId).has(each));
    const kept = (state: CoordinatorState) => updates.filter((each) => !obsoleteObjects(state).has(each));
    const evaluating = stateAfter(...begun(one), ...wholeRound(1, one).slice(0, -1));
    const open = stateAfter(...summed);
    const done = stateAfter(...summed, ...PAIRS.map(([by, of]) => cell(by, of)));
    expect([evaluating, open, done].map((state) => read(state, "tum"))).toEqual([[], updates, []]);
    expect([evaluating, open, done].map(kept)).toEqual([updates, updates, []]);
    const two = [approval("tum", SITES, one), approval("ucsf", SITES, one)];
    const undecided = stateAfter(
      ...[...submitted(SITES, one), ...two, { kind: "study-begun", atMs: 21, reason: "two are enough" } as const],
      ...[update("tum", 1, one), update("ucsf", 1, one), aggregated(1, ["tum", "ucsf"])],
      ...[evaluation("tum", 1, one, 0.5), evaluation("ucsf", 1, one, 0.5)],
    );
    expect(undecided.phase).toMatchObject({ kind: "crossing", models: ["tum", "ucsf"] });
    expect([read(undecided, "tum").length, read(undecided, "upenn").length]).toEqual([2, 0]);
    // What is no longer needed is removed when the matrix is made.
    const last = PAIRS.at(-1) as readonly [string, string];
    const almost = stateAfter(...summed, ...PAIRS.slice(0, -1).map(([by, of]) => cell(by, of)));
    expect(step(almost, cell(...last)).effects).toContainEqual({ kind: "prune", studies: 0, rounds: 1, matrices: 1 });
  });

  test("comes after the rounds that are named, which are evaluated; or after the last, early as it may be", () => {
    const named = smallStudy({ count: 4, evaluateEvery: 4, crossSite: [2, 3] });
    const through = (round: number): CoordinatorEvent[] =>
      wholeRound(round, named).slice(0, round === 1 ? -3 : undefined);
    const cells = (round: number) => PAIRS.map(([by, of]) => cell(by, of, { study: named, round }));
    const open = [...begun(named), ...through(1), ...through(2)];
    expect(stateAfter(...open).phase).toMatchObject({ kind: "crossing", round: 2 });
    const next = stateAfter(...open, ...cells(2));
    expect(next.phase).toMatchObject({ kind: "collecting", round: 3, global: objectOf("model 2") });
    const all = stateAfter(...open, ...cells(2), ...through(3), ...cells(3), ...wholeRound(4, named));
    expect([all.phase.kind, all.study?.matrices?.map(({ round }) => round)]).toEqual(["done", [2, 3]]);
    const early = smallStudy({ count: 9, crossSite: "last", stopEarly: { patience: 1, gain: 0 } });
    const ended = [...begun(early), ...wholeRound(1, early), ...wholeRound(2, early)];
    expect(stateAfter(...ended).phase).toMatchObject({ kind: "crossing", round: 2 });
    const figures = PAIRS.map(([by, of]) => cell(by, of, { study: early, round: 2 }));
    expect(stateAfter(...ended, ...figures).phase).toMatchObject({ kind: "done", early: /no gain/ });
  });

  test("is refused to more sites than a matrix can have", () => {
    const many = Array.from({ length: LIMITS.crossSiteSites + 1 }, (_, i) => `site-${i}`);
    const events = submitted(many, one);
    expect(verdictOf(stateAfter(...events.slice(0, -1)), events.at(-1) as CoordinatorEvent)).toBe(
      "rejected limit-exceeded",
    );
    expect(stateAfter(...submitted(many.slice(1), one)).phase.kind).toBe("approving");
  });
});

test("a matrix is the same over a restart of the coordinator after every act, and the home passes its full check", async () => {
  const told: unknown[] = [];
  for (const restarts of [false, true]) {
    const federation = await newFederation(SITES);
    await submitSmall(federation.coordinator, smallStudy({ count: 1, crossSite: "last" }, { retain: "none" }));
    await runToEnd(federation, async () => {
      if (restarts) await federation.reopen();
    });
    const { study } = federation.coordinator.status();
    expect(study?.matrices.map(({ rows, missing }) => [rows.length, missing])).toEqual([[4, []]]);
    told.push(study?.matrices.map(({ closedMs, ...matrix }) => matrix));
    const updates = Object.values(roundsOf(federation.coordinator.state().study)[0].updates ?? {});
    await federation.coordinator.close();
    expect((await verifyHome(federation.home)).records).toBeGreaterThan(20);
    // What the matrix was made of is gone with it.
    for (const { sha256: digest } of updates) {
      await expect(access(federation.coordinator.objectPath(digest))).rejects.toMatchObject({ code: "ENOENT" });
    }
    await federation.remove();
  }
  expect(told[1]).toEqual(told[0]);
});
