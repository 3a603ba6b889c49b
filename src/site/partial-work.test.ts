/** A site of the product that cannot finish a round in time, and returns what it has. Time is in the test's hand. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ConsiliumError, LIMITS } from "../base/index.ts";
import { type Coordinator, openCoordinator, replayAggregates } from "../coordinator/index.ts";
import type { CoordinatorLink } from "../protocol/index.ts";
import type { SiteEvent } from "./events.ts";
import type { Site } from "./home.ts";
import { joinSites, newCoordinatorHome, submit } from "./testing/federation-suite.ts";
import { gate } from "./testing/gate.ts";
import { type HandClock, handClock } from "./testing/hand-clock.ts";
import { linkOf, QUICK, runTestSite, temporaryFolder, tinyStudy, UNTOLD } from "./testing/test-site.ts";
import { type TinyWorkHooks, tinyWork } from "./testing/tiny-work.ts";

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

const STEPS = 60;
const training = { optimiser: { kind: "sgd", learningRate: 0.01 }, patch: [8, 8, 8], stepsPerRound: STEPS, seed: 7 };

interface Federation {
  readonly home: string;
  readonly clock: HandClock;
  readonly coordinator: Coordinator;
  readonly sites: readonly Site[];
}

async function federation(name: string, rounds: object): Promise<Federation> {
  const folder = join(root, name);
  await mkdir(folder);
  const home = await newCoordinatorHome(folder);
  const clock = handClock();
  const coordinator = await openCoordinator({ home, clock });
  const sites = await joinSites(folder, coordinator, "memory");
  await submit(coordinator, tinyStudy({ training, rounds: { count: 1, quorum: 2, ...rounds }, retain: "all" }));
  return { home, clock, coordinator, sites };
}

/** Everybody to the end of the study; each step of c takes so long, others' none. */
async function runAll(
  { clock, coordinator, sites }: Federation,
  stepMs: number,
  heartbeatMs: number,
  hooks: Pick<TinyWorkHooks, "onStep" | "onTimeLeft"> & { readonly beforeFetch?: () => Promise<void> } = {},
) {
  const slow = tinyWork({
    ...hooks,
    nowMs: clock.nowMs,
    onStep: async (where, round, done) => {
      if (where !== "train") return;
      await hooks.onStep?.(where, round, done);
      clock.reach(clock.nowMs() + stepMs);
      await coordinator.tick();
    },
  });
  const heard: SiteEvent["kind"][] = [];
  await Promise.all(
    sites.map((site) => {
      const direct = linkOf(site, coordinator.service);
      const link: CoordinatorLink = {
        ...direct,
        async fetchObject(transfer) {
          if (site.siteId === "c") await hooks.beforeFetch?.();
          return direct.fetchObject(transfer);
        },
      };
      const openWork = site.siteId === "c" ? slow : tinyWork({ nowMs: clock.nowMs });
      const onEvent = ({ kind }: SiteEvent): void => void (site.siteId === "c" && heard.push(kind));
      return runTestSite({ site, link, clock, openWork, onEvent, timing: { ...QUICK, heartbeatMs } });
    }),
  );
  const rounds = coordinator.status().study?.rounds ?? [];
  await coordinator.close();
  return { rounds, heard, c: rounds[0]?.sites.find(({ id }) => id === "c") };
}

function until({ onNews }: Coordinator, holds: () => boolean): Promise<void> {
  if (holds()) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = onNews(() => {
      if (!holds()) return;
      stop();
      resolve();
    });
  });
}

function othersCame({ coordinator }: Federation): boolean {
  return ["a", "b"].every((siteId) => coordinator.status().study?.came.includes(siteId));
}

it("counts by what it did, weighs by what it would have done, and is left out where the study has no partial work", async () => {
  const partial = await federation("partial", { deadlineS: 20, partialWork: { leastShare: 0.1 } });
  const { rounds, c } = await runAll(partial, 700, UNTOLD.heartbeatMs);
  const gradientSteps = 1 + Math.floor((20_000 * (1 - LIMITS.partialWorkSendingShare)) / 700);
  expect(gradientSteps).toBeLessThan(STEPS);
  expect(c).toMatchObject({ stepsAsked: STEPS, gradientSteps });
  const weightOfC = (9 * STEPS) / gradientSteps;
  const others = rounds[0].sites.filter(({ id }) => id !== "c").reduce((sum, site) => sum + site.trainingCases, 0);
  expect(c?.share).toBeCloseTo(weightOfC / (weightOfC + others), 3);
  expect(rounds[0].leftOut).toEqual([]);
  const replayed = await replayAggregates(partial.home);
  expect(new Set(replayed.rounds.map(({ outcome }) => outcome))).toEqual(new Set(["equal"]));
  const without = await federation("whole", { deadlineS: 20 });
  // No time passes before the others' updates are there.
  const whole = await runAll(without, 700, UNTOLD.heartbeatMs, {
    onStep: (_, __, done) => (done === 0 ? until(without.coordinator, () => othersCame(without)) : undefined),
  });
  expect(whole.rounds[0].leftOut.map(({ siteId }) => siteId)).toEqual(["c"]);
  // It comes late, which is no failure: it has its part in what is to be done next.
  expect(whole.heard).toContain("withdrawn");
  expect(whole.heard).not.toContain("failure");
  expect(whole.heard).toContain("evaluated");
});

it("takes the next order where its round closed before it had the model", async () => {
  const begun = await federation("late", { deadlineS: 20 });
  const { coordinator, clock } = begun;
  const { rounds, heard } = await runAll(begun, 0, UNTOLD.heartbeatMs, {
    beforeFetch: async () => {
      if (coordinator.state().phase.kind !== "collecting") return;
      await until(coordinator, () => othersCame(begun));
      clock.reach(coordinator.status().study?.deadlineMs ?? 0);
      await coordinator.tick();
      await until(coordinator, () => coordinator.status().study?.rounds.length === 1);
    },
  });
  expect(rounds[0].leftOut.map(({ siteId }) => siteId)).toEqual(["c"]);
  expect(heard).toEqual(expect.arrayContaining(["withdrawn", "evaluated"]));
  expect(heard).not.toContain("training");
  expect(heard).not.toContain("failure");
});

it("reports a refusal while its order stands, and tries again", async () => {
  const begun = await federation("refused", {});
  const { coordinator, clock } = begun;
  coordinator.onNews((news) => {
    if (news.kind !== "event" || news.event.kind !== "failure-received") return;
    clock.reach(clock.nowMs() + LIMITS.siteRetryMaxMs);
  });
  let refused = false;
  const { rounds, heard } = await runAll(begun, 0, UNTOLD.heartbeatMs, {
    beforeFetch: async () => {
      if (refused) return;
      refused = true;
      throw new ConsiliumError("object-refused", { subject: "object", expected: "it", actual: "none", hint: "Ask." });
    },
  });
  expect(heard).toContain("failure");
  expect(heard).not.toContain("withdrawn");
  expect(rounds[0].leftOut).toEqual([]);
});

it.each([
  // Sixty steps take c six seconds.
  ["shortens it: c returns what it has", { deadlineS: 100 }, { deadlineS: 3 }, 3_000],
  ["prolongs it: c does all", { deadlineS: 4 }, { deadlineS: 100 }, 100_000],
])("goes by the deadline as it is while it trains, where the lead %s", async (...given) => {
  const [name, before, change, newMs] = given;
  const begun = await federation(name.split(" ")[0], { partialWork: { leastShare: 0.05 }, ...before });
  const [told, tell] = gate();
  const { rounds, c } = await runAll(begun, 100, QUICK.heartbeatMs, {
    // c is in its first step until it has heard of the change.
    onStep: async (_, __, done) => {
      if (done > 0) return;
      await begun.coordinator.changeStudy({ kind: "study-changed", ...change, reason: "why" });
      await told;
    },
    onTimeLeft: (ms) => {
      if (ms === newMs * (1 - LIMITS.partialWorkSendingShare)) tell();
    },
  });
  expect(rounds[0].leftOut).toEqual([]);
  if (newMs < STEPS * 100) expect(c?.gradientSteps).toBeLessThan(newMs / 100);
  else expect(c?.gradientSteps).toBe(STEPS);
});
