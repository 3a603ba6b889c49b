/** The undisturbed run of one small federation, and the same with a death at one step and a second start. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { readSite } from "../home.ts";
import { readSiteLogOf } from "../site-log.ts";
import { Crash, type CrashPlan, fated } from "./crash-points.ts";
import { scriptedCoordinator } from "./scripted-coordinator.ts";
import { joinTestSite, linkOf, madeUpCases, runTestSite, tinyStudy, UNTOLD } from "./test-site.ts";

export interface RunRecord {
  readonly finalSha256: string;
  /** Digest of the accepted update, by round and site. */
  readonly updates: ReadonlyMap<string, string>;
  readonly steps: readonly string[];
  readonly crashed: boolean;
}

/**
 * Runs a site of six cases through two rounds; where the plan kills it, it is started once more and lives.
 * @param meddle what somebody does to the home between death and second start
 */
export async function crashedRun(
  root: string,
  plan?: CrashPlan,
  meddle?: (home: string, studyHash: string) => Promise<void>,
): Promise<RunRecord> {
  const folder = join(
    root,
    `${plan === undefined ? "undisturbed" : Object.values(plan).join("-")}${meddle ? "-meddled" : ""}`,
  );
  await mkdir(folder);
  const coordinator = await scriptedCoordinator(tinyStudy({ rounds: { count: 2 } }), ["a"]);
  const { service } = coordinator;
  const invitation = coordinator.invitation("a");
  const home = await joinTestSite({ root: folder, siteId: "a", invitation, service, cases: madeUpCases("a", 6) });
  const site = await readSite(home);
  const first = fated(site, linkOf(site, service), plan);
  const crashed = await runTestSite({ site: first.site, link: first.link, timing: UNTOLD }).then(
    () => false,
    (error: unknown) => {
      if (error instanceof Crash) return true;
      throw error;
    },
  );
  await meddle?.(home, coordinator.studyHash);
  const again = await readSite(home);
  if (crashed) await runTestSite({ site: again, link: linkOf(again, service) });
  await readSiteLogOf(again.store);
  return { finalSha256: coordinator.finalSha256(), updates: coordinator.updates, steps: first.steps, crashed };
}
