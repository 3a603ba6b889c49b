/** `metrics: summed` where sites drop out: the sum is the survivors', and figures that are missing cost no model. */

import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { roundsOf } from "../coordinator/index.ts";
import type { Site } from "./home.ts";
import type { RunOutcome } from "./run-site.ts";
import { type Begun, begin, finalOf, MASKED, stoppingRun } from "./testing/masked-suite.ts";
import { linkOf, QUICK, runTestSite, temporaryFolder } from "./testing/test-site.ts";

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

const SUMMED = { metrics: "summed" };
const CALM = { ...QUICK, heartbeatMs: 500, pauseMs: 60 };

describe("summed metrics", () => {
  it("sum the survivors where a site drops, and end with the model though nobody closes the study", async () => {
    const rounds = { count: 1, quorum: 2, deadlineS: 200 };
    const dropped = await begin(root, MASKED, rounds, SUMMED);
    await finalOf(dropped, stoppingRun(dropped, ["c"]));
    const [round] = roundsOf(dropped.coordinator.state().study);
    expect(round.figures?.trainingCases).toBe(8);
    expect(round.leftOut.map(({ siteId }) => siteId)).toEqual(["c"]);
    const left = await begin(root, MASKED, { count: 1, deadlineS: 20 }, SUMMED);
    const outcomes = await Promise.all(left.sites.map((site) => leavingWhenClosing(left, site)));
    expect(outcomes.map(({ kind }) => kind)).toEqual(["done", "done", "stopped"]);
    const end = left.coordinator.state();
    expect(end.phase).toMatchObject({ kind: "done", finalRound: 1, bestRound: 1 });
    expect(roundsOf(end.study)[0].evaluation).toBeUndefined();
    await left.coordinator.close();
  });

  /** Site c leaves for good once its update of the last round is sent. */
  function leavingWhenClosing(begun: Begun, site: Site): Promise<RunOutcome> {
    const stop = new AbortController();
    return runTestSite({
      site,
      timing: CALM,
      link: linkOf(site, begun.coordinator.service),
      signal: stop.signal,
      onEvent: (event) => {
        if (event.kind === "update-sent" && site.siteId === "c") setTimeout(() => stop.abort(), 300);
      },
    });
  }
});
