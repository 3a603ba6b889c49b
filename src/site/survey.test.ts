/** Sites of the product asked for statistics: what leaves, what is logged, and what a death in between changes. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type DataStatistics, poolStatistics } from "../aggregation/index.ts";
import { type Coordinator, openCoordinator, verifyHome } from "../coordinator/index.ts";
import { SiteMessageSchema } from "../protocol/index.ts";
import type { Study } from "../study/index.ts";
import type { SiteEvent } from "./events.ts";
import { readSite, type Site } from "./home.ts";
import { startShift } from "./shift.ts";
import { dataOfStudy } from "./site-data.ts";
import { readSiteLogOf } from "./site-log.ts";
import { surveyData } from "./survey-data.ts";
import { Crash, fated } from "./testing/crash-points.ts";
import { joinSites, newCoordinatorHome, submit } from "./testing/federation-suite.ts";
import { linkOf, runTestSite, temporaryFolder, tinyStudy, UNTOLD } from "./testing/test-site.ts";
import { tinyTally, tinyWork } from "./testing/tiny-work.ts";
import { toldStatistics } from "./told-statistics.ts";

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

const SOON = { interval: 1, timeout: 20_000 };
const STATISTICS = { leastPatients: 4, intensities: { bins: 4 }, voxelSizes: {}, volumes: {}, labels: true };
const asking = tinyStudy({ rounds: { count: 1 }, statistics: STATISTICS });

interface Federation {
  readonly home: string;
  readonly coordinator: Coordinator;
  readonly sites: readonly Site[];
}

async function federation(name: string, study: Study = asking): Promise<Federation> {
  const folder = join(root, name);
  await mkdir(folder);
  const home = await newCoordinatorHome(folder);
  const coordinator = await openCoordinator({ home });
  const sites = await joinSites(folder, coordinator, "memory");
  await submit(coordinator, study);
  return { home, coordinator, sites };
}

async function runAll({ coordinator, sites }: Federation, onEvent?: (event: SiteEvent) => void): Promise<void> {
  await Promise.all(
    sites.map((site) => runTestSite({ site, link: linkOf(site, coordinator.service), ...(onEvent && { onEvent }) })),
  );
}

/** Lets these sites approve, and go home before they are asked for anything. */
async function approveAll({ coordinator }: Federation, sites: readonly Site[]): Promise<void> {
  await Promise.all(
    sites.map(async (site) => {
      const approved = new AbortController();
      const onEvent = (event: SiteEvent): void => {
        if (event.kind === "approval-sent") approved.abort();
      };
      await runTestSite({ site, link: linkOf(site, coordinator.service), signal: approved.signal, onEvent });
    }),
  );
}

function toldBy({ coordinator }: Federation): Record<string, DataStatistics> {
  const sites = coordinator.state().study?.statistics?.sites ?? {};
  return Object.fromEntries(Object.entries(sites).map(([siteId, { figures }]) => [siteId, figures]));
}

async function expected({ coordinator, sites }: Federation, study: Study): Promise<Record<string, DataStatistics>> {
  const told: Record<string, DataStatistics> = {};
  for (const { siteId, store } of sites) {
    const { cases } = await dataOfStudy(store, siteId, coordinator.state().study?.hash ?? "", study);
    const all = [...cases.trainingCases, ...cases.validationCases];
    if (study.statistics === undefined) throw new Error("a study with statistics");
    const tallies = all.map(({ id }) => tinyTally(study, id));
    told[siteId] = toldStatistics(study, study.statistics, tallies, all);
  }
  return told;
}

describe("sites that are asked for statistics", () => {
  it("tell those of all their cases before the first round, log it, and a site of too few patients tells nothing", async () => {
    const all = await federation("asked");
    const events: SiteEvent[] = [];
    await runAll(all, (event) => events.push(event));
    const told = toldBy(all);
    expect(told).toEqual(await expected(all, asking));
    expect(told).toMatchObject({ a: { cases: 6, patients: 6 }, b: { cases: null, patients: null }, c: { cases: 11 } });
    expect(all.coordinator.status().study?.statistics).toMatchObject({
      sites: 2,
      withheld: 1,
      cases: 17,
      leftOut: [],
      labels: [{ label: "necroticCore" }, { label: "oedema" }, { label: "enhancingTumour" }],
    });
    const pooled = poolStatistics(asking, Object.values(told));
    const histograms = all.coordinator.status().study?.statistics?.histograms ?? [];
    const cellsOf = (histogram: (typeof histograms)[number]) => histogram.told?.cells;
    const axes = { x: "left to right", y: "front to back", z: "foot to head" };
    expect(Object.fromEntries(histograms.map((each) => [`${each.of} ${each.name}`, cellsOf(each)]))).toEqual(
      Object.fromEntries([
        ...Object.entries(pooled.intensities ?? {}).map(([scan, sums]) => [`intensities ${scan}`, sums?.cells]),
        ...Object.entries(axes).map(([axis, words]) => [`voxelSizes ${words}`, pooled.voxelSizes?.[axis]?.cells]),
        ...Object.entries(pooled.volumes ?? {}).map(([region, sums]) => [`volumes ${region}`, sums?.cells]),
      ]),
    );
    expect(histograms).toHaveLength(4 + 3 + 3);
    for (const { siteId, store } of all.sites) {
      const log = await readSiteLogOf(store);
      const leaving = log.map(({ what }) => what);
      expect([siteId, leaving.filter((what) => what === "statistics")]).toEqual([siteId, ["statistics"]]);
      expect(leaving.indexOf("statistics")).toBeGreaterThan(leaving.indexOf("approval"));
      expect(leaving.indexOf("statistics")).toBeLessThan(leaving.indexOf("update"));
    }
    expect(events.filter(({ kind }) => kind === "statistics-sent")).toHaveLength(3);
    const journal = await all.coordinator.close().then(() => verifyHome(all.home));
    expect(journal.signatures).toBeGreaterThan(0);
    const again = await openCoordinator({ home: all.home });
    expect(again.state().study?.statistics?.sites.a.figures).toEqual(told.a);
    await again.close();
  });

  it("say in hundredths how far they are, a site whose number of cases is withheld too", async () => {
    const all = await federation("progress");
    const said: Record<string, string[]> = { a: [], b: [], c: [] };
    await Promise.all(
      all.sites.map((site) => {
        const openWork = tinyWork({
          onStep: async (where) => {
            const before = said[site.siteId].length;
            // Each case lasts until the next sign of life.
            if (where === "tally") await vi.waitUntil(() => said[site.siteId].length > before, SOON);
          },
        });
        const link = linkOf(site, all.coordinator.service);
        const exchange: typeof link.exchange = (request) => {
          const { kind } = fromBinary(SiteMessageSchema, request.body);
          if (kind.case === "poll" && kind.value.activity === "surveying") {
            said[site.siteId].push(`${kind.value.stepsDone} of ${kind.value.stepsTotal}`);
          }
          return link.exchange(request);
        };
        return runTestSite({ site, openWork, link: { ...link, exchange } });
      }),
    );
    for (const [siteId, progress] of Object.entries(said)) {
      const hundredths = progress.filter((words) => words !== "0 of 0");
      expect([siteId, hundredths.length > 0]).toEqual([siteId, true]);
      expect([siteId, hundredths.filter((words) => !words.endsWith(" of 100"))]).toEqual([siteId, []]);
    }
    await all.coordinator.close();
  });

  it("change no bit of the model by it", async () => {
    const [with_, without] = [
      await federation("with"),
      await federation("without", tinyStudy({ rounds: { count: 1 } })),
    ];
    await runAll(with_);
    await runAll(without);
    expect(without.coordinator.status().study?.statistics).toBeNull();
    expect(with_.coordinator.result()?.finalModel?.sha256).toBe(without.coordinator.result()?.finalModel?.sha256);
    await Promise.all([with_, without].map(({ coordinator }) => coordinator.close()));
  });

  it("tell none where the study that was approved declares none, whatever the coordinator orders", async () => {
    const plain = await federation("liar", tinyStudy({ rounds: { count: 1 } }));
    const [site] = plain.sites;
    const honest = linkOf(site, plain.coordinator.service);
    await approveAll(plain, [site]);
    const shift = await startShift({ site, link: honest, openWork: tinyWork(), productVersion: "test" });
    const value = { studyHash: plain.coordinator.state().study?.hash ?? "", attempt: 1, deadlineMs: 1n };
    const order = { kind: { case: "survey", value } } as never;
    await expect(surveyData(shift, order, value as never)).rejects.toMatchObject({ code: "study-not-approved" });
    expect((await readSiteLogOf(site.store)).map(({ what }) => what)).not.toContain("statistics");
    await shift.out.close();
    await plain.coordinator.close();
  });
});

describe("a death while statistics are told", () => {
  let undisturbed: Record<string, DataStatistics>;
  let steps: readonly string[];
  beforeAll(async () => {
    const all = await federation("undisturbed");
    const [a, ...others] = all.sites;
    await approveAll(all, others);
    const first = fated(a, linkOf(a, all.coordinator.service));
    const watched = runTestSite({ site: first.site, link: first.link, timing: UNTOLD });
    await Promise.all([watched, runAll({ ...all, sites: others })]);
    undisturbed = toldBy(all);
    steps = first.steps;
    await all.coordinator.close();
  });

  it.each([
    ["before", 0],
    ["after", 0],
    ["after", 1],
    ["after", 2],
  ] as const)("of the site %s the step that keeps them, and %i on, changes none of them", async (when, further) => {
    const all = await federation(`site-${when}-${further}`);
    const [a, ...others] = all.sites;
    const at = steps.indexOf("write statistics") + further;
    await approveAll(all, others);
    const first = fated(a, linkOf(a, all.coordinator.service), { at, when });
    const dying = runTestSite({ site: first.site, link: first.link, timing: UNTOLD });
    await expect(dying).rejects.toBeInstanceOf(Crash);
    const again = await readSite(a.home);
    let tallied = 0;
    const openWork = tinyWork({
      onStep: (where) => {
        if (where === "tally") tallied++;
      },
    });
    const last = runTestSite({ site: again, link: linkOf(again, all.coordinator.service), openWork });
    await Promise.all([last, runAll({ ...all, sites: await Promise.all(others.map(({ home }) => readSite(home))) })]);
    expect(toldBy(all)).toEqual(undisturbed);
    // What was kept is sent again and not made again.
    expect(tallied).toBe(when === "before" ? 6 : 0);
    await all.coordinator.close();
  });

  it("of the coordinator, with one site's figures in its journal, loses none of them", async () => {
    const all = await federation("coordinator");
    const [a, ...others] = all.sites;
    const stop = new AbortController();
    const running = runTestSite({
      site: a,
      link: linkOf(a, all.coordinator.service),
      signal: stop.signal,
      onEvent: (event) => {
        if (event.kind === "statistics-sent") stop.abort();
      },
    });
    await Promise.all([running, approveAll(all, others)]);
    expect(all.coordinator.state().phase).toMatchObject({ kind: "surveying" });
    await all.coordinator.close();
    const coordinator = await openCoordinator({ home: all.home });
    expect(coordinator.state().phase).toMatchObject({ kind: "surveying", told: { a: { figures: undisturbed.a } } });
    const sites = await Promise.all(all.sites.map(({ home }) => readSite(home)));
    await runAll({ ...all, coordinator, sites });
    expect(toldBy({ ...all, coordinator })).toEqual(undisturbed);
    await coordinator.close();
  });
});
