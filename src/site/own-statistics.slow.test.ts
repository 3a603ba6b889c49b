/** Running statistics that stay at each site: on its disk, through a kill, in what it measures, and in no update. */
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openCoordinator } from "../coordinator/index.ts";
import { readSite } from "./home.ts";
import { ownStatisticsOf, type RoundProgress, readRound, statisticsOfRound } from "./study-progress.ts";
import { Crash, type CrashPlan, fated } from "./testing/crash-points.ts";
import { joinSites, newCoordinatorHome, submit } from "./testing/federation-suite.ts";
import { linkOf, runTestSite, temporaryFolder, tinyStudy } from "./testing/test-site.ts";

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

const training = (runningStatistics: string): object => ({
  optimiser: { kind: "sgd", learningRate: 0.05 },
  patch: [8, 8, 8],
  stepsPerRound: 3,
  seed: 7,
  runningStatistics,
});

interface Told {
  readonly before: unknown;
  readonly after: unknown;
}

/** A federation's end, with site a dying by the plan. */
async function run(name: string, changes: object, plan?: CrashPlan) {
  const folder = join(root, name);
  await mkdir(folder);
  const coordinator = await openCoordinator({ home: await newCoordinatorHome(folder) });
  const sites = await joinSites(folder, coordinator, "memory");
  const hash = await submit(coordinator, tinyStudy({ training: training("local"), ...changes }));
  let died = false;
  await Promise.all(
    sites.map(async (site) => {
      const link = linkOf(site, coordinator.service);
      if (site.siteId !== "a") return runTestSite({ site, link });
      const first = fated(site, link, plan);
      try {
        return await runTestSite({ site: first.site, link: first.link });
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
        died = true;
        const again = await readSite(site.home);
        return runTestSite({ site: again, link: linkOf(again, coordinator.service) });
      }
    }),
  );
  const { finalModel, bestModel } = await coordinator.waitForStudyEnd();
  const rounds = coordinator.status().study?.rounds ?? [];
  await coordinator.close();
  const best = bestModel?.round ?? 0;
  const statistics = await Promise.all(
    sites.map(async ({ store }) => [
      await ownStatisticsOf(store, hash, best),
      await ownStatisticsOf(store, hash),
      (await readRound(store, hash))?.statistics?.map(({ round }) => round),
    ]),
  );
  const figures = rounds.map(({ dice, sites: told }) => [dice?.mean, ...told.map((site) => [site.dice, site.local])]);
  return { final: await readFile(finalModel?.path ?? ""), statistics, figures, died };
}

it("are kept with each round and found again after a kill, with every figure the same", {
  timeout: 120_000,
}, async () => {
  const rounds = { count: 3, evaluateLocal: true };
  const calm = await run("calm", { rounds });
  const [[, last, kept], [, others]] = calm.statistics;
  expect(last).toHaveLength(2);
  expect(last).not.toEqual(others);
  expect(kept).toEqual([1, 2]);
  for (const plan of [
    { when: "before", step: "write round", nth: 3 },
    { when: "after", step: "write round", nth: 3 },
    { when: "before", step: "write evaluation", nth: 1 },
  ] as const) {
    const killed = await run(`killed-${plan.when}-${plan.step.replace(" ", "-")}`, { rounds }, plan);
    expect(killed.died).toBe(true);
    expect({ ...killed, died: false }).toEqual(calm);
  }
});

it("are those of each round in what is measured of its model, also where it is measured a round later", {
  timeout: 120_000,
}, async () => {
  const rounds = { count: 2, evaluateLocal: true };
  const local = await run("told-local", { rounds });
  const none = await run("told-none", { rounds, training: training("asExported") });
  const ofA = ({ figures }: typeof local) => figures.map(([, a]) => (a as Told[])[1]);
  // the model that the study begins with is measured after round 1's training, with what it came with
  expect(ofA(local)[0].before).toEqual(ofA(none)[0].before);
  expect(ofA(local)[0].after).not.toEqual(ofA(none)[0].after);
  expect(ofA(local)[1].before).not.toEqual(ofA(none)[1].before);

  const made = {
    round: 5,
    statistics: [
      { round: 1, sha256: "one" },
      { round: 3, sha256: "three" },
    ],
  };
  const trained = { ...made, update: { statisticsAfter: "five" } } as RoundProgress;
  const found = [0, 1, 2, 3, 4, 5, 6].map((round) => statisticsOfRound(trained, round));
  expect(found).toEqual([undefined, "one", "one", "three", "three", "five", "five"]);
  expect(statisticsOfRound(made as RoundProgress, 5)).toBe("three");
  expect(statisticsOfRound(undefined, 5)).toBeUndefined();
});

it("change nothing of the model that the sites make together, plain or masked, and everything that is measured", {
  timeout: 120_000,
}, async () => {
  const privacy = { secureAggregation: { threshold: 2 } };
  for (const [name, more] of [
    ["plain", {}],
    ["masked", { privacy, aggregation: { algorithm: "fedavg", weightBy: "cases", precisionBits: 24 } }],
  ] as const) {
    const local = await run(`local-${name}`, more);
    const none = await run(`none-${name}`, { ...more, training: training("asExported") });
    expect(local.final).toEqual(none.final);
    expect(local.figures).not.toEqual(none.figures);
    expect(none.statistics.flat().filter((each) => each !== undefined)).toEqual([]);
  }
});
