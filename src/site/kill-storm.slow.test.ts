/**
 * A coordinator and three sites as processes over TLS, each killed (SIGKILL) at seeded moments, alone or together, for
 * as long as the kills last: the study goes on, and ends in the bits of one that nobody disturbed.
 */
import { writeFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createRandom } from "../base/index.ts";
import { openCoordinator } from "../coordinator/index.ts";
import type { Study } from "../study/index.ts";
import { joinSites, newCoordinatorHome, stoppedFederation, submit } from "./testing/federation-suite.ts";
import { openProcesses, type Processes, type TestProcess } from "./testing/processes.ts";
import { linkOf, runTestSite, temporaryFolder, tinyStudy } from "./testing/test-site.ts";

const KILLS = 40;
const SEED = 5;
/** Of which each waits for its share of the kills: no machine is so fast that the study ends before the storm. */
const ROUNDS = 30;
const PROCESSES = 4;
const STEP_MS = "15";
const SUMMED = { algorithm: "fedavg", weightBy: "cases", precisionBits: 24 };
const PLAIN = tinyStudy({ rounds: { count: ROUNDS }, aggregation: SUMMED });
const MASKED = tinyStudy({
  rounds: { count: ROUNDS },
  aggregation: SUMMED,
  privacy: { secureAggregation: { threshold: 2 } },
});

let root: string;
let processes: Processes;
let undisturbed: string;
beforeAll(async () => {
  root = await temporaryFolder();
  processes = await openProcesses();
  undisturbed = await calmFinal();
}, 120_000);
afterAll(async () => {
  await processes.close();
  await rm(root, { recursive: true, force: true });
});

/** In this process, in memory, with nobody killed. */
async function calmFinal(): Promise<string> {
  const folder = join(root, "calm");
  await mkdir(folder);
  const coordinator = await openCoordinator({ home: await newCoordinatorHome(folder) });
  const sites = await joinSites(folder, coordinator, "memory");
  await submit(coordinator, PLAIN);
  await Promise.all(sites.map((site) => runTestSite({ site, link: linkOf(site, coordinator.service) })));
  const { finalModel } = await coordinator.waitForStudyEnd();
  await coordinator.close();
  if (!finalModel) throw new Error("an undisturbed study without a model");
  return finalModel.sha256;
}

interface Prepared {
  /** How each process of the federation is started, by name. */
  readonly starts: ReadonlyMap<string, () => TestProcess>;
  /** Rounds after this one are not trained for now. */
  letTrain(lastRound: number): void;
}

async function prepare(name: string, study: Study): Promise<Prepared> {
  const { home, sites } = await stoppedFederation(join(root, name), study);
  const lastRoundFile = join(root, `${name}.last-round`);
  const startSite = (siteHome: string) => () => processes.start("site-process", siteHome, STEP_MS, lastRoundFile);
  const starts = new Map([
    ["coordinator", () => processes.start("coordinator-process", home)],
    ...sites.map((site) => [site.siteId, startSite(site.home)] as const),
  ]);
  return { starts, letTrain: (lastRound) => writeFileSync(lastRoundFile, String(lastRound)) };
}

const isEnded = ({ kind }: Record<string, unknown>): boolean => kind === "ended done";

/** @returns what each site ended with, and how often whom was killed */
async function storm({ starts, letTrain }: Prepared) {
  const random = createRandom("kill-storm", SEED);
  letTrain(1);
  const running = new Map([...starts].map(([name, start]) => [name, start()]));
  const kills: Record<string, number> = {};
  const total = (): number => Object.values(kills).reduce((sum, each) => sum + each, 0);
  while (total() < KILLS || Object.keys(kills).length < PROCESSES) {
    await sleep(random.between(50, 1_500));
    // Whoever has said nothing yet has not begun.
    const alive = [...running].filter(([, { lines }]) => lines.length > 0);
    const victims = alive.filter(() => random.between(0, 1) < 0.5);
    await Promise.all(victims.map(([, process]) => process.kill()));
    for (const [name, process] of victims) {
      // SIGKILL has no exit code; anything else would be one that ended by itself before.
      expect([name, await process.ended]).toEqual([name, null]);
      kills[name] = (kills[name] ?? 0) + 1;
      running.set(name, (starts.get(name) as () => TestProcess)());
    }
    letTrain(Math.min(ROUNDS - 1, 1 + Math.floor((total() / KILLS) * ROUNDS)));
  }
  letTrain(ROUNDS);
  const coordinator = running.get("coordinator") as TestProcess;
  const sites = [...running].filter(([name]) => name !== "coordinator").map(([, process]) => process);
  const ends = await Promise.all([
    ...sites.map((site) => site.until(isEnded)),
    coordinator.until(({ kind }) => kind === "serving"),
  ]);
  await coordinator.kill();
  return { finals: ends.slice(0, -1).map(({ finalSha256 }) => finalSha256), kills };
}

for (const [name, study] of [
  ["plain", PLAIN],
  ["masked", MASKED],
] as const) {
  it(`${name} rounds outlive ${KILLS} SIGKILLs of coordinator and sites (seed ${SEED})`, {
    timeout: 300_000,
  }, async () => {
    const { finals, kills } = await storm(await prepare(name, study));
    expect(finals).toEqual([undisturbed, undisturbed, undisturbed]);
    expect(Object.keys(kills).sort()).toEqual(["a", "b", "c", "coordinator"]);
  });
}
