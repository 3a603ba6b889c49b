/** What screens and the report say of a study with `metrics: summed`: the masked sum's figures, and what is off. */
import { rm } from "node:fs/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { studyReport } from "../src/console/index.ts";
import { modelsOf, openCoordinator } from "../src/coordinator/index.ts";
import { begin, finalOf, MASKED } from "../src/site/testing/masked-suite.ts";
import { linkOf, QUICK, runTestSite, temporaryFolder } from "../src/site/testing/test-site.ts";

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

const CALM = { ...QUICK, heartbeatMs: 500, pauseMs: 60 };

async function ended(more: object) {
  const begun = await begin(root, MASKED, { count: 2 }, more);
  const { coordinator } = begun;
  await finalOf(begun, (site) => runTestSite({ site, timing: CALM, link: linkOf(site, coordinator.service) }));
  const again = await openCoordinator({ home: begun.home });
  try {
    const [model] = modelsOf(again.state());
    return { status: again.status(), model, report: await studyReport(again) };
  } finally {
    await again.close();
  }
}

it("tell the same work as of a study whose sites tell it themselves, and what is off", async () => {
  const plain = await ended({});
  const summed = await ended({ metrics: "summed" });
  const rounds = { plain: plain.status.study?.rounds ?? [], summed: summed.status.study?.rounds ?? [] };
  expect(rounds.summed).toHaveLength(2);
  for (const [i, round] of rounds.summed.entries()) {
    expect(round.sites).toEqual([]);
    const { meanLoss, ...work } = round.trained;
    const wanted = rounds.plain[i].trained;
    expect(work).toEqual({ sites: 3, trainingCases: 17, gradientSteps: 9, clippedCoordinates: 0 });
    expect(wanted).toMatchObject(work);
    expect(meanLoss).toBeCloseTo(wanted.meanLoss ?? Number.NaN, 3);
  }
  expect(plain.status.study?.off).toEqual([]);
  expect(summed.status.study?.off.join()).toMatch(/single sites are off/);
  expect([plain.model.off, summed.model.off]).toEqual([[], summed.status.study?.off]);
  expect(summed.model.trained).toMatchObject({ sites: 3, trainingCases: 17, gradientSteps: 9 });
  for (const { report } of [plain, summed]) expect(report).toMatch(/17 training cases .*18 gradient steps in all/);
  expect(summed.report).toMatch(/losses and Dice of single sites are off/);
  expect(plain.report).not.toMatch(/are off/);
});
