/** `metrics: summed` where sites drop out: the sum is the survivors', and figures that are missing cost no model. */

import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { roundsOf } from "../coordinator/index.ts";
import type { Site } from "./home.ts";
import type { RunOutcome } from "./run-site.ts";
import { type Begun, begin, finalOf, MASKED, runWithLeavers, stoppingRun } from "./testing/masked-suite.ts";
import { temporaryFolder } from "./testing/test-site.ts";

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

const SUMMED = { metrics: "summed" };

describe("summed metrics", () => {
  it("sum the survivors where a site drops, and end with the model though nobody closes the study", async () => {
    const dropped = await begin(root, MASKED, { count: 1, quorum: 2 }, SUMMED);
    await finalOf(dropped, stoppingRun(dropped, ["c"]));
    const [round] = roundsOf(dropped.coordinator.state().study);
    expect(round.figures?.trainingCases).toBe(8);
    expect(round.leftOut.map(({ siteId }) => siteId)).toEqual(["c"]);
    const left = await begin(root, MASKED, { count: 1 }, SUMMED);
    const outcomes = await Promise.all(left.sites.map(leavingWhenClosing(left)));
    expect(outcomes.map(({ kind }) => kind)).toEqual(["done", "done", "stopped"]);
    const end = left.coordinator.state();
    expect(end.phase).toMatchObject({ kind: "done", finalRound: 1, bestRound: 1 });
    expect(roundsOf(end.study)[0].evaluation).toBeUndefined();
    await left.coordinator.close();
  });

  /** Site c leaves for good when the round begins that closes the study, before it is told. */
  function leavingWhenClosing(begun: Begun): (site: Site) => Promise<RunOutcome> {
    const stops = new Map(begun.sites.map(({ siteId }) => [siteId, new AbortController()]));
    begun.coordinator.onNews(() => {
      const { phase } = begun.coordinator.state();
      if (phase.kind === "agreeing" && phase.round > 1) stops.get("c")?.abort();
    });
    const run = runWithLeavers(begun);
    return (site) => run(site, (stops.get(site.siteId) ?? new AbortController()).signal);
  }
});
