/** A site of the product that cannot finish a round in time, and returns what it has. Time is in the test's hand. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { LIMITS } from "../base/index.ts";
import { type Coordinator, openCoordinator, replayAggregates } from "../coordinator/index.ts";
import type { SiteEvent } from "./events.ts";
import type { Site } from "./home.ts";
import { joinSites, newCoordinatorHome, submit } from "./testing/federation-suite.ts";
import { type HandClock, handClock } from "./testing/hand-clock.ts";
import { linkOf, QUICK, runTestSite, temporaryFolder, tinyStudy } from "./testing/test-site.ts";
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
  hooks: Pick<TinyWorkHooks, "onStep" | "onTimeLeft"> = {},
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
      const link = linkOf(site, coordinator.service);
      const openWork = site.siteId === "c" ? slow : tinyWork({ nowMs: clock.nowMs });
      const onEvent = ({ kind }: SiteEvent): void => void (site.siteId === "c" && heard.push(kind));
      return runTestSite({ site, link, clock, openWork, onEvent, timing: { ...QUICK, heartbeatMs } });
    }),
  );
  const rounds = coordinator.status().study?.rounds ?? [];
  await coordinator.close();
  return { rounds, heard, c: rounds[0]?.sites.find(({ id }) => id === "c") };
}

function untilCame(coordinator: Coordinator, wanted: readonly string[]): Promise<void> {
  const isThere = (): boolean => wanted.every((siteId) => coordinator.status().study?.came.includes(siteId));
  if (isThere()) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = coordinator.onNews(() => {
      if (!isThere()) return;
      stop();
      resolve();
    });
  });
}

/** No sign of life in between, so that c's clock is not compared while it moves. */
const UNTOLD_MS = 600_000;

it("counts by what it did, weighs by what it would have done, and is left out where the study has no partial work", async () => {
  const partial = await federation("partial", { deadlineS: 20, partialWork: { leastShare: 0.1 } });
  const { rounds, c } = await runAll(partial, 700, UNTOLD_MS);
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
  const whole = await runAll(without, 700, UNTOLD_MS, {
    onStep: (_, __, done) => (done === 0 ? untilCame(without.coordinator, ["a", "b"]) : undefined),
  });
  expect(whole.rounds[0].leftOut.map(({ siteId }) => siteId)).toEqual(["c"]);
  // It comes late, which is no failure: it has its part in what is to be done next.
  expect(whole.heard).toContain("withdrawn");
  expect(whole.heard).not.toContain("failure");
  expect(whole.heard).toContain("evaluated");
});

it.each([
  // Sixty steps take c six seconds.
  ["shortens it: c returns what it has", { deadlineS: 100 }, { deadlineS: 3 }, 3_000],
  ["prolongs it: c does all", { deadlineS: 4 }, { deadlineS: 100 }, 100_000],
])("goes by the deadline as it is while it trains, where the lead %s", async (...given) => {
  const [name, before, change, newMs] = given;
  const begun = await federation(name.split(" ")[0], { partialWork: { leastShare: 0.05 }, ...before });
  let tell = (): void => undefined;
  const told = new Promise<void>((resolve) => {
    tell = resolve;
  });
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
