/** Sites and coordinator of the product together, with a small engine: in memory and over TLS, the same bits. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openCoordinator } from "../coordinator/index.ts";
import { parametersFromSafetensors } from "../graph/index.ts";
import type { SiteEvent } from "./events.ts";
import { readSite, type Site } from "./home.ts";
import { dialCoordinator } from "./review-studies.ts";
import type { RunOutcome } from "./run-site.ts";
import { readSiteLogOf } from "./site-log.ts";
import { joinSites, newCoordinatorHome, SITE_CASES, serveCoordinator, submit } from "./testing/federation-suite.ts";
import { linkOf, QUICK, runTestSite, temporaryFolder, tinyStudy } from "./testing/test-site.ts";
import { tinyWork } from "./testing/tiny-work.ts";

const STUDY = tinyStudy({
  rounds: { count: 3 },
  aggregation: { algorithm: "fedavg", weightBy: "cases", precisionBits: 24 },
});

let root: string;
let inMemory: string;
beforeAll(async () => {
  root = await temporaryFolder();
  inMemory = await runInMemory();
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function runInMemory(): Promise<string> {
  const folder = join(root, "memory");
  await mkdir(folder);
  const coordinator = await openCoordinator({ home: await newCoordinatorHome(folder) });
  const sites = await joinSites(folder, coordinator, "memory");
  await submit(coordinator, STUDY);
  const outcomes = await Promise.all(
    sites.map((site) => runTestSite({ site, link: linkOf(site, coordinator.service) })),
  );
  const final = finalOf(outcomes);
  const { finalModel } = await coordinator.waitForStudyEnd();
  expect(finalModel?.sha256).toBe(final);
  for (const site of sites) {
    const model = parametersFromSafetensors(await site.store.object(final), "final model");
    expect(model.layout.length).toBe(1250);
  }
  const rounds = coordinator.status().study?.rounds ?? [];
  expect(rounds).toHaveLength(3);
  await coordinator.close();
  return final;
}

function finalOf(outcomes: readonly RunOutcome[]): string {
  const finals = outcomes.map((outcome) => (outcome.kind === "done" ? outcome.finalSha256 : outcome.kind));
  expect(new Set(finals).size).toBe(1);
  return finals[0];
}

async function runOverTls(site: Site, signal?: AbortSignal, onEvent?: (event: SiteEvent) => void): Promise<RunOutcome> {
  const link = dialCoordinator(site);
  const openWork = tinyWork({ onStep: () => new Promise((resolve) => setTimeout(resolve, 5)) });
  try {
    return await runTestSite({
      site,
      link,
      openWork,
      timing: QUICK,
      ...(signal && { signal }),
      ...(onEvent && { onEvent }),
    });
  } finally {
    await link.close();
  }
}

describe("a federation", () => {
  it("in memory gives the same model twice", async () => {
    expect(inMemory).toMatch(/^[0-9a-f]{64}$/);
    await rm(join(root, "memory"), { recursive: true });
    expect(await runInMemory()).toBe(inMemory);
  });

  it("over TLS gives the model that it gives in memory, though coordinator and a site stop and start again", async () => {
    const folder = join(root, "tls");
    await mkdir(folder);
    const home = await newCoordinatorHome(folder);
    let served = await serveCoordinator(home);
    const sites = await joinSites(folder, served.coordinator, "tls");
    await submit(served.coordinator, STUDY);
    const stop = new AbortController();
    let restarted: Promise<void> | undefined;
    const unreachable: SiteEvent[] = [];
    const restart = async (): Promise<void> => {
      await served.close();
      while (unreachable.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      served = await serveCoordinator(home);
    };
    const noted = (event: SiteEvent): void => {
      if (event.kind === "unreachable") unreachable.push(event);
    };
    const [a, b, c] = await Promise.all([
      runOverTls(sites[0], undefined, (event) => {
        noted(event);
        if (event.kind === "progress" && event.round === 2) restarted ??= restart();
      }),
      runOverTls(sites[1], undefined, noted),
      runOverTls(sites[2], stop.signal, (event) => {
        if (event.kind === "progress" && event.round === 2 && event.done === 2) stop.abort();
      }).then(async (outcome) => {
        expect(outcome).toEqual({ kind: "stopped" });
        return runOverTls(await readSite(sites[2].home));
      }),
    ]);
    await restarted;
    expect(unreachable.length).toBeGreaterThan(0);
    expect(finalOf([a, b, c])).toBe(inMemory);
    for (const site of sites) {
      const entries = await readSiteLogOf(site.store);
      expect(entries.filter(({ what }) => what === "update announcement").length).toBeGreaterThanOrEqual(3);
      expect(JSON.stringify(entries)).not.toContain("case-");
    }
    const status = served.coordinator.status();
    expect(Object.keys(SITE_CASES)).toEqual(status.sites.map(({ id }) => id));
    await served.close();
  });
});
