/** `metrics: summed` by the product's own sites and coordinator: figures come out as sums, and in no other way. */

import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CoordinatorEvent } from "../coordinator/index.ts";
import { roundsOf } from "../coordinator/index.ts";
import { type CoordinatorLink, SiteMessageSchema } from "../protocol/index.ts";
import type { Site } from "./home.ts";
import type { RunOutcome } from "./run-site.ts";
import { siteStatus } from "./site-status.ts";
import { readEvaluation, readRound } from "./study-progress.ts";
import { type Begun, begin, finalOf, MASKED } from "./testing/masked-suite.ts";
import { linkOf, QUICK, runTestSite, temporaryFolder } from "./testing/test-site.ts";

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

const SUMMED = { metrics: "summed" };

/** Sites that wait do not keep a busy machine from its work. */
const CALM = { ...QUICK, heartbeatMs: 500, pauseMs: 60 };

function calmRun({ coordinator }: Begun): (site: Site) => Promise<RunOutcome> {
  return (site) => runTestSite({ site, timing: CALM, link: linkOf(site, coordinator.service) });
}

/** Every message that a site says, as it leaves. */
function listening(site: Site, link: CoordinatorLink, heard: (message: ReturnType<typeof messageOf>) => void) {
  return runTestSite({
    site,
    timing: CALM,
    link: {
      ...link,
      exchange: (request) => {
        heard(messageOf(request.body));
        return link.exchange(request);
      },
    },
  });
}

function messageOf(body: Uint8Array) {
  return fromBinary(SiteMessageSchema, body).kind;
}

describe("summed metrics", () => {
  it("give the plain study's model, best round and sums, and no figure of one site leaves it", async () => {
    const plain = await begin(root, MASKED, { count: 2 });
    const plainFinal = await finalOf(plain, calmRun(plain));
    const plainStudy = plain.coordinator.state().study;
    const begun = await begin(root, MASKED, { count: 2 }, SUMMED);
    const events: CoordinatorEvent[] = [];
    begun.coordinator.onNews((news) => news.kind === "event" && events.push(news.event));
    const kinds = new Set<string>();
    const final = await finalOf(
      begun,
      (site): Promise<RunOutcome> =>
        listening(site, linkOf(site, begun.coordinator.service), (message) => {
          kinds.add(message.case ?? "");
          expect(message.case).not.toBe("evaluation");
          if (message.case === "poll" && message.value.activity !== "idle")
            expect([0, 100]).toContain(message.value.stepsTotal);
          if (message.case !== "update") return;
          expect(message.value).toMatchObject({ trainingCases: 0, gradientSteps: 0, clippedCoordinates: 0n });
          expect(message.value.meanLoss).toBeUndefined();
        }),
    );
    expect(final).toBe(plainFinal);
    expect(kinds).toContain("update");
    const { study, phase } = begun.coordinator.state();
    const best = (state: typeof phase): unknown => state.kind === "done" && [state.bestRound, state.best.sha256];
    expect(best(phase)).toEqual(best(plain.coordinator.state().phase));
    for (const [i, round] of roundsOf(study).entries()) {
      const wanted = roundsOf(plainStudy)[i];
      expect(round.totalWeight).toBe(wanted?.totalWeight);
      expect(round.shares).toEqual([]);
      expect(round.figures).toMatchObject({ trainingCases: 17, gradientSteps: 9, clippedCoordinates: 0 });
      const losses = Object.values(wanted?.updates ?? {}).map(({ meanLoss }) => 3 * (meanLoss ?? 0));
      expect(round.figures?.lossSum).toBeCloseTo(
        losses.reduce((a, b) => a + b),
        3,
      );
      expect(round.evaluation?.meanDice).toBeCloseTo(wanted?.evaluation?.meanDice ?? 0, 6);
      expect(round.evaluation?.summedCases).toBe(3);
      for (const [region, sums] of Object.entries(wanted?.evaluation?.regions ?? {})) {
        const summed = round.evaluation?.regions[region];
        expect(summed?.diceCases).toBe(sums.diceCases);
        expect(summed?.hd95Cases).toBe(sums.hd95Cases);
        expect(summed?.hd95Sum).toBeCloseTo(sums.hd95Sum, 3);
      }
    }
    const told = JSON.stringify(events);
    for (const site of begun.sites) {
      const own = await readRound(site.store, begun.studyHash);
      expect(told).not.toContain(String(own?.update?.meanLoss));
      const [region] = (await readEvaluation(site.store, begun.studyHash))?.regions ?? [];
      if (region !== undefined) expect(told).not.toContain(String(region.diceSum));
    }
  });

  it("measure the last model of a study that ends early too, and say why it did", async () => {
    const stopEarly = { patience: 1, gain: 0.9 };
    const begun = await begin(root, MASKED, { count: 5, stopEarly }, SUMMED);
    const shown = new Set<string>();
    begun.coordinator.onNews(() => {
      const { round, rounds } = begun.coordinator.status().study ?? {};
      shown.add(`${round}, after ${rounds?.length}`);
    });
    const final = await finalOf(begun, calmRun(begun));
    // The closing round is one of the last model, and none that the study has before it.
    expect([...shown]).toEqual(["0, after 0", "1, after 0", "2, after 1", "3, after 2", "3, after 3"]);
    const { study, phase } = begun.coordinator.state();
    expect(roundsOf(study).map(({ evaluation }) => evaluation?.summedCases)).toEqual([3, 3, 3]);
    expect(phase).toMatchObject({ kind: "done", finalRound: 3, early: expect.stringContaining("since round 1") });
    expect(roundsOf(study)[2].model.sha256).toBe(final);
    expect(study?.lastFigures?.round).toBe(6);
  });

  it("let each site compare itself with the others' sum, and tell nobody else", async () => {
    const begun = await begin(root, MASKED, { count: 2 }, SUMMED);
    await finalOf(begun, calmRun(begun));
    for (const site of begun.sites) {
      const [{ comparison, evaluation }] = (await siteStatus(site.home)).studies;
      expect(comparison).toMatchObject({ round: 3, otherSites: 2, ownLoss: null });
      const own = (evaluation?.regions ?? []).flatMap(({ diceSum, diceCases }) =>
        diceCases > 0 ? diceSum / diceCases : [],
      );
      if (own.length > 0) expect(comparison?.ownDice).toBeCloseTo(own.reduce((a, b) => a + b) / own.length, 6);
      expect(comparison?.othersDice).toBeGreaterThan(0);
    }
    const journal = await readFile(join(begun.home, "journal.db"), "latin1");
    expect(journal).not.toContain("othersDice");
  });
});
