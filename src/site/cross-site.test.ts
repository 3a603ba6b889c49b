/** Sites of the product that measure each other's models: every cell by hand. */

import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { moveByUpdate } from "../aggregation/index.ts";
import { openCoordinator, roundsOf, verifyHome } from "../coordinator/index.ts";
import { parametersFromSafetensors } from "../graph/index.ts";
import { crossEvaluate } from "./cross-evaluate.ts";
import type { Site } from "./home.ts";
import { startShift } from "./shift.ts";
import { dataOfStudy } from "./site-data.ts";
import { readSiteLogOf } from "./site-log.ts";
import { startingParameters } from "./testing/federation-suite.ts";
import { type MatrixFederation, matricesOf, matrixFederation, runAll } from "./testing/matrix-suite.ts";
import { linkOf, runTestSite, temporaryFolder, tinyStudy } from "./testing/test-site.ts";
import { tinyWork } from "./testing/tiny-work.ts";

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

const asking = tinyStudy({
  rounds: { count: 2, crossSite: [1, 2], evaluateLocal: true, evaluateEvery: 2 },
  aggregation: { encoding: "float16" },
  evaluateOnly: ["d"],
  retain: "all",
});

/** Mean Dice of a model on a site's validation cases, from the objects at the coordinator. */
async function byHand(
  { coordinator }: MatrixFederation,
  site: Site,
  round: number,
  of: string,
): Promise<number | null> {
  const { study } = coordinator.state();
  const { hash = "" } = study ?? {};
  const { global, updates } = roundsOf(study)[round - 1];
  const start =
    round === 1
      ? startingParameters()
      : parametersFromSafetensors(await readFile(coordinator.objectPath(global.sha256)), "global");
  const update = await readFile(coordinator.objectPath(updates[of].sha256));
  const { data: parameters } = moveByUpdate(start, update, 28, "float16");
  const { cases } = await dataOfStudy(site.store, site.siteId, hash, asking);
  const work = await tinyWork()({ study: asking, data: cases });
  const scored = await work.evaluate({ parameters, overlap: 0 });
  if (scored.length === 0) return null;
  return scored.reduce((sum, { regions }) => sum + (regions.WT.dice ?? 0), 0) / scored.length;
}

describe("sites that measure each other's models", () => {
  it("tell of each what it scores on their own cases, log it, and keep nothing of it", async () => {
    const all = await matrixFederation(root, "asked", asking);
    const heard: string[] = [];
    await runAll(all, (siteId, event) => {
      if (event.kind === "evaluated-other") heard.push(`${event.round} ${siteId} ${event.ofSite}`);
    });
    const matrices = matricesOf(all);
    expect(matrices.map(({ round, missing }) => [round, missing])).toEqual([
      [1, []],
      [2, []],
    ]);
    expect(heard).toHaveLength(2 * 3 * 4);
    const rounds = all.coordinator.status().study?.rounds ?? [];
    for (const { round, sites, rows } of matrices) {
      expect([sites, rows.map(({ of }) => of)]).toEqual([
        ["a", "b", "c", "d"],
        [null, "a", "b", "c"],
      ]);
      for (const [s, site] of all.sites.entries()) {
        for (const { of, cells } of rows) {
          const mean = cells[s]?.mean ?? null;
          if (site.siteId === "b") expect(mean).toBeNull();
          else if (of !== null) expect(mean).toBeCloseTo((await byHand(all, site, round, of)) ?? Number.NaN, 12);
        }
        // The global model's row is the round's evaluation; a site's own model, its scores after training.
        const told = rounds[round - 1].sites.find(({ id }) => id === site.siteId);
        if (site.siteId === "d" || site.siteId === "b") continue;
        expect(rows[0].cells[s]?.mean).toBe(told?.dice?.mean);
        expect(rows.find(({ of }) => of === site.siteId)?.cells[s]?.mean).toBe(told?.local?.after?.mean);
      }
    }
    const others = Object.values(roundsOf(all.coordinator.state().study)[1].updates ?? {}).map(({ sha256 }) => sha256);
    for (const site of all.sites) {
      const log = await readSiteLogOf(site.store);
      expect(log.filter(({ what }) => what === "cross-site figures")).toHaveLength(2 * 3);
      const kept = await readdir(join(site.home, "objects"));
      expect(others.filter((digest) => kept.some((name) => name.startsWith(digest)))).toEqual([]);
    }
    const told = matricesOf(all);
    const audit = await all.coordinator.close().then(() => verifyHome(all.home));
    expect(audit.signatures).toBeGreaterThan(24);
    const again = await openCoordinator({ home: all.home });
    expect(again.status().study?.matrices).toEqual(told);
    await again.close();
  });

  it("change no bit of the model", async () => {
    const asked = await matrixFederation(root, "with", tinyStudy({ rounds: { count: 2, crossSite: [1] } }));
    const plain = await matrixFederation(root, "without", tinyStudy({ rounds: { count: 2 } }));
    await runAll(asked);
    await runAll(plain);
    const weights = async ({ coordinator }: MatrixFederation): Promise<Float32Array> =>
      parametersFromSafetensors(await readFile(coordinator.result()?.finalModel?.path ?? ""), "final").data;
    expect(matricesOf(asked)).toHaveLength(1);
    expect(await weights(asked)).toEqual(await weights(plain));
    await asked.coordinator.close();
    await plain.coordinator.close();
  });

  it("measure nothing in a study that does not declare it, or not of that round (control: of that round they do)", async () => {
    const all = await matrixFederation(root, "other-round", tinyStudy({ rounds: { count: 3, crossSite: [2] } }));
    const [site] = all.sites;
    const hash = all.coordinator.state().study?.hash ?? "";
    const stop = new AbortController();
    await runTestSite({
      site,
      link: linkOf(site, all.coordinator.service),
      signal: stop.signal,
      onEvent: (event) => {
        if (event.kind === "approval-sent") stop.abort();
      },
    });
    const shift = await startShift({
      site,
      link: linkOf(site, all.coordinator.service),
      openWork: tinyWork(),
      productVersion: "test",
      patience: "none",
    });
    const order = (round: number) => ({
      ...{ studyHash: hash, round, attempt: 1, ofSite: "c", deadlineMs: 1n },
      ...{ globalSha256: "1".repeat(64), globalBytes: 1n, updateSha256: "2".repeat(64), updateBytes: 1n },
    });
    const code = (round: number): Promise<string> =>
      crossEvaluate(
        shift,
        { kind: { case: "crossEvaluate", value: order(round) } } as never,
        order(round) as never,
      ).then(
        () => "none",
        (error: { code: string }) => error.code,
      );
    expect([await code(1), await code(2), await code(4)]).toEqual([
      "study-not-approved",
      // Allowed, and such objects are not handed out now.
      "object-refused",
      "study-not-approved",
    ]);
    await shift.out.close();
    await all.coordinator.close();
  });
});
