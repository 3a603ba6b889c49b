/** A site of the product that leaves a study in mid-training, is left out of its rounds, and comes back. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openCoordinator } from "../coordinator/index.ts";
import type { SiteEvent } from "./events.ts";
import { approveStudy } from "./review-studies.ts";
import { joinSites, newCoordinatorHome, submit } from "./testing/federation-suite.ts";
import { gate } from "./testing/gate.ts";
import { linkOf, runTestSite, temporaryFolder, tinyStudy } from "./testing/test-site.ts";
import { tinyWork } from "./testing/tiny-work.ts";

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

it("stops its work, is named in the rounds without it, and takes part again once approved", {
  timeout: 60_000,
}, async () => {
  const folder = join(root, "leaving");
  await mkdir(folder);
  const coordinator = await openCoordinator({ home: await newCoordinatorHome(folder) });
  const sites = await joinSites(folder, coordinator, "memory");
  const study = await submit(coordinator, tinyStudy({ rounds: { count: 4, quorum: 2 } }));
  const [a] = sites;
  const heard: SiteEvent[] = [];
  const reached = (round: number): Promise<void> =>
    new Promise((resolve) => {
      const stop = coordinator.onNews((news) => {
        if (news.kind !== "event" || !("round" in news.state.phase) || news.state.phase.round < round) return;
        stop();
        resolve();
      });
    });
  const [isBack, comeBack] = gate();
  let decided = false;
  const running = sites.map((site) => {
    const isLeaver = site === a;
    const openWork = tinyWork({
      onStep: async (where, round) => {
        if (where !== "train") return;
        // The others are in round 3 until the site has its part in the next.
        if (!isLeaver && round === 3) await isBack;
        if (!isLeaver || round !== 2 || decided) return;
        decided = true;
        const decision = {
          home: a.home,
          productVersion: "test",
          study,
          decision: "refuse",
          reason: "out of use",
        } as const;
        expect((await approveStudy(decision)).decision.approved).toBe(false);
        // The work goes on until the next sign of life finds that the site has left.
        await new Promise(() => undefined);
      },
    });
    return runTestSite({
      site,
      link: linkOf(site, coordinator.service),
      openWork,
      onEvent: (event) => {
        if (!isLeaver) return;
        heard.push(event);
        if (event.kind === "approval-sent" && event.approved && decided) comeBack();
      },
    });
  });
  await reached(3);
  await approveStudy({ home: a.home, productVersion: "test", study, decision: "approve" });
  await Promise.all(running);
  const rounds = coordinator.status().study?.rounds ?? [];
  expect(rounds[1].leftOut).toEqual([
    { siteId: "a", reason: "left the study in round 2: out of use", shareLost: expect.closeTo(5 / 17, 9) },
  ]);
  expect(rounds[1].sites.map(({ id }) => id)).toEqual(["b", "c"]);
  expect(rounds.at(-1)?.sites.map(({ id }) => id)).toEqual(["a", "b", "c"]);
  expect(heard.some(({ kind }) => kind === "withdrawn")).toBe(true);
  expect(heard.filter((event) => event.kind === "approval-sent").map(({ approved }) => approved)).toEqual([
    true,
    false,
    true,
  ]);
  await coordinator.close();
});
