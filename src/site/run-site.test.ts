import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConsiliumError, LIMITS, sha256 } from "../base/index.ts";
import { DirectiveSchema, type ReviewStudy, RosterEntrySchema } from "../protocol/index.ts";
import type { Study } from "../study/index.ts";
import type { OpenWork } from "./engine.ts";
import type { SiteEvent } from "./events.ts";
import { readSite, type Site } from "./home.ts";
import { runSite } from "./run-site.ts";
import { readSiteLogOf } from "./site-log.ts";
import { siteStatus } from "./site-status.ts";
import { type ScriptedCoordinator, scriptedCoordinator } from "./testing/scripted-coordinator.ts";
import { joinTestSite, linkOf, madeUpCases, runTestSite, temporaryFolder, tinyStudy } from "./testing/test-site.ts";
import { tinyWork } from "./testing/tiny-work.ts";

/** What no sign of life takes on any machine that tests run on. */
const LONGEST_WAIT_MS = 20_000;

let root: string;
beforeEach(async () => {
  root = await temporaryFolder();
});
afterEach(() => rm(root, { recursive: true, force: true }));

interface TestFederation {
  readonly coordinator: ScriptedCoordinator;
  readonly sites: readonly Site[];
}

interface Setting {
  readonly siteIds?: readonly string[];
  readonly study?: Study;
  readonly cases?: number;
  readonly name?: string;
}

async function federation({
  siteIds = ["a"],
  study = tinyStudy(),
  cases = 6,
  name,
}: Setting = {}): Promise<TestFederation> {
  const coordinator = await scriptedCoordinator(study, siteIds);
  const folder = join(root, sha256(String(Math.random())).slice(0, 8));
  await mkdir(folder);
  const sites: Site[] = [];
  for (const siteId of siteIds) {
    const invitation = coordinator.invitation(siteId);
    const { service } = coordinator;
    const made = madeUpCases(siteId, cases, name);
    sites.push(await readSite(await joinTestSite({ root: folder, siteId, invitation, service, cases: made })));
  }
  return { coordinator, sites };
}

function told<K extends string>(coordinator: ScriptedCoordinator, kind: K): Record<string, unknown>[] {
  const values = coordinator.received.map(({ message }) => message.kind).filter((each) => each.case === kind);
  return values.map(({ value }) => value as unknown as Record<string, unknown>);
}

function runAll({ coordinator, sites }: TestFederation, openWork = tinyWork()): ReturnType<typeof runTestSite>[] {
  return sites.map((site) => runTestSite({ site, link: linkOf(site, coordinator.service), openWork }));
}

/** Work of which each step lasts until the next sign of life. */
function toldWork(coordinator: ScriptedCoordinator): OpenWork {
  const polls = (): number => told(coordinator, "poll").length;
  return tinyWork({
    onStep: async () => {
      const before = polls();
      await vi.waitUntil(() => polls() > before, { interval: 1, timeout: LONGEST_WAIT_MS });
    },
  });
}

/** Runs the first site until so many events of a kind came. */
async function runUntil(
  { coordinator, sites: [site] }: TestFederation,
  until: (event: SiteEvent, seen: number) => boolean,
  openWork: OpenWork = tinyWork(),
): Promise<SiteEvent[]> {
  const stop = new AbortController();
  const events: SiteEvent[] = [];
  const onEvent = (event: SiteEvent): void => {
    events.push(event);
    if (until(event, events.filter(({ kind }) => kind === event.kind).length)) stop.abort();
  };
  await runTestSite({ site, link: linkOf(site, coordinator.service), signal: stop.signal, onEvent, openWork });
  return events;
}

describe("a site at work", () => {
  it("takes a study from the offer to the end, and keeps the model", async () => {
    const made = await federation({ siteIds: ["a", "b", "c"] });
    const { coordinator, sites } = made;
    const outcomes = await Promise.all(runAll(made));
    const { studyHash } = coordinator;
    const finalSha256 = coordinator.finalSha256();
    expect(finalSha256).toMatch(/^[0-9a-f]{64}$/);
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ kind: "done", studyHash, finalSha256, bestRound: 3 });
    expect(told(coordinator, "update")).toHaveLength(9);
    expect(told(coordinator, "update")[0]).toMatchObject({ round: 1, attempt: 1, trainingCases: 5, gradientSteps: 3 });
    expect(told(coordinator, "failure")).toEqual([]);
    for (const site of sites) expect(await site.store.hasObject(finalSha256)).toBe(true);
    const status = await siteStatus(sites[0].home);
    expect(status).toMatchObject({ siteId: "a", running: false, data: { training: 5, validation: 1, excluded: 0 } });
    expect(status.studies).toMatchObject([{ studyHash, decision: "approved", round: 3, end: { kind: "done" } }]);
  });

  it("gives the same model twice, and another one with other data", async () => {
    const finals: string[] = [];
    for (const cases of [6, 6, 7]) {
      const made = await federation({ siteIds: ["a", "b"], cases });
      await Promise.all(runAll(made));
      finals.push(made.coordinator.finalSha256());
    }
    expect(finals[0]).toBe(finals[1]);
    expect(finals[2]).not.toBe(finals[0]);
  });

  it("carries the optimiser's moments over rounds, unless the study starts them anew", async () => {
    const finals: string[] = [];
    for (const optimiserState of ["keep", "reset"] as const) {
      const study = tinyStudy();
      const made = await federation({ study: { ...study, training: { ...study.training, optimiserState } } });
      const stepsTaken: number[] = [];
      const openWork: OpenWork = async (request) => {
        const work = await tinyWork()(request);
        const train: typeof work.train = (order, report) => {
          stepsTaken.push(order.stepsTaken);
          return work.train(order, report);
        };
        return { ...work, train };
      };
      await runUntil(made, () => false, openWork);
      expect(stepsTaken).toEqual(optimiserState === "keep" ? [0, 3, 6] : [0, 0, 0]);
      finals.push(made.coordinator.finalSha256());
    }
    expect(finals[0]).not.toBe(finals[1]);
  });

  it("stops in the middle of training when told to, and ends with the same model when started again", async () => {
    const undisturbed = await federation();
    await Promise.all(runAll(undisturbed));
    const made = await federation();
    await runUntil(made, (event) => event.kind === "progress" && event.round === 2 && event.done === 2);
    expect(made.coordinator.finalSha256()).toBe("");
    expect(await Promise.all(runAll(made))).toMatchObject([{ kind: "done" }]);
    expect(made.coordinator.finalSha256()).toBe(undisturbed.coordinator.finalSha256());
  });

  it("ends with a word about a full disk, and goes on from there once there is room", async () => {
    const undisturbed = await federation();
    await Promise.all(runAll(undisturbed));
    const made = await federation();
    const { coordinator, sites } = made;
    const full = new ConsiliumError("disk-full", {
      subject: "home",
      expected: "room",
      actual: "ENOSPC",
      hint: "Make room.",
    });
    const store = { ...sites[0].store, keepObject: () => Promise.reject(full) };
    const run = runTestSite({ site: { ...sites[0], store }, link: linkOf(sites[0], coordinator.service) });
    await expect(run).rejects.toMatchObject({ code: "disk-full" });
    expect(told(coordinator, "update")).toEqual([]);
    await Promise.all(runAll(made));
    expect(coordinator.finalSha256()).toBe(undisturbed.coordinator.finalSha256());
  });

  it("ends with what a listener to its progress throws, as with that of any other", async () => {
    const { coordinator, sites } = await federation();
    for (const last of [1, 3]) {
      const onEvent = (event: SiteEvent): void => {
        if (event.kind === "progress" && event.done === last) throw new RangeError(`heard of ${last}`);
      };
      const run = runTestSite({ site: sites[0], link: linkOf(sites[0], coordinator.service), onEvent });
      await expect(run).rejects.toThrow(`heard of ${last}`);
    }
    expect(told(coordinator, "update")).toEqual([]);
  });

  it("lets nothing leave and writes nothing more once it is stopped between two steps of a sending", async () => {
    const { coordinator, sites } = await federation();
    const stop = new AbortController();
    const objectBytes = async (hash: string): Promise<number> => {
      stop.abort();
      return sites[0].store.objectBytes(hash);
    };
    const site = { ...sites[0], store: { ...sites[0].store, objectBytes } };
    const link = linkOf(site, coordinator.service);
    expect(await runTestSite({ site, link, signal: stop.signal })).toEqual({ kind: "stopped" });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const left = (await readSiteLogOf(site.store)).map(({ what }) => what);
    expect(left).toContain("approval");
    expect(left).not.toContain("update");
  });

  it("keeps the cases that a study began with, whatever is registered later", async () => {
    const made = await federation();
    await runUntil(made, (event) => event.kind === "update-sent");
    const [site] = made.sites;
    const { registerMadeUp } = await import("./testing/test-site.ts");
    await registerMadeUp(site, madeUpCases("other", 9));
    await runUntil(made, () => false);
    const counts = told(made.coordinator, "update").map(({ trainingCases }) => trainingCases);
    expect(new Set(counts)).toEqual(new Set([5]));
  });
});

describe("approval", () => {
  it("comes before everything: until then nothing is opened, trained or sent", async () => {
    const { coordinator, sites } = await federation();
    const stop = new AbortController();
    let pauses = 0;
    const pause = async (): Promise<void> => {
      if (++pauses === 5) stop.abort();
    };
    const openWork: OpenWork = () => {
      throw new Error("work was opened");
    };
    const link = linkOf(sites[0], coordinator.service);
    const outcome = await runSite({
      site: sites[0],
      link,
      openWork,
      productVersion: "test",
      pause,
      signal: stop.signal,
    });
    expect(outcome).toEqual({ kind: "stopped" });
    expect(new Set(coordinator.received.map(({ message }) => message.kind.case))).toEqual(new Set(["poll"]));
  });

  it("is asked for work that nobody approved: the work is refused, and reported so often and no more", async () => {
    const made = await federation();
    const { coordinator } = made;
    const order = {
      studyHash: coordinator.studyHash,
      round: 1,
      attempt: 1,
      globalSha256: "0".repeat(64),
      globalBytes: 1n,
    };
    let polls = 0;
    const stop = new AbortController();
    coordinator.override = () => {
      if (++polls > 40) stop.abort();
      return create(DirectiveSchema, { kind: { case: "train", value: order } });
    };
    const [site] = made.sites;
    await runTestSite({ site, link: linkOf(site, coordinator.service), signal: stop.signal });
    expect(told(coordinator, "failure")).toHaveLength(LIMITS.siteAttempts);
    expect(told(coordinator, "failure")[0]).toMatchObject({ code: "study-not-approved", round: 1 });
  });

  it("no longer holds when the roster changes", async () => {
    const made = await federation();
    const { coordinator, sites } = made;
    let offer: ReviewStudy | undefined;
    coordinator.override = (_siteId, usual) => {
      if (usual.kind.case === "review") offer = usual.kind.value;
      if (usual.kind.case !== "train" || offer === undefined) return usual;
      const roster = [...offer.roster, { siteId: "stranger", keySha256: "1".repeat(64) }];
      return create(DirectiveSchema, {
        kind: { case: "review", value: { ...offer, $typeName: undefined, roster } as never },
      });
    };
    const stop = new AbortController();
    const link = linkOf(sites[0], coordinator.service);
    let reviews = 0;
    const onEvent = (event: SiteEvent): void => {
      if (event.kind === "review" && ++reviews === 2) stop.abort();
    };
    const outcome = await runTestSite({ site: sites[0], link, signal: stop.signal, onEvent });
    expect(outcome).toEqual({ kind: "stopped" });
    expect(told(coordinator, "approval")).toHaveLength(1);
    expect(told(coordinator, "update")).toEqual([]);
  });

  it.each([
    [
      "a roster without this site",
      "roster-mismatch",
      () => [create(RosterEntrySchema, { siteId: "b", keySha256: "1".repeat(64) })],
    ],
    [
      "another key under its name",
      "roster-mismatch",
      () => [create(RosterEntrySchema, { siteId: "a", keySha256: "1".repeat(64) })],
    ],
    ["a site named twice", "roster-mismatch", (own: ReviewStudy["roster"]) => [...own, ...own]],
  ])("is refused without asking for %s", async (_name, code, change) => {
    const made = await federation();
    made.coordinator.override = (_siteId, usual) => {
      if (usual.kind.case !== "review") return usual;
      const value = { ...usual.kind.value, roster: change(usual.kind.value.roster) as ReviewStudy["roster"] };
      return create(DirectiveSchema, { kind: { case: "review", value } });
    };
    const events = await runUntil(made, (event) => event.kind === "approval-sent");
    expect(events).toContainEqual(
      expect.objectContaining({ kind: "failure", error: expect.objectContaining({ code }) }),
    );
    expect(told(made.coordinator, "approval")).toMatchObject([
      { approved: false, reason: expect.stringContaining(code) },
    ]);
  });

  it("is refused for a study whose bytes are not what its hash says", async () => {
    const made = await federation();
    made.coordinator.override = (_siteId, usual) => {
      if (usual.kind.case !== "review") return usual;
      const study = Buffer.from(Buffer.from(usual.kind.value.study).toString().replace('"count":3', '"count":9'));
      return create(DirectiveSchema, {
        kind: { case: "review", value: { ...usual.kind.value, study: Uint8Array.from(study) } },
      });
    };
    await runUntil(made, (event) => event.kind === "approval-sent");
    expect(told(made.coordinator, "approval")).toMatchObject([
      { approved: false, reason: expect.stringContaining("study-invalid") },
    ]);
  });

  it("is refused in words for summed metrics without a masked sum to hide them in", async () => {
    const made = await federation({ study: { ...tinyStudy(), metrics: "summed" } });
    await runUntil(made, (event) => event.kind === "approval-sent");
    const [approval] = told(made.coordinator, "approval");
    expect(approval).toMatchObject({ approved: false, reason: expect.stringContaining("study-invalid") });
    expect(approval.reason).toContain("secureAggregation");
  });
});

describe("a coordinator that is away, full or strange", () => {
  const away = new ConsiliumError("unreachable", {
    subject: "c",
    expected: "an answer",
    actual: "none",
    hint: "Wait.",
  });
  const full = new ConsiliumError("disk-full", {
    subject: "c",
    expected: "room",
    actual: "ENOSPC",
    hint: "Make room.",
  });

  it("is waited for, whenever it goes", async () => {
    const undisturbed = await federation();
    await Promise.all(runAll(undisturbed));
    const made = await federation();
    made.coordinator.failures.push(
      away,
      away,
      null,
      full,
      null,
      null,
      away,
      null,
      away,
      full,
      away,
      null,
      away,
      null,
      null,
      away,
    );
    const events = await runUntil(made, () => false);
    expect(events.filter(({ kind }) => kind === "unreachable").length).toBeGreaterThanOrEqual(8);
    expect(made.coordinator.finalSha256()).toBe(undisturbed.coordinator.finalSha256());
  });

  it("ends the work where it knows a later copy of this home", async () => {
    const made = await federation();
    await runUntil(made, (event) => event.kind === "update-sent");
    const [site] = made.sites;
    await site.store.write("sequence", 0);
    await expect(runTestSite({ site, link: linkOf(site, made.coordinator.service) })).rejects.toMatchObject({
      code: "message-replayed",
    });
  });

  it("may reject an update: the site tells its operator and reports the failure", async () => {
    const made = await federation();
    made.coordinator.nextVerdict = { outcome: "rejected", code: "update-shape" };
    const events = await runUntil(made, () => false);
    expect(events).toContainEqual(
      expect.objectContaining({
        kind: "not-accepted",
        outcome: "rejected",
        error: expect.objectContaining({ code: "update-shape" }),
      }),
    );
    expect(told(made.coordinator, "update")).toHaveLength(4);
    expect(told(made.coordinator, "failure")).toMatchObject([{ code: "update-shape", round: 1 }]);
  });

  it("cannot take a site back to an earlier round", async () => {
    const made = await federation();
    const { coordinator } = made;
    coordinator.override = (_siteId, usual) => {
      if (usual.kind.case !== "train" || usual.kind.value.round !== 3) return usual;
      return create(DirectiveSchema, { kind: { case: "train", value: { ...usual.kind.value, round: 1 } } });
    };
    await runUntil(made, (event, seen) => event.kind === "failure" && seen === 2);
    expect(told(coordinator, "failure")).toMatchObject([{ code: "update-wrong-round" }]);
  });

  it("may withdraw an order: the work stops, and its result never leaves", async () => {
    const made = await federation();
    const { coordinator } = made;
    let closed = 0;
    let withdrawn = false;
    let isHeard = false;
    coordinator.override = (_siteId, usual) => {
      const activity = coordinator.received.at(-1)?.message.kind;
      if (withdrawn || activity?.case !== "poll" || activity.value.activity !== "training") return usual;
      withdrawn = true;
      return create(DirectiveSchema, { kind: { case: "wait", value: { retryAfterMs: 1, reason: "withdrawn" } } });
    };
    const openWork = tinyWork({
      onStep: async (where) => {
        if (where === "train" && !isHeard) await new Promise(() => undefined);
      },
      onClose: () => closed++,
    });
    const until = ({ kind }: SiteEvent): boolean => {
      if (kind === "withdrawn") isHeard = true;
      return false;
    };
    const events = await runUntil(made, until, openWork);
    expect(events.filter(({ kind }) => kind === "withdrawn")).toHaveLength(1);
    expect(closed).toBe(2);
    expect(told(coordinator, "update")).toHaveLength(3);
  });

  it("is asked less often where it lets a site wait long", async () => {
    const made = await federation();
    const { coordinator, sites } = made;
    const value = { retryAfterMs: 1_000, reason: "others train" };
    coordinator.override = () => create(DirectiveSchema, { kind: { case: "wait", value } });
    const stop = new AbortController();
    const pauses: number[] = [];
    const pause = async (ms: number): Promise<void> => {
      if (pauses.push(ms) === 60) stop.abort();
    };
    const link = linkOf(sites[0], coordinator.service);
    await runTestSite({ site: sites[0], link, pause, timing: { pauseMs: 60_000 }, signal: stop.signal });
    expect([pauses[0], pauses[12], pauses[59]]).toEqual([1_000, 2_000, 5_000]);
  });

  it("hears signs of life with progress while work takes long", async () => {
    const made = await federation();
    await runUntil(made, () => false, toldWork(made.coordinator));
    const polls = told(made.coordinator, "poll").filter(({ activity }) => activity === "training");
    expect(polls.length).toBeGreaterThanOrEqual(3);
    expect(polls.some(({ stepsDone, stepsTotal }) => Number(stepsDone) > 0 && stepsTotal === 3)).toBe(true);
    expect(polls[0].data).toMatchObject({ trainingCases: 5, validationCases: 1, labelConvention: "brats2021" });
  });
});

describe("what leaves a site", () => {
  it("is all in its log, in order, with the digests of what the coordinator received", async () => {
    const made = await federation();
    await Promise.all(runAll(made, toldWork(made.coordinator)));
    const { coordinator, sites } = made;
    const entries = await readSiteLogOf(sites[0].store);
    const logged = new Set(entries.map((entry) => entry.sha256));
    // Signs of life after the first share a line, whose digest is that of their digests.
    const counted = coordinator.bytesIn.filter((bytes) => !logged.has(sha256(bytes)));
    const tallies = entries.filter(({ what }) => what === "signs of life");
    expect(tallies).toHaveLength(1);
    expect(tallies[0]).toMatchObject({
      count: counted.length,
      bytes: counted.reduce((sum, { length }) => sum + length, 0),
      sha256: sha256(...counted.map((bytes) => sha256(bytes))),
    });
    expect(counted.length).toBeGreaterThan(0);
    expect(entries[0].what).toBe("certificate request");
    const count = (what: string): number => entries.filter((entry) => entry.what === what).length;
    expect([count("approval"), count("update"), count("update announcement"), count("evaluation figures")]).toEqual([
      1, 3, 3, 3,
    ]);
    const update = entries.find(({ what }) => what === "update");
    expect(update).toMatchObject({ bytes: 17 * 4, round: 1, studyHash: coordinator.studyHash, to: "127.0.0.1:1" });
  });

  it("never holds a case's name, also when work fails with it in the message", async () => {
    const name = "Jane-Doe-19551204";
    const made = await federation({ name, study: tinyStudy({ minCasesPerMetric: 1 }) });
    const { coordinator, sites } = made;
    const failing = new ConsiliumError("intensity-invalid", {
      subject: `case ${name}-a-0`,
      expected: `intensities in /data/a/${name}-a-0`,
      actual: `NaN in ${name}`,
      hint: `Look at ${name}.`,
    });
    const thrown = new Set<string>();
    const openWork = tinyWork({
      onStep: (where) => {
        if (thrown.has(where)) return;
        thrown.add(where);
        throw where === "train" ? failing : new Error(`${name} is broken`);
      },
    });
    const events = await runUntil(made, () => false, openWork);
    expect(told(coordinator, "failure").map(({ code }) => code)).toEqual(["intensity-invalid", "internal"]);
    expect(coordinator.finalSha256()).not.toBe("");
    const seenInside = events.some((event) => event.kind === "failure" && event.error.message.includes(name));
    expect(seenInside).toBe(true);
    const left = Buffer.concat(coordinator.bytesIn).toString("latin1");
    const log = JSON.stringify(await readSiteLogOf(sites[0].store));
    for (const text of [left, log]) expect(text).not.toMatch(/jane|doe|19551204|\/data/i);
  });

  it("is no figure where validation cases are fewer than the study allows, and none from a site without any", async () => {
    for (const [cases, minCasesPerMetric, expected] of [
      [4, 1, { cases: 0, regions: [] }],
      [6, 2, { cases: 1, regions: [] }],
      [10, 2, { cases: 2, regions: 3 }],
    ] as const) {
      const made = await federation({ cases, study: tinyStudy({ minCasesPerMetric }) });
      await Promise.all(runAll(made));
      const [first] = told(made.coordinator, "evaluation") as {
        cases: number;
        regions: {
          region: string;
          hd95Cases: number;
          diceCases: number;
          diceByCase: number[];
          diceMoments?: unknown;
        }[];
      }[];
      expect(first.cases).toBe(expected.cases);
      if (expected.regions !== 3) expect(first.regions).toEqual(expected.regions);
      else {
        expect(first.regions.map(({ region }) => region)).toEqual(["WT", "TC", "ET"]);
        expect(first.regions.map(({ hd95Cases }) => hd95Cases)).toEqual([2, 2, 0]);
        expect(first.regions.map(({ diceCases }) => diceCases)).toEqual([2, 2, 2]);
        expect(first.regions.flatMap(({ diceByCase }) => diceByCase)).toEqual([]);
        // Beside the sum of two they would give each one's score away.
        expect(first.regions.map(({ diceMoments }) => diceMoments)).toEqual([undefined, undefined, undefined]);
      }
    }
  });

  it("is no update where training diverges", async () => {
    const made = await federation();
    const openWork: OpenWork = async (request) => {
      const work = await tinyWork()(request);
      return {
        ...work,
        train: async (order, report) => {
          const trained = await work.train(order, report);
          trained.parameters[3] = Number.NaN;
          return trained;
        },
      };
    };
    await runUntil(made, (event, seen) => event.kind === "failure" && seen === 2, openWork);
    expect(told(made.coordinator, "update")).toEqual([]);
    expect(told(made.coordinator, "failure")).toMatchObject([{ code: "update-not-finite" }]);
  });
});
