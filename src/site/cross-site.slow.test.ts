/** Deaths of a site at every step of a cross-site matrix: what it tells is what it would have told. */
import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readSite } from "./home.ts";
import { Crash, type CrashPlan, fated } from "./testing/crash-points.ts";
import { matricesOf, matrixFederation, runAll } from "./testing/matrix-suite.ts";
import { linkOf, runTestSite, temporaryFolder, tinyStudy } from "./testing/test-site.ts";

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe("a death while a matrix is made", () => {
  const study = tinyStudy({ rounds: { count: 1, crossSite: "last" } });
  let undisturbed: unknown;
  let steps: readonly string[];

  async function run(name: string, plan?: CrashPlan) {
    const all = await matrixFederation(root, name, study);
    const [a, ...others] = all.sites;
    const first = fated(a, linkOf(a, all.coordinator.service), plan);
    let crashed = false;
    await Promise.all([
      runAll({ ...all, sites: others }),
      runTestSite({ site: first.site, link: first.link }).catch(async (error: unknown) => {
        if (!(error instanceof Crash)) throw error;
        crashed = true;
        const again = await readSite(a.home);
        return runTestSite({ site: again, link: linkOf(again, all.coordinator.service) });
      }),
    ]);
    const told = matricesOf(all).map(({ closedMs, ...matrix }) => matrix);
    await all.coordinator.close();
    return { told, crashed, steps: first.steps };
  }

  beforeAll(async () => {
    const calm = await run("undisturbed");
    undisturbed = calm.told;
    steps = calm.steps;
  });

  it.each([
    ["before", "write cross-evaluation", 0],
    ["after", "write cross-evaluation", 0],
    ["before", "write cross-evaluation", 3],
    ["after", "write cross-evaluation", 3],
    ["before", "fetch", 2],
    ["after", "fetch", 2],
    ["after", "fetch", 3],
    ["before", "retain", 1],
    ["after", "retain", 2],
  ] as const)("%s %s (number %i) leaves the same matrix", async (when, step, nth) => {
    expect(steps.filter((each) => each === step).length).toBeGreaterThan(nth);
    const { told, crashed } = await run(`${when}-${step.replace(" ", "-")}-${nth}`, { when, step, nth });
    expect(crashed).toBe(true);
    expect(told).toEqual(undisturbed);
  });
});
