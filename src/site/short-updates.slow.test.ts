/** A federation of the product whose updates travel rounded, with what rounding took kept at each site. */
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openCoordinator, replayAggregates } from "../coordinator/index.ts";
import { parametersFromSafetensors } from "../graph/index.ts";
import { readSite } from "./home.ts";
import { readRound } from "./study-progress.ts";
import { Crash, fated } from "./testing/crash-points.ts";
import { joinSites, newCoordinatorHome, submit } from "./testing/federation-suite.ts";
import { linkOf, runTestSite, temporaryFolder, tinyStudy } from "./testing/test-site.ts";

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

type Encoding = "int32" | "float16" | "int8";

/** The final weights, the bytes of each update, and what is left at site a; site a may die where its update is written. */
async function run(name: string, encoding: Encoding, deadly = false) {
  const folder = join(root, name);
  await mkdir(folder);
  const home = await newCoordinatorHome(folder);
  const coordinator = await openCoordinator({ home });
  const sites = await joinSites(folder, coordinator, "memory");
  const aggregation = { algorithm: "fedavg", weightBy: "cases", precisionBits: 28, encoding };
  const hash = await submit(coordinator, tinyStudy({ rounds: { count: 3 }, aggregation, retain: "all" }));
  let died = false;
  const left: (string | undefined)[] = [];
  await Promise.all(
    sites.map(async (site) => {
      const link = linkOf(site, coordinator.service);
      if (site.siteId !== "a") return runTestSite({ site, link });
      const first = fated(site, link, deadly ? { when: "before", step: "write round", nth: 3 } : undefined);
      try {
        const onEvent = async (): Promise<void> => {
          left.push((await readRound(site.store, hash))?.residualBefore);
        };
        return await runTestSite({ site: first.site, link: first.link, onEvent });
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
        died = true;
        const again = await readSite(site.home);
        return runTestSite({ site: again, link: linkOf(again, coordinator.service) });
      }
    }),
  );
  const { finalModel } = await coordinator.waitForStudyEnd();
  const weights = parametersFromSafetensors(await readFile(finalModel?.path ?? ""), "final").data;
  const bytes = coordinator.status().study?.rounds[0].sites.map(({ updateBytes }) => updateBytes);
  await coordinator.close();
  return { weights, bytes, died, residuals: new Set(left.filter((each) => each !== undefined)).size, home };
}

it("gives nearly the same model from shorter updates, the same bits after a kill, and the same sums on replay", {
  timeout: 300_000,
}, async () => {
  const whole = await run("int32", "int32");
  expect(whole.bytes).toEqual([5000, 5000, 5000]);
  expect(whole.residuals).toBe(0);
  for (const [encoding, length, most] of [
    ["float16", 2500, 1e-3],
    ["int8", 1250 + 8, 2e-2],
  ] as const) {
    const short = await run(encoding, encoding);
    expect(short.bytes).toEqual([length, length, length]);
    const apart = Math.max(...short.weights.map((value, i) => Math.abs(value - whole.weights[i])));
    expect(apart).toBeGreaterThan(0);
    expect(apart).toBeLessThan(most);
    expect(short.residuals).toBe(2);
    const killed = await run(`${encoding}-killed`, encoding, true);
    expect(killed.died).toBe(true);
    expect(killed.weights).toEqual(short.weights);
    const { rounds } = await replayAggregates(short.home);
    expect(rounds.map(({ outcome }) => outcome)).toEqual(["equal", "equal", "equal"]);
  }
});
