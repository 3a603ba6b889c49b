/** Eight sites that mask with their neighbours alone, by the product's own sites and coordinator, with dropouts. */

import { rm } from "node:fs/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { roundsOf } from "../coordinator/index.ts";
import { areNeighbours, contextOfRound } from "../privacy/index.ts";
import type { Site } from "./home.ts";
import type { RunOutcome } from "./run-site.ts";
import { type Begun, begin, finalOf, stoppingRun } from "./testing/masked-suite.ts";
import { temporaryFolder } from "./testing/test-site.ts";

const CASES = { a: 6, b: 3, c: 11, d: 5, e: 4, f: 7, g: 3, h: 8 };
const SITES = Object.keys(CASES);
const rounds = (quorum: number) => ({ count: 2, quorum });
const masking = (neighbours: object) => ({ threshold: 5, neighbours: { aboveSites: 7, ...neighbours } });

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function withoutSites(privacy: object, leaving: readonly string[], quorum: number) {
  const begun = await begin(root, privacy, rounds(quorum), {}, CASES);
  const final = await finalOf(begun, stoppingRun(begun, leaving));
  return { final, study: begun.coordinator.state().study };
}

it("gives the plain round's bits where two of eight sites drop after they shared their secrets", async () => {
  const leaving = ["b", "f"];
  const privacy = { secureAggregation: masking({ count: 4, threshold: 3 }) };
  const plain = await withoutSites({}, leaving, 6);
  const among = await withoutSites(privacy, leaving, 6);
  expect(plain.final).toMatch(/^[0-9a-f]{64}$/);
  expect(among.final).toBe(plain.final);
  expect(roundsOf(among.study)[0].leftOut.map(({ siteId }) => siteId)).toEqual(leaving);
  expect(among.study?.failedRounds ?? []).toEqual([]);
});

it("fails a round whose survivors would fall apart, and opens nothing of it", async () => {
  const secureAggregation = masking({ count: 2, threshold: 2 });
  const begun: Begun = await begin(root, { secureAggregation }, rounds(5), {}, CASES);
  const { studyHash } = begun;
  const declared = { threshold: 5, neighbours: { aboveSites: 7, count: 2, threshold: 2, colluders: 0 } };
  const { roster = [] } = begun.coordinator.state().study ?? {};
  const context = contextOfRound(declared, { studyHash, round: 1, sites: SITES, roster });
  const other = SITES.slice(1).filter((site) => !areNeighbours(context, "a", site));
  const leaving = ["a", other[0]];
  const opened: string[] = [];
  begun.coordinator.onNews((news) => {
    if (news.kind === "event" && news.event.kind === "masking-received" && news.event.round === 1)
      opened.push(news.event.step);
  });
  await finalOf(begun, stoppingRun(begun, leaving) satisfies (site: Site) => Promise<RunOutcome>);
  const study = begun.coordinator.state().study;
  expect(study?.failedRounds?.[0]).toMatchObject({ round: 1, code: "masking-below-threshold" });
  expect(study?.failedRounds?.[0].reason).toMatch(/fall apart/);
  expect(new Set(opened)).toEqual(new Set(["keys", "shares"]));
});
