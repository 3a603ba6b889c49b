/** Sites of the product that score their own models, and one that only evaluates. */

import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { moveByUpdate } from "../aggregation/index.ts";
import { openCoordinator, roundsOf } from "../coordinator/index.ts";
import { parametersFromSafetensors } from "../graph/index.ts";
import type { SiteEvent } from "./events.ts";
import { readSite } from "./home.ts";
import { Crash, fated } from "./testing/crash-points.ts";
import { joinSites, newCoordinatorHome, startingParameters, submit } from "./testing/federation-suite.ts";
import { linkOf, runTestSite, temporaryFolder, tinyStudy } from "./testing/test-site.ts";
import { tinyWork } from "./testing/tiny-work.ts";

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function federation(name: string, study: ReturnType<typeof tinyStudy>) {
  const folder = join(root, name);
  await mkdir(folder);
  const coordinator = await openCoordinator({ home: await newCoordinatorHome(folder) });
  const sites = await joinSites(folder, coordinator, "memory");
  await submit(coordinator, study);
  return { coordinator, sites };
}

it("tell the model before training and their own after it, which is the one that leaves, and no bit of the model changes", async () => {
  const more = { retain: "all" } as const;
  const { coordinator, sites } = await federation(
    "asked",
    tinyStudy({ rounds: { count: 2, evaluateLocal: true }, ...more }),
  );
  const own: SiteEvent[] = [];
  const onEvent = (event: SiteEvent): void => {
    if (event.kind === "evaluated-own") own.push(event);
  };
  await Promise.all(sites.map((site) => runTestSite({ site, link: linkOf(site, coordinator.service), onEvent })));
  const rounds = coordinator.status().study?.rounds ?? [];
  // Of three cases none is for validation: b tells nothing.
  expect(own).toHaveLength(4);
  for (const [r, { sites: told }] of rounds.entries()) {
    expect(told.find(({ id }) => id === "b")?.local).toBeNull();
    for (const { id, local, dice } of told.filter((site) => site.id !== "b")) {
      // What was told of the model after round 1 is what is told of it as the one that round 2 starts from.
      if (r > 0) expect(local?.before).toEqual(rounds[r - 1].sites.find((site) => site.id === id)?.dice);
      expect(local?.after?.mean).not.toBe(local?.before?.mean);
      expect(dice?.mean).not.toBe(local?.after?.mean);
    }
  }
  // The own model by hand: the starting weights moved by the update that lies at the coordinator.
  const update = roundsOf(coordinator.state().study)[0].updates.a;
  const bytes = await readFile(coordinator.objectPath(update?.sha256 ?? ""));
  const { data } = moveByUpdate(startingParameters(), bytes, 28);
  const { store } = sites[0];
  const cases = (await store.read(`study/${coordinator.state().study?.hash}/data`)) as { validation: { id: string }[] };
  const scored = await (
    await tinyWork()({
      study: tinyStudy(),
      data: { siteId: "a", convention: "brats2021", trainingCases: [], validationCases: cases.validation as never },
    })
  ).evaluate({ parameters: data, overlap: 0 });
  const mean = scored.reduce((sum, { regions }) => sum + (regions.WT.dice ?? 0), 0) / scored.length;
  expect(rounds[0].sites.find(({ id }) => id === "a")?.local?.after?.mean).toBeCloseTo(mean, 12);

  const plain = await federation("not-asked", tinyStudy({ rounds: { count: 2 }, ...more }));
  await Promise.all(plain.sites.map((site) => runTestSite({ site, link: linkOf(site, plain.coordinator.service) })));
  const [asked, unasked] = [coordinator.result(), plain.coordinator.result()];
  const weights = async (path: string | undefined): Promise<Float32Array> =>
    parametersFromSafetensors(await readFile(path ?? ""), "final").data;
  expect(await weights(asked?.finalModel?.path)).toEqual(await weights(unasked?.finalModel?.path));
  await coordinator.close();
  await plain.coordinator.close();
});

it("train nothing again where a site died between its training and its scores", async () => {
  const study = tinyStudy({ rounds: { count: 1, evaluateLocal: true } });
  const { coordinator, sites } = await federation("killed", study);
  let steps = 0;
  const openWork = tinyWork({
    onStep: (where) => {
      if (where === "train") steps++;
    },
  });
  await Promise.all(
    sites.map(async (site) => {
      const link = linkOf(site, coordinator.service);
      if (site.siteId !== "a") return runTestSite({ site, link });
      let died = false;
      const evaluating = tinyWork({
        onStep: (where) => {
          if (where === "train") steps++;
          if (where === "evaluate" && !died) {
            died = true;
            throw new Crash();
          }
        },
      });
      const first = fated(site, link, undefined);
      await runTestSite({ site: first.site, link: first.link, openWork: evaluating }).catch(() => undefined);
      expect(died).toBe(true);
      const again = await readSite(site.home);
      return runTestSite({ site: again, link: linkOf(again, coordinator.service), openWork });
    }),
  );
  expect(steps).toBe(3);
  const [round] = coordinator.status().study?.rounds ?? [];
  expect(round.sites.find(({ id }) => id === "a")?.local?.after).not.toBeNull();
  await coordinator.close();
});

it("cost no update where they cannot be made: it is trained once, leaves without them, and the operator is told", async () => {
  const { coordinator, sites } = await federation("broken", tinyStudy({ rounds: { count: 1, evaluateLocal: true } }));
  const told: SiteEvent[] = [];
  let steps = 0;
  await Promise.all(
    sites.map((site) => {
      let failed = site.siteId !== "a";
      const openWork = tinyWork({
        onStep: (where) => {
          if (site.siteId === "a" && where === "train") steps++;
          if (where !== "evaluate" || failed) return;
          failed = true;
          throw new Error("a case that cannot be read");
        },
      });
      const onEvent = (event: SiteEvent): void => {
        if (site.siteId === "a") told.push(event);
      };
      return runTestSite({ site, link: linkOf(site, coordinator.service), openWork, onEvent });
    }),
  );
  expect(steps).toBe(3);
  expect(told.filter(({ kind }) => kind === "failure")).toEqual([]);
  expect(told.filter(({ kind }) => kind === "own-not-evaluated")).toMatchObject([
    { round: 1, error: { actual: "a case that cannot be read" } },
  ]);
  const [round] = coordinator.status().study?.rounds ?? [];
  expect(round.leftOut).toEqual([]);
  const a = round.sites.find(({ id }) => id === "a");
  expect(a?.local).toBeNull();
  expect(a?.dice).not.toBeNull();
  await coordinator.close();
});

it("one that only evaluates scores every case it has, and holds up nobody", async () => {
  const study = tinyStudy({ rounds: { count: 2 }, evaluateOnly: ["b"] });
  const { coordinator, sites } = await federation("out-of-sample", study);
  const worked: string[] = [];
  await Promise.all(
    sites.map((site) => {
      const openWork = tinyWork({
        onStep: (where) => {
          worked.push(`${site.siteId} ${where}`);
        },
      });
      return runTestSite({ site, link: linkOf(site, coordinator.service), openWork });
    }),
  );
  expect(worked).toContain("a train");
  expect(worked).not.toContain("b train");
  const rounds = coordinator.status().study?.rounds ?? [];
  expect(rounds).toHaveLength(2);
  for (const { outOfSample, leftOut, sites: trained } of rounds) {
    expect(outOfSample).toMatchObject({ sites: { b: { cases: 3 } }, dice: { cases: 3 } });
    expect(leftOut).toEqual([]);
    expect(trained.map(({ id }) => id)).toEqual(["a", "c"]);
  }
  await coordinator.close();
});
