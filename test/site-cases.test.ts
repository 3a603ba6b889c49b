/**
 * The viewer's cases of a site whose study has ended: an outline is shown only over the scans that it was drawn from, and
 * none is begun once the console closes.
 */
import { mkdir, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { siteCases } from "../src/console/index.ts";
import { dropStalePredictions, predictionPath } from "../src/console/predictions.ts";
import { openCoordinator } from "../src/coordinator/index.ts";
import { writeNifti } from "../src/imaging/index.ts";
import { openSite, readRegisteredData, readSite } from "../src/site/index.ts";
import { joinSites, newCoordinatorHome, submit } from "../src/site/testing/federation-suite.ts";
import {
  linkOf,
  QUICK,
  registerMadeUp,
  runTestSite,
  temporaryFolder,
  tinyStudy,
} from "../src/site/testing/test-site.ts";
import { tinyWork } from "../src/site/testing/tiny-work.ts";

let root: string;
let home: string;
const MODALITIES = ["t1", "t1ce", "t2", "flair"] as const;
const scanOf = (id: string, name: string): string => join(root, "data", id, `${name}.nii`);
const AFFINE = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
const map = { dims: [2, 2, 2] as const, data: Uint8Array.of(0, 1, 2, 4, 0, 0, 0, 0), affineVoxelToRas: AFFINE };

beforeAll(async () => {
  root = await temporaryFolder();
  const coordinator = await openCoordinator({ home: await newCoordinatorHome(root) });
  const joined = await joinSites(root, coordinator, "memory", { a: 3, b: 3 });
  await submit(coordinator, tinyStudy({ rounds: { count: 1 } }));
  await Promise.all(
    joined.map(async (each) => {
      const site = await openSite(each.home);
      const link = linkOf(site, coordinator.service);
      const outcome = await runTestSite({ site, link, timing: { ...QUICK, pauseMs: 60 }, openWork: tinyWork() });
      expect(outcome.kind).toBe("done");
      await site.close();
    }),
  );
  await coordinator.close();
  home = joined[0].home;
  const cases = ["one", "two"].map((id) => ({
    id,
    subject: id,
    folder: join(root, "data", id),
    images: Object.fromEntries(MODALITIES.map((name) => [name, scanOf(id, name)])),
  }));
  for (const { id, folder } of cases) {
    await mkdir(folder, { recursive: true });
    for (const name of MODALITIES) await writeFile(scanOf(id, name), `${name} of ${id}`);
  }
  await registerMadeUp(await readSite(home), cases);
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function registered() {
  const data = await readRegisteredData((await readSite(home)).store);
  if (data === undefined) throw new Error("registered above");
  return data;
}

test("an outline is of the scans that it was drawn from, and of no others", async () => {
  const cases = siteCases({ home, exportModel: () => Promise.reject(new RangeError("not asked for")) });
  const { model } = await cases.list();
  if (model === null) throw new Error("the study has ended");
  const data = await registered();
  const pathOf = (index: number) => predictionPath(home, model.sha256, data.cases[index], data.convention);
  for (const path of [await pathOf(0), await pathOf(1)]) {
    await mkdir(dirname(path), { recursive: true });
    await writeNifti(path, map);
  }
  const predicted = async () => (await cases.list()).cases.map((each) => each.predicted);
  expect(await predicted()).toEqual([true, true]);
  expect((await cases.volume("one", "prediction")).length).toBeGreaterThan(0);

  const stale = await pathOf(0);
  await writeFile(scanOf("one", "flair"), "scanned again, under the same name");
  expect(await predicted()).toEqual([false, true]);
  await expect(cases.volume("one", "prediction")).rejects.toMatchObject({ code: "file-not-found" });
  expect(await predictionPath(home, model.sha256, data.cases[1], "brats2023")).not.toBe(await pathOf(1));

  await dropStalePredictions(home, model.sha256, data);
  await writeFile(scanOf("one", "flair"), "flair of one");
  await expect(stat(stale)).rejects.toThrow("ENOENT");
  expect(await predicted()).toEqual([false, true]);
  await cases.close();
});

test("a machine without room for the model's folder fails the outline, and not the console", async () => {
  const cases = siteCases({ home, exportModel: () => Promise.reject(new RangeError("not asked for")) });
  const temporary = process.env.TMPDIR;
  process.env.TMPDIR = join(root, "absent");
  try {
    await cases.predict("two");
    await expect.poll(() => cases.list()).toMatchObject({ work: null, failed: { caseId: "two" } });
  } finally {
    if (temporary === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = temporary;
  }
  await cases.predict("two");
  await cases.close();
});

test("nothing is outlined once the console closes, even where the model was being written", async () => {
  let written = (): void => undefined;
  let begun = (): void => undefined;
  const began = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const cases = siteCases({
    home,
    exportModel: () => {
      begun();
      return new Promise<void>((resolve) => {
        written = resolve;
      });
    },
  });
  expect((await cases.predict("two")).work).toMatchObject({ caseId: "two" });
  await began;
  const closing = cases.close();
  written();
  await closing;
  // A thread would have failed for want of a model folder.
  expect(await cases.list()).toMatchObject({ work: null, failed: null });
  await expect(cases.predict("two")).rejects.toMatchObject({ code: "interrupted" });
});
