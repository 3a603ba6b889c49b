/** Sites of the product in a study that its lead pauses and changes: what is begun is finished, and nothing else starts. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Coordinator, openCoordinator } from "../coordinator/index.ts";
import type { SiteEvent } from "./events.ts";
import type { Site } from "./home.ts";
import { siteStatus } from "./site-status.ts";
import { beginRound } from "./study-progress.ts";
import { joinSites, newCoordinatorHome, submit } from "./testing/federation-suite.ts";
import { gate } from "./testing/gate.ts";
import { linkOf, runTestSite, temporaryFolder, tinyStudy } from "./testing/test-site.ts";
import { tinyWork } from "./testing/tiny-work.ts";

const STUDY = tinyStudy({ rounds: { count: 3 } });

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

interface Ran {
  readonly final: string;
  readonly sites: readonly Site[];
  readonly heard: readonly SiteEvent[];
}

interface AtWork {
  readonly coordinator: Coordinator;
  readonly sites: readonly Site[];
  /** What each site told, in order. */
  readonly heard: ReadonlyMap<string, readonly SiteEvent[]>;
  /** No step is taken before. */
  letGo(): void;
}

/** A study to its end; who disturbs it is called once every site has begun the first round. */
async function run(name: string, disturb: (all: AtWork) => Promise<void>): Promise<Ran> {
  const folder = join(root, name);
  await mkdir(folder);
  const coordinator = await openCoordinator({ home: await newCoordinatorHome(folder) });
  const sites = await joinSites(folder, coordinator, "memory");
  await submit(coordinator, STUDY);
  const heard = new Map(sites.map(({ siteId }) => [siteId, [] as SiteEvent[]]));
  const [goes, letGo] = gate();
  const begun: Promise<void>[] = [];
  const running = sites.map((site) => {
    const [begins, begin] = gate();
    begun.push(begins);
    const onStep = (): Promise<void> => {
      begin();
      return goes;
    };
    return runTestSite({
      site,
      link: linkOf(site, coordinator.service),
      openWork: tinyWork({ onStep }),
      onEvent: (event) => void heard.get(site.siteId)?.push(event),
    });
  });
  await Promise.all(begun);
  await disturb({ coordinator, heard, sites, letGo });
  letGo();
  await Promise.all(running);
  const final = coordinator.result()?.finalModel?.sha256 ?? "none";
  await coordinator.close();
  return { final, sites, heard: [...heard.values()].flat() };
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited = 0; !(await condition()); waited += 5) {
    if (waited > 20_000) throw new Error("it did not come to that");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

it("finishes what it has begun, begins nothing while paused, and comes to the same model", {
  timeout: 120_000,
}, async () => {
  const calm = await run("calm", async () => {});
  const paused = await run("paused", async ({ coordinator, heard, sites, letGo }) => {
    await coordinator.changeStudy({ kind: "study-paused", reason: "upgrade" });
    letGo();
    const isHeld = (event: SiteEvent | undefined): boolean =>
      event?.kind === "waiting" && event.reason === "The study is paused.";
    await until(() => [...heard.values()].every((events) => isHeld(events.at(-1))));
    // What was begun is sent by then, and nothing else is begun.
    for (const events of heard.values()) {
      const done = events.filter(({ kind }) => ["training", "update-sent", "withdrawn"].includes(kind));
      expect(done.map(({ kind }) => kind)).toEqual(["training", "update-sent"]);
    }
    const [study] = (await siteStatus(sites[0].home)).studies;
    expect(study).toMatchObject({ paused: true, changes: [{ number: 1, kind: "paused", reason: "upgrade" }] });
    await coordinator.changeStudy({ kind: "study-resumed", reason: "done" });
  });
  expect(paused.final).toBe(calm.final);
  const told = paused.heard.filter((event) => event.kind === "study-changed");
  expect(told.map(({ change }) => change.number).sort()).toEqual([1, 1, 1, 2, 2, 2]);
  expect((await siteStatus(paused.sites[0].home)).studies[0]).toMatchObject({ paused: false, changes: [{}, {}] });
});

it("goes to no round beyond those that its reviewer approved", { timeout: 60_000 }, async () => {
  const { sites } = await run("cut", async ({ coordinator }) =>
    coordinator.changeStudy({ kind: "study-changed", reason: "short of time", rounds: 2 }),
  );
  const [study] = (await siteStatus(sites[0].home)).studies;
  expect(study).toMatchObject({ round: 2, end: { kind: "done" }, changes: [{ rounds: 2 }] });
  const order = { studyHash: study.studyHash, round: 4, globalSha256: "0".repeat(64), globalBytes: 8 };
  await expect(beginRound(sites[0].store, STUDY, order)).rejects.toMatchObject({ code: "study-not-approved" });
});
