import { describe, expect, test } from "vitest";
import { LIMITS } from "../base/index.ts";
import { type Study, studyHash } from "../study/index.ts";
import { directiveFor } from "./directive.ts";
import type { CoordinatorEvent } from "./events.ts";
import { uploadBytes } from "./masked-round.ts";
import { obsoleteObjects, readableObjects } from "./objects-in-use.ts";
import { roundsOf } from "./settled-rounds.ts";
import type { CoordinatorState } from "./state.ts";
import { INITIAL_STATE } from "./state.ts";
import { step } from "./step.ts";
import {
  aggregated,
  approval,
  approvals,
  evaluation,
  failure,
  objectOf,
  PARAMETERS,
  smallStudy,
  stateAfter,
  submitted,
  update,
} from "./testing/studies.ts";

const SITES = ["tum", "ucsf", "upenn"];
const study = smallStudy();
const begun = [...submitted(SITES, study), ...approvals(SITES, study)];

function updates(round: number, of: Study = study): CoordinatorEvent[] {
  return SITES.map((siteId) => update(siteId, round, of));
}
function evaluations(round: number, dice: number | null, of: Study = study): CoordinatorEvent[] {
  return SITES.map((siteId) => evaluation(siteId, round, of, dice));
}
function wholeRound(round: number, dice: number | null, of: Study = study): CoordinatorEvent[] {
  return [...updates(round, of), aggregated(round, SITES), ...evaluations(round, dice, of)];
}
function refusal(state: CoordinatorState, event: CoordinatorEvent): string {
  const { verdict, state: next } = step(state, event);
  expect(next).toBe(state);
  return verdict.outcome === "accepted" ? "accepted" : `${verdict.outcome} ${verdict.error.code}`;
}
function orderOf(state: CoordinatorState, siteId: string, nowMs = 100): unknown {
  return directiveFor(state, siteId, nowMs).kind;
}

describe("the way of a study", () => {
  test("runs from invitations to its final and best model", () => {
    const end = stateAfter(...begun, ...wholeRound(1, 0.75), ...wholeRound(2, 0.5));
    expect(end.phase).toMatchObject({
      kind: "done",
      final: objectOf("model 2"),
      finalRound: 2,
      best: objectOf("model 1"),
      bestRound: 1,
    });
    expect(roundsOf(end.study).map(({ evaluation: found }) => found?.meanDice)).toEqual([0.75, 0.5]);
    expect(orderOf(end, "upenn")).toMatchObject({ case: "done", value: { bestRound: 1, finalRound: 2 } });
  });

  test("takes the earliest of equal models, and the last where no site has figures", () => {
    const equal = stateAfter(...begun, ...wholeRound(1, 0.5), ...wholeRound(2, 0.5));
    expect(equal.phase).toMatchObject({ kind: "done", bestRound: 1 });
    const none = stateAfter(...begun, ...wholeRound(1, null), ...wholeRound(2, null));
    expect(none.phase).toMatchObject({ kind: "done", bestRound: 2 });
    expect(roundsOf(none.study)[0].evaluation?.meanDice).toBeNull();
  });

  test("evaluates every n-th round and the last", () => {
    const rare = smallStudy({ count: 3, evaluateEvery: 2 });
    const start = [...submitted(SITES, rare), ...approvals(SITES, rare)];
    const first = stateAfter(...start, ...updates(1, rare), aggregated(1, SITES));
    expect(first.phase).toMatchObject({ kind: "collecting", round: 2 });
    const through = [...updates(1, rare), aggregated(1, SITES), ...wholeRound(2, 0.5, rare)];
    const last = stateAfter(...start, ...through, ...updates(3, rare), aggregated(3, SITES));
    expect(last.phase).toMatchObject({ kind: "evaluating", round: 3 });
  });

  test("says what each site is to do", () => {
    const fresh = stateAfter(...submitted(SITES, study));
    expect(orderOf(fresh, "upenn")).toMatchObject({ case: "review", value: { studyHash: studyHash(study) } });
    const half = stateAfter(...submitted(SITES, study), approval("upenn", SITES, study));
    expect(orderOf(half, "upenn")).toMatchObject({ case: "wait" });
    const offered = stateAfter(...begun);
    expect(orderOf(offered, "upenn")).toMatchObject({
      case: "train",
      value: { round: 1, attempt: 1, globalSha256: objectOf("initial").sha256, deadlineMs: BigInt(20 + 100_000) },
    });
    const sent = stateAfter(...begun, update("upenn", 1, study));
    expect(orderOf(sent, "upenn")).toMatchObject({
      case: "wait",
      value: { reason: "Waiting for the updates of tum, ucsf." },
    });
    const evaluating = stateAfter(...begun, ...updates(1), aggregated(1, SITES));
    expect(orderOf(evaluating, "upenn")).toMatchObject({ case: "evaluate", value: { round: 1 } });
    expect(orderOf(INITIAL_STATE, "upenn")).toMatchObject({ case: "wait" });
  });

  test("asks for each duty once", () => {
    const closing = step(stateAfter(...begun, ...updates(1).slice(0, 2)), updates(1)[2]);
    expect(closing.effects).toEqual([{ kind: "aggregate", round: 1 }]);
    expect(step(stateAfter(...begun), update("upenn", 1, study)).effects).toEqual([]);
    const summed = step(closing.state, aggregated(1, SITES));
    expect(summed.effects.map(({ kind }) => kind)).toEqual(["prune", "alarm"]);
  });
});

describe("approval", () => {
  test("holds only for the study and the roster that the coordinator has", () => {
    const fresh = stateAfter(...submitted(SITES, study));
    expect(refusal(fresh, approval("upenn", ["tum", "upenn"], study))).toBe("rejected roster-mismatch");
    expect(refusal(fresh, approval("upenn", [...SITES, "invented"], study))).toBe("rejected roster-mismatch");
    const other = smallStudy({}, { name: "another" });
    expect(refusal(fresh, approval("upenn", SITES, other))).toBe("rejected study-unknown");
    expect(refusal(fresh, approval("stranger", SITES, study))).toBe("rejected roster-mismatch");
    expect(refusal(INITIAL_STATE, approval("upenn", SITES, study))).toBe("rejected study-unknown");
  });

  test("is counted once", () => {
    const half = stateAfter(...submitted(SITES, study), approval("upenn", SITES, study));
    expect(refusal(half, approval("upenn", SITES, study))).toBe("discarded update-counted");
  });

  test("refused by one ends a study that needs all, in words", () => {
    const end = stateAfter(...submitted(SITES, study), approval("upenn", SITES, study, false));
    expect(end.phase).toMatchObject({ kind: "failed", code: "study-refused" });
    expect(orderOf(end, "tum")).toMatchObject({ case: "failed", value: { reason: expect.stringContaining("upenn") } });
  });

  test("refused by one leaves it out where enough others remain", () => {
    const two = smallStudy({ quorum: 2 });
    const start = [...submitted(SITES, two), approval("upenn", SITES, two, false)];
    const left = stateAfter(...start, approval("tum", SITES, two), approval("ucsf", SITES, two));
    expect(left.phase).toMatchObject({ kind: "collecting", round: 1 });
    expect(orderOf(left, "upenn")).toMatchObject({ case: "review", value: { decision: "refused" } });
    expect(refusal(left, update("upenn", 1, two))).toBe("rejected study-not-approved");
    const closed = stateAfter(
      ...start,
      ...approvals(["tum", "ucsf"], two).map((event) => ({ ...event, roster: rosterAll(two) })),
      update("tum", 1, two),
      update("ucsf", 1, two),
    );
    expect(closed.phase).toMatchObject({
      kind: "aggregating",
      leftOut: [{ siteId: "upenn", reason: "refused the study: not this one" }],
    });
  });

  test("may change until the first round, from no to yes too", () => {
    const two = smallStudy({ quorum: 2 });
    const start = [...submitted(SITES, two), approval("upenn", SITES, two, false), approval("upenn", SITES, two)];
    const all = stateAfter(...start, approval("tum", SITES, two), approval("ucsf", SITES, two));
    expect(orderOf(all, "upenn")).toMatchObject({ case: "train" });
  });
});

function rosterAll(of: Study): never {
  return (approval("upenn", SITES, of) as { roster: unknown }).roster as never;
}

describe("submission", () => {
  test("is refused while a study is underway, twice for the same hash, and without enough sites", () => {
    const [again] = submitted([], smallStudy({}, { name: "second" }));
    expect(refusal(stateAfter(...begun), again)).toBe("rejected study-refused");
    const end = stateAfter(...begun, ...wholeRound(1, 0.5), ...wholeRound(2, 0.5));
    expect(refusal(end, submitted([], study)[0])).toBe("rejected study-refused");
    expect(refusal(INITIAL_STATE, again)).toBe("rejected quorum-not-reached");
    const five = submitted(SITES, smallStudy({ quorum: 5 }));
    expect(refusal(stateAfter(...five.slice(0, -1)), five[five.length - 1])).toBe("rejected quorum-not-reached");
  });

  test("after the end of another begins anew, and keeps the first", () => {
    const second = smallStudy({ count: 1 }, { name: "second" });
    const [submission] = submitted([], second);
    const next = stateAfter(...begun, ...wholeRound(1, 0.5), ...wholeRound(2, 0.5), submission);
    expect(next.phase.kind).toBe("approving");
    expect(next.past).toMatchObject([{ end: { kind: "done", finalRound: 2 } }]);
    expect(refusal(next, update("upenn", 2, study))).toBe("discarded study-unknown");
  });

  test("may name its sites", () => {
    const [submission] = submitted([], study);
    const enrolled = submitted(SITES, study).slice(0, -1);
    const chosen = stateAfter(...enrolled, { ...submission, sites: ["upenn", "tum"] } as CoordinatorEvent);
    expect(chosen.study?.roster.map(({ siteId }) => siteId)).toEqual(["tum", "upenn"]);
    expect(orderOf(chosen, "ucsf")).toMatchObject({ case: "wait" });
    const unknown = { ...submission, sites: ["nobody"] } as CoordinatorEvent;
    expect(refusal(stateAfter(...enrolled), unknown)).toBe("rejected site-unknown");
  });
});

describe("updates", () => {
  const offered = stateAfter(...begun);

  test("bring counts and a loss where sites tell their figures, and none where these are summed", () => {
    expect(refusal(offered, update("upenn", 1, study, { trainingCases: 0 }))).toBe("rejected message-invalid");
    const privacy = { secureAggregation: { threshold: 2 } };
    const summed: Study = { ...study, metrics: "summed", privacy };
    const begunSummed = stateAfter(...submitted(SITES, summed), ...approvals(SITES, summed));
    const collecting = { ...begunSummed, phase: { ...offered.phase, kind: "collecting" } } as typeof offered;
    const bytes = uploadBytes(collecting.study, 1);
    const quiet = { trainingCases: 0, gradientSteps: 0, clippedCoordinates: 0, meanLoss: null };
    const ofSize = update("upenn", 1, summed, { ...quiet, update: { sha256: "a".repeat(64), bytes } });
    expect(step(collecting, ofSize).verdict).toEqual({ outcome: "accepted" });
    for (const told of [{ trainingCases: 3 }, { gradientSteps: 1 }, { clippedCoordinates: 1 }, { meanLoss: 0.5 }]) {
      expect(refusal(collecting, { ...ofSize, ...told })).toBe("rejected message-invalid");
    }
  });

  test("bring a loss exactly where the study has no noise", () => {
    const none = { meanLoss: null };
    expect(refusal(offered, update("upenn", 1, study, none))).toBe("rejected message-invalid");
    const patientLevel = { clipNorm: 1, noiseMultiplier: 1, samplingRate: 0.5, patchesPerScan: 1, delta: 1e-5 };
    const noisy: Study = { ...study, privacy: { patientLevel } };
    const privately = stateAfter(...submitted(SITES, noisy), ...approvals(SITES, noisy));
    expect(refusal(privately, update("upenn", 1, noisy))).toBe("rejected message-invalid");
    expect(step(privately, update("upenn", 1, noisy, none)).verdict).toEqual({ outcome: "accepted" });
  });

  test("for another round, of another shape, or a second time are refused", () => {
    expect(refusal(offered, update("upenn", 2, study))).toBe("rejected update-wrong-round");
    expect(refusal(offered, update("upenn", 0, study))).toBe("discarded update-wrong-round");
    const long = { ...objectOf("long"), bytes: 4 * PARAMETERS + 4 };
    expect(refusal(offered, update("upenn", 1, study, { update: long }))).toBe("rejected update-shape");
    const sent = stateAfter(...begun, update("upenn", 1, study));
    expect(refusal(sent, update("upenn", 1, study))).toBe("discarded update-counted");
    const summing = stateAfter(...begun, ...updates(1));
    expect(refusal(summing, update("upenn", 1, study))).toBe("discarded update-wrong-round");
    expect(refusal(summing, update("upenn", 2, study))).toBe("rejected update-wrong-round");
    expect(refusal(offered, update("stranger", 1, study))).toBe("rejected roster-mismatch");
  });

  test("of a site that joined anew with another key are refused: the roster was approved with the first", () => {
    const rejoined = stateAfter(
      ...begun,
      { kind: "site-invited", atMs: 21, invitationId: "again", siteId: "upenn", expiresMs: 1000 },
      {
        kind: "site-enrolled",
        atMs: 22,
        siteId: "upenn",
        invitationId: "again",
        keySha256: "f".repeat(64),
        certificatePem: "",
        productVersion: "0",
      },
    );
    expect(refusal(rejoined, update("upenn", 1, study))).toBe("rejected roster-mismatch");
    expect(orderOf(rejoined, "upenn")).toMatchObject({ case: "wait" });
  });

  test("short of all at the deadline fail the study and name who was missing", () => {
    const late = stateAfter(...begun, update("tum", 1, study), failure("ucsf", 1, study), {
      kind: "time-reached",
      atMs: 100_020,
    });
    expect(late.phase).toMatchObject({
      kind: "failed",
      code: "quorum-not-reached",
      reason:
        "Round 1 had 1 of 3 updates at its deadline; ucsf: failed 1 time, last with out-of-memory; " +
        "upenn: no update before the deadline.",
    });
  });

  test("of the quorum close the round at the deadline, and not before", () => {
    const two = smallStudy({ quorum: 2 });
    const events = [...submitted(SITES, two), ...approvals(SITES, two), update("tum", 1, two), update("ucsf", 1, two)];
    expect(stateAfter(...events).phase.kind).toBe("collecting");
    expect(refusal(stateAfter(...events), { kind: "time-reached", atMs: 100_019 })).toBe("discarded usage");
    const closed = stateAfter(...events, { kind: "time-reached", atMs: 100_020 });
    expect(closed.phase).toMatchObject({
      kind: "aggregating",
      leftOut: [{ siteId: "upenn", reason: "no update before the deadline" }],
    });
    const record = stateAfter(...events, { kind: "time-reached", atMs: 100_020 }, aggregated(1, ["tum", "ucsf"]));
    expect(roundsOf(record.study)[0]).toMatchObject({ leftOut: [{ siteId: "upenn" }], totalWeight: 6 });
  });
});

describe("failures of a site", () => {
  test("are answered by longer and longer pauses, then tried again under the next attempt", () => {
    const once = stateAfter(...begun, failure("upenn", 1, study, 1000));
    expect(orderOf(once, "upenn", 1500)).toMatchObject({ case: "wait", value: { retryAfterMs: 500 } });
    expect(orderOf(once, "upenn", 2000)).toMatchObject({ case: "train", value: { attempt: 2 } });
    const twice = stateAfter(...begun, failure("upenn", 1, study, 1000), failure("upenn", 1, study, 2000));
    expect(orderOf(twice, "upenn", 2000)).toMatchObject({ case: "wait", value: { retryAfterMs: 2000 } });
    const back = stateAfter(...begun, failure("upenn", 1, study), update("upenn", 1, study, { attempt: 2 }));
    expect(back.phase).toMatchObject({ updates: { upenn: { attempt: 2 } } });
  });

  test("too often end a study that needs all, and leave the site out of one that does not", () => {
    const often = Array.from({ length: LIMITS.siteAttempts }, () => failure("upenn", 1, study));
    expect(stateAfter(...begun, ...often).phase).toMatchObject({ kind: "failed", code: "quorum-not-reached" });
    const two = smallStudy({ quorum: 2 });
    const other = Array.from({ length: LIMITS.siteAttempts }, () => failure("upenn", 1, two));
    const going = stateAfter(...submitted(SITES, two), ...approvals(SITES, two), ...other);
    expect(going.phase.kind).toBe("collecting");
    expect(orderOf(going, "upenn", 1e9)).toMatchObject({ case: "wait" });
  });

  test("at evaluating leave the site out of the figures", () => {
    const often = Array.from({ length: LIMITS.siteAttempts }, () => failure("upenn", 1, study));
    const scored = [evaluation("tum", 1, study, 0.5), evaluation("ucsf", 1, study, 0.7)];
    const next = stateAfter(...begun, ...updates(1), aggregated(1, SITES), ...scored, ...often);
    expect(next.phase).toMatchObject({ kind: "collecting", round: 2 });
    expect(roundsOf(next.study)[0].evaluation).toMatchObject({ leftOut: [{ siteId: "upenn" }] });
    expect(roundsOf(next.study)[0].evaluation?.meanDice).toBeCloseTo(0.6, 12);
  });
});

describe("evaluations", () => {
  const evaluating = stateAfter(...begun, ...updates(1), aggregated(1, SITES));

  test("of another model or round, or a second time, are refused", () => {
    const other = { ...evaluation("upenn", 1, study, 0.5), modelSha256: "0".repeat(64) };
    expect(refusal(evaluating, other)).toBe("rejected update-wrong-round");
    expect(refusal(evaluating, evaluation("upenn", 2, study, 0.5))).toBe("rejected update-wrong-round");
    const once = step(evaluating, evaluation("upenn", 1, study, 0.5)).state;
    expect(refusal(once, evaluation("upenn", 1, study, 0.9))).toBe("discarded update-counted");
    const next = stateAfter(...begun, ...wholeRound(1, 0.5));
    expect(refusal(next, evaluation("upenn", 1, study, 0.5))).toBe("discarded update-wrong-round");
  });

  test("missing at the deadline are named, and the study goes on", () => {
    const events = [...begun, ...updates(1), aggregated(1, SITES), evaluation("tum", 1, study, 0.5)];
    const late = stateAfter(...events, { kind: "time-reached", atMs: 100_040 });
    expect(late.phase).toMatchObject({ kind: "collecting", round: 2 });
    expect(roundsOf(late.study)[0].evaluation).toMatchObject({
      meanDice: 0.5,
      leftOut: [{ siteId: "ucsf" }, { siteId: "upenn" }],
    });
  });

  test("are summed in the order of names, whatever the order of arrival", () => {
    const dice = [0.1, 0.7, 0.3];
    const one = SITES.map((siteId, i) => evaluation(siteId, 1, study, dice[i]));
    const ways = [one, [...one].reverse(), [one[1], one[2], one[0]]].map(
      (order) =>
        roundsOf(stateAfter(...begun, ...updates(1), aggregated(1, SITES), ...order).study)[0].evaluation?.meanDice,
    );
    expect(new Set(ways).size).toBe(1);
  });
});

describe("time, restarts and stops", () => {
  test("a deadline that passed while the coordinator was away is put off", () => {
    const away = stateAfter(...begun, { kind: "coordinator-started", atMs: 1e9 });
    expect(away.phase).toMatchObject({ deadlineMs: 1e9 + 100_000 });
    expect(refusal(stateAfter(...begun), { kind: "coordinator-started", atMs: 20 })).toBe("discarded usage");
    const long = smallStudy({ deadlineS: 86_400 });
    const start = [...submitted(SITES, long), ...approvals(SITES, long)];
    expect(refusal(stateAfter(...start), { kind: "coordinator-started", atMs: 1000 })).toBe("discarded usage");
    const missed = stateAfter(...start, { kind: "coordinator-started", atMs: 1e9 });
    expect(missed.phase).toMatchObject({ deadlineMs: 1e9 + LIMITS.restartGraceMs });
  });

  test("a stopped study is failed, and nothing counts in it any more", () => {
    const stopped = stateAfter(...begun, { kind: "study-stopped", atMs: 60, reason: "wrong data" });
    expect(orderOf(stopped, "upenn")).toMatchObject({
      case: "failed",
      value: { reason: expect.stringContaining("wrong data") },
    });
    expect(refusal(stopped, { kind: "study-stopped", atMs: 61, reason: "" })).toBe("discarded study-unknown");
    expect(refusal(stopped, update("upenn", 1, study))).toMatch(/^(discarded|rejected) update-wrong-round/);
  });

  test("an aggregation that cannot be made fails the study with its reason", () => {
    const event = { kind: "aggregation-failed", atMs: 45, round: 1, code: "object-corrupt", reason: "lost" } as const;
    const failed = stateAfter(...begun, ...updates(1), event);
    expect(failed.phase).toMatchObject({ kind: "failed", reason: "Round 1: lost", unused: { length: 3 } });
    expect(refusal(stateAfter(...begun), event)).toBe("discarded update-counted");
  });
});

describe("objects", () => {
  const through = (retain: Study["retain"]): CoordinatorState => {
    const kept = smallStudy({ count: 4 }, { retain });
    const start = [...submitted(SITES, kept), ...approvals(SITES, kept)];
    return stateAfter(
      ...start,
      ...wholeRound(1, 0.9, kept),
      ...wholeRound(2, 0.5, kept),
      ...wholeRound(3, 0.6, kept),
      ...wholeRound(4, 0.7, kept),
    );
  };
  const model = (round: number): string => objectOf(`model ${round}`).sha256;
  const updateOf = (siteId: string, round: number): string => objectOf(`update of ${siteId} for ${round}`).sha256;

  test("of past rounds go by the study's retention; initial, best and final models stay", () => {
    expect(obsoleteObjects(through("all"))).toEqual(new Set());
    const none = obsoleteObjects(through("none"));
    expect(none).toContain(updateOf("upenn", 4));
    expect([...none].filter((sha256) => [1, 2, 3, 4].map(model).includes(sha256))).toEqual([model(2), model(3)]);
    expect(none).not.toContain(objectOf("initial").sha256);
    const two = obsoleteObjects(through("last:2"));
    expect(two).toContain(updateOf("tum", 2));
    expect(two).not.toContain(updateOf("tum", 3));
    expect(two).toContain(model(2));
    expect(two).not.toContain(model(1));
  });

  test("of a failed round go too, unless all are kept", () => {
    const stop = { kind: "study-stopped", atMs: 60, reason: "" } as const;
    const sent = [...begun, update("upenn", 1, study)];
    expect(obsoleteObjects(stateAfter(...sent, stop))).toEqual(new Set([updateOf("upenn", 1)]));
    const all = smallStudy({}, { retain: "all" });
    const kept = [...submitted(SITES, all), ...approvals(SITES, all), update("upenn", 1, all), stop];
    expect(obsoleteObjects(stateAfter(...kept))).toEqual(new Set());
  });

  test("that sites may read are models, never updates", () => {
    const evaluating = stateAfter(...begun, ...updates(1), aggregated(1, SITES));
    expect([...readableObjects(evaluating, SITES[0]).keys()]).toEqual([model(1)]);
    expect([...readableObjects(stateAfter(...begun), SITES[0]).keys()]).toEqual([objectOf("initial").sha256]);
    const end = stateAfter(...begun, ...wholeRound(1, 0.9), ...wholeRound(2, 0.1));
    expect(new Set(readableObjects(end, SITES[0]).keys())).toEqual(new Set([model(1), model(2)]));
  });
});
