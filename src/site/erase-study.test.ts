/** What is left at a site when a study has ended, whatever dies in between. */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openCoordinator } from "../coordinator/index.ts";
import { caseCacheFolder, eraseCaseCache } from "./erase-study.ts";
import type { SiteEvent } from "./events.ts";
import { readSite, type Site } from "./home.ts";
import { readMaskingDocument } from "./masking-document.ts";
import { departuresIn, readSiteLogOf } from "./site-log.ts";
import { Crash, type CrashPlan, fated } from "./testing/crash-points.ts";
import { joinSites, newCoordinatorHome, submit } from "./testing/federation-suite.ts";
import { linkOf, runTestSite, temporaryFolder, tinyStudy } from "./testing/test-site.ts";

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** A federation to its end or its stop; site a keeps prepared cases, and dies by the plan. */
async function run(name: string, plan?: CrashPlan, stop = false, study: object = {}) {
  const folder = join(root, name);
  await mkdir(folder);
  const coordinator = await openCoordinator({ home: await newCoordinatorHome(folder) });
  const sites = await joinSites(folder, coordinator, "memory");
  const hash = await submit(coordinator, tinyStudy({ rounds: { count: 1 }, ...study }));
  const [a] = sites;
  const prepared = join(caseCacheFolder(a.home), "deep", "prepared.case");
  await mkdir(join(caseCacheFolder(a.home), "deep"), { recursive: true });
  await writeFile(prepared, Buffer.alloc(1000));
  const events: SiteEvent[] = [];
  let secretsBefore = "";
  const eraseCaches = () => eraseCaseCache(a.home);
  const runA = (site: Site, link = linkOf(site, coordinator.service)) =>
    runTestSite({
      site,
      link,
      eraseCaches,
      onEvent: async (event) => {
        events.push(event);
        if (!["update-sent", "done", "failed"].includes(event.kind)) return;
        secretsBefore = JSON.stringify(await site.store.read(`study/${hash}/masking`)) ?? "";
      },
    });
  await Promise.all(
    sites.map(async (site) => {
      const onEvent = async (event: SiteEvent): Promise<void> => {
        if (stop && event.kind === "update-sent" && site.siteId === "b") await coordinator.stopStudy("enough");
      };
      if (site !== a) return runTestSite({ site, link: linkOf(site, coordinator.service), onEvent });
      const first = fated(site, linkOf(site, coordinator.service), plan);
      return runA(first.site, first.link).catch(async (error: unknown) => {
        if (!(error instanceof Crash)) throw error;
        return runA(await readSite(site.home));
      });
    }),
  );
  await coordinator.close();
  const again = await readSite(a.home);
  const log = await readSiteLogOf(again.store);
  return {
    hash,
    store: again.store,
    secretsBefore,
    objects: await readdir(join(a.home, "objects")),
    cached: await readdir(caseCacheFolder(a.home)).catch(() => []),
    erasures: log.filter(({ what }) => what === "erasure"),
    told: events.filter(({ kind }) => kind === "erased"),
    counted: departuresIn(log) === departuresIn(log.filter(({ what }) => what !== "erasure")),
  };
}

it("is its models; updates, moments and prepared cases are gone, and the log says so in its chain", async () => {
  const { objects, cached, erasures, told, hash, counted } = await run("whole");
  expect(objects).toHaveLength(1);
  expect(cached).toEqual([]);
  expect(erasures).toMatchObject([{ studyHash: hash, bytes: 0 }]);
  expect(erasures[0].count).toBeGreaterThanOrEqual(2);
  expect(told).toMatchObject([{ studyHash: hash, files: erasures[0].count }]);
  expect((told[0] as { bytes: number }).bytes).toBeGreaterThan(1000);
  expect(counted).toBe(true);
});

it.each(["before", "after"] as const)("is the same where the site dies %s the end is written down", async (when) => {
  const { objects, cached, erasures } = await run(`killed-${when}`, { when, step: "write end", nth: 0 });
  expect(objects).toHaveLength(1);
  expect(cached).toEqual([]);
  expect(erasures).toHaveLength(1);
});

it.each(["before", "after"] as const)("is told once where the site dies %s it knows that it has told", async (when) => {
  const { erasures, hash, store } = await run(`told-${when}`, { when, step: "write erased", nth: 0 });
  expect(erasures).toHaveLength(1);
  expect(erasures[0].count).toBeGreaterThanOrEqual(2);
  expect(await store.read(`study/${hash}/erased`)).toBeDefined();
});

it.each([
  ["to its end", undefined, false],
  ["and the site died as it ended", { when: "after", step: "write end", nth: 0 }, false],
  ["until it was stopped, the list of survivors unsigned", undefined, true],
] as const)("is no secret of a masked round that ran %s, and none is masked again", async (name, plan, stop) => {
  const study = { aggregation: { precisionBits: 24 }, privacy: { secureAggregation: { threshold: 2 } } };
  const { erasures, hash, store, secretsBefore } = await run(`masked ${name}`, plan, stop, study);
  expect(secretsBefore).toContain('"answers":{"keys":');
  expect(await store.read(`study/${hash}/masking`)).toEqual({ round: 1, erased: true });
  await expect(readMaskingDocument(store, hash)).rejects.toThrow(/masking-round-revealed/);
  expect(erasures).toHaveLength(1);
});

it("is nothing of a study that was stopped", async () => {
  const { objects, cached, erasures } = await run("stopped", undefined, true);
  expect(objects).toEqual([]);
  expect(cached).toEqual([]);
  expect(erasures).toHaveLength(1);
});
