/** Masked rounds by the product's own sites and coordinator, in memory, with deaths and dropouts, for tests. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { type Coordinator, openCoordinator } from "../../coordinator/index.ts";
import type { SiteEvent } from "../events.ts";
import { readSite, type Site } from "../home.ts";
import type { RunOutcome } from "../run-site.ts";
import { Crash, type CrashPlan, fated } from "./crash-points.ts";
import { joinSites, newCoordinatorHome, submit } from "./federation-suite.ts";
import { type HandClock, handClock } from "./hand-clock.ts";
import { linkOf, runTestSite, tinyStudy } from "./test-site.ts";

const AGGREGATION = { algorithm: "fedavg", weightBy: "cases", precisionBits: 24 };
export const MASKED = { secureAggregation: { threshold: 2 } };

let runs = 0;

export interface Begun {
  readonly sites: readonly Site[];
  readonly home: string;
  coordinator: Coordinator;
  /** The coordinator's. */
  readonly clock: HandClock;
  readonly studyHash: string;
}

/** Sites, joined, and a study submitted to them: three of 6, 3 and 11 cases unless told. */
export async function begin(
  root: string,
  privacy: object,
  rounds: object = { count: 2 },
  more: object = {},
  casesOf?: Readonly<Record<string, number>>,
): Promise<Begun> {
  const folder = join(root, `run-${runs++}`);
  await mkdir(folder);
  const home = await newCoordinatorHome(folder);
  const clock = handClock();
  const coordinator = await openCoordinator({ home, clock });
  const sites = await joinSites(folder, coordinator, "memory", casesOf);
  const studyHash = await submit(coordinator, tinyStudy({ rounds, aggregation: AGGREGATION, privacy, ...more }));
  return { sites, home, coordinator, clock, studyHash };
}

/** Everybody runs to the end; says which model came out, or why none. */
export async function finalOf(begun: Begun, run: (site: Site) => Promise<RunOutcome> = runOf(begun)): Promise<string> {
  const outcomes = await Promise.all(begun.sites.map(run));
  const finals = new Set(
    outcomes.flatMap((outcome) => {
      if (outcome.kind === "stopped") return [];
      return outcome.kind === "done" ? outcome.finalSha256 : outcome.reason;
    }),
  );
  expect(finals.size).toBe(1);
  await begun.coordinator.close();
  return [...finals][0];
}

function runOf({ coordinator }: Begun): (site: Site) => Promise<RunOutcome> {
  return (site) => runTestSite({ site, link: linkOf(site, coordinator.service) });
}

/** A masked run in which site b dies by the plan, and starts again from its home. */
export async function dyingRun(root: string, plan?: CrashPlan) {
  const begun = await begin(root, MASKED);
  let crashed = false;
  let steps: readonly string[] = [];
  const final = await finalOf(begun, async (site) => {
    const link = linkOf(site, begun.coordinator.service);
    if (site.siteId !== "b") return runTestSite({ site, link });
    const dying = fated(site, link, plan);
    steps = dying.steps;
    try {
      return await runTestSite({ site: dying.site, link: dying.link });
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      crashed = true;
      const again = await readSite(site.home);
      return runTestSite({ site: again, link: linkOf(again, begun.coordinator.service) });
    }
  });
  return { final, crashed, steps };
}

/** The sites named go for good when they are to train: in a masked round, after they shared their secrets. */
export function stoppingRun(begun: Begun, leaving: readonly string[]) {
  const run = runWithLeavers(begun);
  return (site: Site): Promise<RunOutcome> => {
    const stop = new AbortController();
    return run(site, stop.signal, (event) => {
      if (event.kind === "training" && leaving.includes(site.siteId)) stop.abort();
    });
  };
}

/**
 * Runs sites that may stop for good. As soon as sites that are gone are all that the coordinator waits for, its clock
 * reaches the deadline: no test waits for one, and none comes before a site that is slow.
 */
export function runWithLeavers({ coordinator, clock, sites }: Begun) {
  const gone = new Set<string>();
  const look = async (): Promise<void> => {
    const { came = [], deadlineMs } = coordinator.status().study ?? {};
    const missing = sites.filter(({ siteId }) => !came.includes(siteId));
    if (typeof deadlineMs !== "number" || !missing.every(({ siteId }) => gone.has(siteId))) return;
    clock.reach(deadlineMs);
    await coordinator.tick();
  };
  coordinator.onNews(() => {
    if ("deadlineMs" in coordinator.state().phase) setImmediate(() => void look());
  });
  return async (site: Site, signal: AbortSignal, onEvent?: (event: SiteEvent) => void): Promise<RunOutcome> => {
    const link = linkOf(site, coordinator.service);
    const outcome = await runTestSite({ site, link, signal, ...(onEvent && { onEvent }) });
    if (outcome.kind === "stopped") {
      gone.add(site.siteId);
      await look();
    }
    return outcome;
  };
}
