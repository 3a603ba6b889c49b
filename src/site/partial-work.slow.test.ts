/** A site of the product that cannot finish a round in time, and returns what it has. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openCoordinator, replayAggregates } from "../coordinator/index.ts";
import { joinSites, newCoordinatorHome, submit } from "./testing/federation-suite.ts";
import { linkOf, runTestSite, temporaryFolder, tinyStudy } from "./testing/test-site.ts";
import { tinyWork } from "./testing/tiny-work.ts";

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

const training = { optimiser: { kind: "sgd", learningRate: 0.01 }, patch: [8, 8, 8], stepsPerRound: 60, seed: 7 };

async function federation(name: string, partialWork?: object) {
  const folder = join(root, name);
  await mkdir(folder);
  const home = await newCoordinatorHome(folder);
  const coordinator = await openCoordinator({ home });
  const sites = await joinSites(folder, coordinator, "memory");
  const rounds = { count: 1, quorum: 2, deadlineS: 20, ...(partialWork && { partialWork }) };
  await submit(coordinator, tinyStudy({ training, rounds, retain: "all" }));
  const slow = tinyWork({
    onStep: (where) => (where === "train" ? new Promise((resolve) => setTimeout(resolve, 700)) : undefined),
  });
  await Promise.all(
    sites.map((site) => {
      const link = linkOf(site, coordinator.service);
      return runTestSite({ site, link, ...(site.siteId === "c" && { openWork: slow }) });
    }),
  );
  const rounds_ = coordinator.status().study?.rounds ?? [];
  await coordinator.close();
  return { rounds: rounds_, home };
}

it("counts by what it did, weighs by what it would have done, and is left out where the study has no partial work", {
  timeout: 300_000,
}, async () => {
  const { rounds, home } = await federation("partial", { leastShare: 0.1 });
  const [first] = rounds;
  const c = first.sites.find(({ id }) => id === "c");
  expect(c?.stepsAsked).toBe(60);
  expect(c?.gradientSteps).toBeGreaterThanOrEqual(6);
  expect(c?.gradientSteps).toBeLessThan(40);
  const weightOfC = (9 * 60) / (c?.gradientSteps ?? 1);
  const others = first.sites.filter(({ id }) => id !== "c").reduce((sum, site) => sum + site.trainingCases, 0);
  expect(c?.share).toBeCloseTo(weightOfC / (weightOfC + others), 3);
  expect(first.leftOut).toEqual([]);
  const replayed = await replayAggregates(home);
  expect(new Set(replayed.rounds.map(({ outcome }) => outcome))).toEqual(new Set(["equal"]));
  const without = await federation("whole");
  expect(without.rounds[0].leftOut.map(({ siteId }) => siteId)).toEqual(["c"]);
});

it.each([
  // Sixty steps take c some six seconds.
  ["shortens it: c returns what it has", { deadlineS: 100 }, { deadlineS: 3 }, (steps: number) => steps < 45],
  ["prolongs it: c does all", { deadlineS: 4 }, { deadlineS: 100 }, (steps: number) => steps === 60],
])("goes by the deadline as it is while it trains, where the lead %s", { timeout: 120_000 }, async (...given) => {
  const [name, before, change, fits] = given;
  const folder = join(root, name.split(" ")[0]);
  await mkdir(folder);
  const coordinator = await openCoordinator({ home: await newCoordinatorHome(folder) });
  const sites = await joinSites(folder, coordinator, "memory");
  const rounds = { count: 1, quorum: 2, partialWork: { leastShare: 0.05 }, ...before };
  await submit(coordinator, tinyStudy({ training, rounds }));
  let changed = false;
  const slow = tinyWork({
    onStep: async (where) => {
      if (where !== "train") return;
      if (!changed) await coordinator.changeStudy({ kind: "study-changed", ...change, reason: "why" });
      changed = true;
      await new Promise((resolve) => setTimeout(resolve, 100));
    },
  });
  await Promise.all(
    sites.map((site) => {
      const more = site.siteId === "c" && { openWork: slow };
      return runTestSite({ site, link: linkOf(site, coordinator.service), ...more, timing: { heartbeatMs: 200 } });
    }),
  );
  const [round] = coordinator.status().study?.rounds ?? [];
  expect(round.leftOut).toEqual([]);
  expect(fits(round.sites.find(({ id }) => id === "c")?.gradientSteps ?? 0)).toBe(true);
  await coordinator.close();
});
