/** A study that is paused, resumed and given other rules while it runs. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { directiveFor } from "./directive.ts";
import type { CoordinatorEvent } from "./events.ts";
import { adminClient, startServer } from "./index.ts";
import { openJournal } from "./journal.ts";
import { openMachine } from "./machine.ts";
import { type CoordinatorState, pauseOf, rulesOf } from "./state.ts";
import { dutiesOf, step } from "./step.ts";
import { act, poll } from "./testing/fake-site.ts";
import { newFederation, runToEnd, submitSmall, type TestFederation } from "./testing/federations.ts";
import { aggregated, approvals, evaluation, smallStudy, stateAfter, submitted, update } from "./testing/studies.ts";

const SITES = ["tum", "ucsf", "upenn"];
const study = smallStudy({ count: 3, quorum: 2 });
const begun = [...submitted(SITES, study), ...approvals(SITES, study)];
const STARTED = 20;
const DEADLINE = STARTED + 100_000;

const paused = (atMs: number): CoordinatorEvent => ({ kind: "study-paused", atMs, reason: "upgrade" });
const resumed = (atMs: number): CoordinatorEvent => ({ kind: "study-resumed", atMs, reason: "done" });
type Rules = Omit<Extract<CoordinatorEvent, { kind: "study-changed" }>, "kind" | "atMs" | "reason">;
const changed = (rules: Rules, atMs = 25): CoordinatorEvent => {
  return { kind: "study-changed", atMs, reason: "why", ...rules };
};
function refusal(state: CoordinatorState, event: CoordinatorEvent): string {
  const { verdict, state: next } = step(state, event);
  expect(next).toBe(state);
  return verdict.outcome === "accepted" ? "accepted" : `${verdict.outcome} ${verdict.error.code}`;
}
function wholeRound(round: number): CoordinatorEvent[] {
  const figures = SITES.map((siteId) => evaluation(siteId, round, study, 0.5));
  return [...SITES.map((siteId) => update(siteId, round, study)), aggregated(round, SITES), ...figures];
}

describe("a paused study", () => {
  const held = stateAfter(...begun, paused(1_000));

  test("lets no deadline pass, takes what was begun, and says so to its sites", () => {
    expect(refusal(held, { kind: "time-reached", atMs: 1e9 })).toBe("discarded usage");
    expect(refusal(held, { kind: "coordinator-started", atMs: 1e9 })).toBe("discarded usage");
    expect(dutiesOf(held).map(({ kind }) => kind)).toEqual(["prune"]);
    expect(directiveFor(held, "upenn", 2_000)).toMatchObject({
      kind: { case: "train", value: { round: 1 } },
      news: { paused: true, changes: [{ number: 1, kind: "paused", reason: "upgrade" }] },
    });
    const sent = step(held, update("upenn", 1, study));
    expect(sent.verdict.outcome).toBe("accepted");
  });

  test("has as much time left, once resumed, as it had", () => {
    const on = stateAfter(...begun, paused(1_000), resumed(51_000));
    expect(on.phase).toMatchObject({ deadlineMs: DEADLINE + 50_000 });
    expect(dutiesOf(on)).toContainEqual({ kind: "alarm", atMs: DEADLINE + 50_000 });
    expect(pauseOf(on.study)).toBeUndefined();
    expect(directiveFor(on, "upenn", 60_000).news).toMatchObject({ paused: false, changes: [{}, { kind: "resumed" }] });
    // A phase that began during the pause gets only what it missed of it.
    const moved = stateAfter(...begun, paused(35), ...wholeRound(1), resumed(10_000));
    expect(moved.phase).toMatchObject({
      kind: "collecting",
      round: 2,
      startedMs: 50,
      deadlineMs: 50 + 100_000 + 9_950,
    });
  });

  test("is neither paused nor resumed twice, and an ended one not at all", () => {
    expect(refusal(held, paused(2_000))).toBe("discarded usage");
    expect(refusal(stateAfter(...begun), resumed(2_000))).toBe("discarded usage");
    const ended = stateAfter(...begun, { kind: "study-stopped", atMs: 60, reason: "" });
    expect(refusal(ended, paused(70))).toBe("discarded study-unknown");
  });

  test("may be stopped", () => {
    const stopped = step(held, { kind: "study-stopped", atMs: 2_000, reason: "over" });
    expect(stopped.state.phase.kind).toBe("failed");
  });
});

describe("other rules", () => {
  test("move the open deadline as if they had held from its start, and one that has passed is met", () => {
    expect(stateAfter(...begun, changed({ deadlineS: 300 })).phase).toMatchObject({ deadlineMs: STARTED + 300_000 });
    const short = stateAfter(
      ...begun,
      update("tum", 1, study),
      update("ucsf", 1, study),
      changed({ deadlineS: 0.001 }),
    );
    expect(dutiesOf(short)).toContainEqual({ kind: "alarm", atMs: STARTED + 1 });
    expect(step(short, { kind: "time-reached", atMs: 60 }).state.phase.kind).toBe("aggregating");
    const next = stateAfter(...begun, changed({ deadlineS: 300 }), ...wholeRound(1));
    expect(next.phase).toMatchObject({ kind: "collecting", round: 2, deadlineMs: 50 + 300_000 });
  });

  test("end the study sooner, evaluate its new last round, and never go beyond what was approved", () => {
    const cut = stateAfter(...begun, ...wholeRound(1), changed({ rounds: 2 }, 55), ...wholeRound(2));
    expect(cut.phase).toMatchObject({ kind: "done", finalRound: 2 });
    const rare = smallStudy({ count: 4, evaluateEvery: 4 });
    const start = [...submitted(SITES, rare), ...approvals(SITES, rare), changed({ rounds: 1 })];
    const last = stateAfter(...start, ...SITES.map((siteId) => update(siteId, 1, rare)), aggregated(1, SITES));
    expect(last.phase).toMatchObject({ kind: "evaluating", round: 1 });
    expect(refusal(stateAfter(...begun), changed({ rounds: 4 }))).toBe("rejected study-refused");
    expect(refusal(stateAfter(...begun, ...wholeRound(1)), changed({ rounds: 1 }))).toBe("rejected study-refused");
  });

  test("give another quorum, within the sites that take part", () => {
    const one = stateAfter(...begun, update("tum", 1, study), changed({ quorum: 1 }), {
      kind: "time-reached",
      atMs: 1e6,
    });
    expect(one.phase.kind).toBe("aggregating");
    expect(refusal(stateAfter(...begun), changed({ quorum: 4 }))).toBe("rejected study-refused");
    expect(refusal(stateAfter(...begun), changed({ quorum: 0 }))).toBe("rejected study-refused");
    expect(refusal(stateAfter(...begun), changed({ quorum: 2 }))).toBe("discarded usage");
    const all = stateAfter(...begun, changed({ quorum: "all" }));
    expect(all.study && rulesOf(all.study)).toEqual({ deadlineS: 100, quorum: "all", rounds: 3 });
  });
});

describe("at a coordinator", () => {
  let federation: TestFederation;
  beforeEach(async () => {
    federation = await newFederation(SITES);
  });
  afterEach(() => federation.remove());

  test("changes come by its loopback ear, stay over a restart, and are in status and journal", async () => {
    await submitSmall(federation.coordinator, study);
    for (const site of federation.sites) await act(site);
    const server = await startServer(federation.coordinator);
    const admin = adminClient(federation.home);
    await admin.changeStudy({ kind: "study-paused", reason: "upgrade" });
    await admin.changeStudy({ kind: "study-changed", reason: "slow site", deadlineS: 7_200, rounds: 2 });
    await expect(admin.changeStudy({ kind: "study-changed", reason: "", rounds: 9 })).rejects.toMatchObject({
      code: "study-refused",
    });
    expect((await poll(federation.sites[0])).directive.news).toMatchObject({
      paused: true,
      changes: [{}, { rounds: 2 }],
    });
    await server.close();
    await federation.reopen();
    const { study: told } = federation.coordinator.status();
    expect(told).toMatchObject({
      paused: { reason: "upgrade" },
      rules: { deadlineS: 7_200, quorum: 2, rounds: 2 },
      roundsInAll: 2,
      changes: [
        { number: 1, kind: "paused" },
        { number: 2, kind: "changed" },
      ],
    });
    await federation.coordinator.changeStudy({ kind: "study-resumed", reason: "done" });
    await runToEnd(federation);
    expect(federation.coordinator.result()?.finalModel?.round).toBe(2);
    const journal = await openJournal(`${federation.home}/journal.db`, "read");
    const { study: replayed } = (await openMachine(journal, { taken: () => {}, due: () => {} })).state();
    journal.close();
    expect(replayed?.changes?.map(({ kind }) => kind)).toEqual(["paused", "changed", "resumed"]);
  });
});
