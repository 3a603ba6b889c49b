/** Statistics before the first round, by the state machine: who is asked, what is believed, and what never stops a study. */
import { describe, expect, test } from "vitest";
import type { DataStatistics } from "../aggregation/index.ts";
import { LIMITS } from "../base/index.ts";
import { parseStudy, type Study, studyHash } from "../study/index.ts";
import { directiveFor } from "./directive.ts";
import type { CoordinatorEvent, StatisticsReceived } from "./events.ts";
import type { CoordinatorState } from "./state.ts";
import { statisticsStatus } from "./statistics-status.ts";
import { step } from "./step.ts";
import { approval, approvals, failure, smallStudy, stateAfter, submitted, update } from "./testing/studies.ts";

const SITES = ["tum", "ucsf", "upenn"];
const study: Study = parseStudy({
  ...smallStudy({ quorum: 2 }),
  statistics: { labels: true, leastPatients: 3, leastSites: 2 },
});
const FIGURES: DataStatistics = { cases: 9, patients: 9, labels: { necroticCore: 3, oedema: 9, enhancingTumour: 5 } };

function statistics(siteId: string, figures: DataStatistics = FIGURES, atMs = 25): StatisticsReceived {
  const evidence = { header: "{}", body: "", signature: "" };
  return { kind: "statistics-received", atMs, siteId, studyHash: studyHash(study), evidence, attempt: 1, figures };
}

function reported(siteId: string, trainingCases: number): CoordinatorEvent {
  const data = { trainingCases, validationCases: 1, channels: ["t1"], labelConvention: "brats2021" };
  return { kind: "site-reported", atMs: 15, siteId, productVersion: "0", data };
}

const asked = [...submitted(SITES, study), ...approvals(SITES, study)];

function verdictOf(state: CoordinatorState, event: CoordinatorEvent): string {
  const { verdict } = step(state, event);
  return verdict.outcome === "accepted" ? "accepted" : `${verdict.outcome} ${verdict.error.code}`;
}

function orderOf(state: CoordinatorState, siteId: string): string | undefined {
  return directiveFor(state, siteId, 25).kind.case;
}

describe("a study that declares statistics", () => {
  test("asks every site that approved once, and then begins its first round", () => {
    const open = stateAfter(...asked, statistics("tum"));
    expect(open.phase).toMatchObject({ kind: "surveying", round: 0, deadlineMs: 20 + 100_000 });
    expect(SITES.map((siteId) => orderOf(open, siteId))).toEqual(["wait", "survey", "survey"]);
    const begun = stateAfter(...asked, ...SITES.map((siteId) => statistics(siteId)));
    expect(begun.phase).toMatchObject({ kind: "collecting", round: 1, global: begun.study?.initial });
    expect(Object.keys(begun.study?.statistics?.sites ?? {})).toEqual(SITES);
    expect(begun.study?.statistics?.leftOut).toEqual([]);
    expect(verdictOf(begun, statistics("tum"))).toBe("discarded update-wrong-round");
  });

  test("takes no training meanwhile, and no statistics before the approvals or of a site that has not approved", () => {
    const open = stateAfter(...asked);
    expect(verdictOf(open, update("tum", 1, study))).toBe("rejected update-wrong-round");
    expect(verdictOf(stateAfter(...submitted(SITES, study)), statistics("tum"))).toBe("rejected update-wrong-round");
    const some = stateAfter(...submitted(SITES, study), approval("tum", SITES, study), approval("ucsf", SITES, study), {
      kind: "study-begun",
      atMs: 21,
      reason: "two are enough",
    });
    expect(some.phase.kind).toBe("surveying");
    expect(orderOf(some, "upenn")).toBe("review");
    expect(verdictOf(some, statistics("upenn"))).toBe("rejected study-not-approved");
    const come = step(some, approval("upenn", SITES, study)).state;
    expect(orderOf(come, "upenn")).toBe("survey");
  });

  test("counts a site's figures once", () => {
    const open = stateAfter(...asked, statistics("tum"));
    expect(verdictOf(open, statistics("tum", { ...FIGURES, cases: 10 }))).toBe("discarded update-counted");
  });

  test("refuses figures of more cases than the site has, and such as cannot be; a site without that lie it believes (control)", () => {
    const open = stateAfter(...submitted(SITES, study), reported("tum", 7), ...approvals(SITES, study));
    expect(verdictOf(open, statistics("tum"))).toBe("rejected message-invalid");
    const honest = { cases: 8, patients: 8, labels: { necroticCore: 3, oedema: 8, enhancingTumour: 5 } };
    expect(verdictOf(open, statistics("tum", honest))).toBe("accepted");
    const almostAll = { ...honest, labels: { ...honest.labels, oedema: 7 } };
    expect(verdictOf(open, statistics("tum", almostAll))).toBe("rejected message-invalid");
    expect(verdictOf(open, statistics("tum", { ...honest, voxelSizes: {} }))).toBe("rejected message-invalid");
  });

  test("goes on without a site that keeps failing, or is silent until the deadline, and names it", () => {
    const failures = Array.from({ length: LIMITS.siteAttempts }, () => failure("upenn", 0, study));
    const given = stateAfter(...asked, statistics("tum"), ...failures, statistics("ucsf"));
    expect(given.phase).toMatchObject({ kind: "collecting", round: 1 });
    expect(given.study?.statistics?.leftOut).toEqual([
      { siteId: "upenn", reason: `failed ${LIMITS.siteAttempts} times, last with out-of-memory` },
    ]);
    const open = stateAfter(...asked, statistics("tum"));
    expect(verdictOf(open, { kind: "time-reached", atMs: 99_000 })).toBe("discarded usage");
    const late = step(open, { kind: "time-reached", atMs: 101_000 }).state;
    expect(late.phase).toMatchObject({ kind: "collecting", round: 1, startedMs: 101_000 });
    expect(late.study?.statistics?.leftOut.map(({ siteId }) => siteId)).toEqual(["ucsf", "upenn"]);
    expect(verdictOf(late, statistics("ucsf"))).toBe("discarded update-wrong-round");
  });

  test("lets no deadline pass while it is paused, and hands nothing out that was not begun", () => {
    const paused = stateAfter(...asked, { kind: "study-paused", atMs: 30, reason: "upgrade" });
    expect(verdictOf(paused, { kind: "time-reached", atMs: 200_000 })).toBe("discarded usage");
    expect(directiveFor(paused, "tum", 30).news?.paused).toBe(true);
    const resumed = step(paused, { kind: "study-resumed", atMs: 50_030, reason: "done" }).state;
    expect(resumed.phase).toMatchObject({ kind: "surveying", deadlineMs: 150_020 });
  });

  test("takes the figures of a site that leaves out again", () => {
    const left = step(
      stateAfter(...asked, statistics("tum"), statistics("ucsf")),
      approval("tum", SITES, study, false),
    ).state;
    expect(left.phase).toMatchObject({ kind: "surveying" });
    const begun = step(left, statistics("upenn")).state;
    expect(Object.keys(begun.study?.statistics?.sites ?? {})).toEqual(["ucsf", "upenn"]);
    expect(begun.study?.statistics?.leftOut).toEqual([{ siteId: "tum", reason: "refused the study: not this one" }]);
    expect(begun.study?.approvals.tum.inRound).toBeUndefined();
  });

  test("tells a revoked site from one that refused, and from one that has not decided", () => {
    const open = [...submitted(SITES, study), approval("tum", SITES, study), approval("ucsf", SITES, study)];
    const begun: CoordinatorEvent = { kind: "study-begun", atMs: 21, reason: "two are enough" };
    const revoked: CoordinatorEvent = {
      kind: "site-revoked",
      siteId: "upenn",
      reason: "its laptop was stolen",
      atMs: 24,
    };
    const heard = [statistics("tum"), statistics("ucsf")];
    const leftOut = (...events: CoordinatorEvent[]) => stateAfter(...events).study?.statistics?.leftOut;
    expect(leftOut(...open, begun, ...heard)).toEqual([{ siteId: "upenn", reason: "has not decided about the study" }]);
    expect(leftOut(...asked, revoked, ...heard)).toEqual([
      { siteId: "upenn", reason: "revoked: its laptop was stolen" },
    ]);
    expect(leftOut(...open, approval("upenn", SITES, study, false), ...heard)).toEqual([
      { siteId: "upenn", reason: "refused the study: not this one" },
    ]);
  });

  test("can be stopped, and cut to one round", () => {
    const open = stateAfter(...asked);
    expect(step(open, { kind: "study-stopped", atMs: 30, reason: "enough" }).state.phase.kind).toBe("failed");
    expect(verdictOf(open, { kind: "study-changed", atMs: 30, reason: "short", rounds: 0 })).toBe(
      "rejected study-refused",
    );
    expect(verdictOf(open, { kind: "study-changed", atMs: 30, reason: "short", rounds: 1 })).toBe("accepted");
  });

  test("tells volumes in the order of regions, the largest first, however the study is written down", () => {
    const volumes: Study = parseStudy({
      ...smallStudy({ quorum: 2 }),
      statistics: { volumes: { from: 0, to: 300, bins: 30 }, leastPatients: 3, leastSites: 2 },
    });
    const { study: record } = stateAfter(...submitted(SITES, volumes), ...approvals(SITES, volumes));
    if (!record) throw new Error("the study is underway");
    const { task } = record.study;
    const statistics = { sites: {}, leftOut: [], startedMs: 20, closedMs: 30 };
    const turned = Object.fromEntries(Object.entries(task.regions).reverse());
    for (const regions of [task.regions, turned]) {
      const written = { ...record, statistics, study: { ...record.study, task: { ...task, regions } } };
      expect(statisticsStatus(written)?.histograms.map(({ name }) => name)).toEqual(["WT", "TC", "ET"]);
    }
  });
});
