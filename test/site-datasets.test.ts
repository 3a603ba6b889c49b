/** A site's data in its console: what the commands left on disk, with what to do next, and nothing from elsewhere. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRandom, LIMITS } from "../src/base/index.ts";
import { type IntakeView, type ReviewView, type SiteDatasets, siteDatasets } from "../src/console/index.ts";
import { writeNifti } from "../src/imaging/index.ts";
import { newRecord, writeRecord } from "../src/intake/case-record.ts";
import { keepOptions } from "../src/intake/lasting-options.ts";
import { draftCases, openReview, registerDataset, returnCase } from "../src/site/index.ts";
import { scriptedCoordinator } from "../src/site/testing/scripted-coordinator.ts";
import { joinTestSite, temporaryFolder, tinyStudy } from "../src/site/testing/test-site.ts";

const SIDE = 8;
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47]);
const REGIONS = { WT: [1, 2, 3], TC: [1, 3], ET: [3] };
let root: string;
let home: string;
let dataset: string;
let intake: string;
let review: string;
let datasets: SiteDatasets;

/** @param voxels of brain; whole otherwise */
async function addCase(id: string, voxels = SIDE ** 3): Promise<void> {
  const random = createRandom("case", id);
  const affineVoxelToRas = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  const dims = [SIDE, SIDE, SIDE] as const;
  await mkdir(join(dataset, id), { recursive: true });
  for (const role of ["t1", "t1ce", "t2", "flair", "seg"]) {
    const data =
      role === "seg"
        ? Uint8Array.from({ length: SIDE ** 3 }, (_, i) => [0, 1, 2, 4][i % 4])
        : Float32Array.from({ length: SIDE ** 3 }, (_, i) => (i < voxels ? random.between(90, 110) : 0));
    await writeNifti(join(dataset, id, `${id}_${role}.nii.gz`), { dims, data, affineVoxelToRas });
  }
}

beforeAll(async () => {
  root = await temporaryFolder();
  [dataset, intake, review] = ["data set", "own", "review"].map((name) => join(root, name));
  const { service, invitation } = await scriptedCoordinator(tinyStudy(), ["a"]);
  home = await joinTestSite({ root, siteId: "a", invitation: invitation("a"), service, cases: [] });
  await rm(join(home, "data.json"));
  datasets = siteDatasets({ home, intakes: [intake], reviews: [review], datasets: [] });
});
afterAll(() => rm(root, { recursive: true, force: true }));

test("a dataset from nothing to a registration, its outlier named", async () => {
  const empty = await datasets.dataset();
  expect(empty).toMatchObject({ registered: null, check: null });
  expect(empty.next.commands[1]).toBe(`consilium site data --home ${home} --dataset DATASET`);

  for (let i = 0; i < 6; i++) await addCase(`P${i}`, i === 5 ? 60 : SIDE ** 3);
  await rm(join(dataset, "P0", "P0_t2.nii.gz"));
  await expect(registerDataset({ home, dataset })).rejects.toMatchObject({ code: "dataset-invalid" });
  const refused = await datasets.dataset();
  expect(refused.registered).toBeNull();
  expect(refused.check).toMatchObject({ registered: false, total: 6, usable: 5 });
  expect(refused.check?.cases[0]).toMatchObject({ id: "P0", problems: [{ code: "modality-missing" }] });
  expect(refused.next.commands[1]).toBe(
    `consilium site data --home ${home} --dataset '${dataset}' --labels brats2021 --exclude-broken`,
  );

  await addCase("P0");
  await registerDataset({ home, dataset });
  const done = await datasets.dataset();
  expect(done).toMatchObject({ registered: { training: 5, validation: 1 }, check: { registered: true, usable: 6 } });
  expect(done.check?.outliers[0]).toMatchObject({ caseId: "P5", measure: "brain, ml", value: 0.06, median: 0.512 });
  expect(done.check?.cases[0].id).toBe("P5");
});

test("to register again is shown with all that was declared", async () => {
  await rm(join(dataset, "P1", "P1_flair.nii.gz"));
  await registerDataset({ home, dataset, mayMiss: ["flair"], privateCounts: true });
  const { next } = await datasets.dataset();
  const again = `consilium site data --home ${home} --dataset '${dataset}' --labels brats2021`;
  expect(next.commands).toEqual([`${again} --may-miss flair --private-counts`]);
  await addCase("P1");
  await registerDataset({ home, dataset, privateCounts: false });
  expect((await datasets.dataset()).next.commands).toEqual([again]);
});

test("cases of intake with their states and pictures, failed ones first; only what intake knows is to be had", async () => {
  expect(await datasets.intakes()).toMatchObject([{ folder: intake, trouble: { code: "file-not-found" } }]);
  await mkdir(join(intake, "intake", "cases"), { recursive: true });
  await writeRecord(intake, { ...newRecord("P0001-1", "P0001", "x"), state: "done" });
  const failure = {
    towards: "recognised",
    code: "modality-missing",
    subject: "case P0002-1",
    expected: "four sequences",
    actual: "no T2",
    hint: "Look again.",
  } as const;
  await writeRecord(intake, { ...newRecord("P0002-1", "P0002", "y"), failure });
  const sheets = join(intake, "intake", "sheets", "P0001-1");
  await mkdir(sheets, { recursive: true });
  await writeFile(join(sheets, "done.png"), PNG);
  const [view] = (await datasets.intakes()) as readonly IntakeView[];
  expect(view).toMatchObject({ total: 2, done: 1, failed: 1 });
  expect(view.cases.map(({ caseId, failure: found }) => [caseId, found?.code])).toEqual([
    ["P0002-1", "modality-missing"],
    ["P0001-1", undefined],
  ]);
  expect(view.cases[1].sheets.map(({ state }) => state)).toEqual(["done"]);
  expect(view.next.commands[0]).toBe(`consilium intake --from DICOM --out ${intake} --links links.csv`);
  expect(Buffer.from(await datasets.sheet(view.key, "P0001-1", "done"))).toEqual(PNG);

  await writeFile(join(intake, "outside.png"), PNG);
  for (const [key, caseId, state] of [
    [view.key, "P0001-1", "../../outside"],
    [view.key, "../..", "done"],
    [view.key, "P0001-1", "aligned"],
    ["another", "P0001-1", "done"],
  ]) {
    await expect(datasets.sheet(key, caseId, state), `${caseId} ${state}`).rejects.toMatchObject({
      code: "file-not-found",
    });
  }
  await writeFile(join(intake, "intake", "cases", "P0003-1.json"), "{");
  expect(await datasets.intakes()).toMatchObject([{ trouble: { code: "file-corrupt" } }]);
  await rm(join(intake, "intake", "cases", "P0003-1.json"));
});

test("the commands of an intake carry what it was begun with", async () => {
  const begun = join(root, "begun");
  await mkdir(join(begun, "intake", "cases"), { recursive: true });
  await writeRecord(begun, { ...newRecord("P0001-1", "P0001", "x"), state: "done", missing: ["t2"] });
  await keepOptions(begun, { lasting: { mayMiss: ["t2"], noHeads: true }, atlas: undefined, settings: "x y" });
  await registerDataset({ home, dataset, privateCounts: true });
  const [view] = (await siteDatasets({
    home,
    intakes: [begun],
    reviews: [],
    datasets: [],
  }).intakes()) as readonly IntakeView[];
  expect(view.next.commands).toEqual([
    `consilium cohort check ${begun} --may-miss t2`,
    `consilium site data --home ${home} --dataset ${begun} --may-miss t2 --private-counts`,
  ]);
});

test("a folder that the system refuses is told in its place, and hides no other", async () => {
  const broken = join(root, "broken");
  // A folder in place of a record: reading it fails in the system, for every user.
  await mkdir(join(broken, "intake", "cases", "P0001-1.json"), { recursive: true });
  const two = siteDatasets({ home, intakes: [broken, intake], reviews: [], datasets: [] });
  expect(await two.intakes()).toMatchObject([
    { folder: broken, trouble: { code: "file-unreadable", actual: "EISDIR" } },
    { folder: intake, total: 2 },
  ]);
});

test("so many cases are listed, what failed first, and all of them counted", async () => {
  const large = join(root, "large");
  const total = LIMITS.consoleCases + 2;
  await mkdir(join(large, "intake", "cases"), { recursive: true });
  for (let i = 0; i < total; i++) {
    const failure = { towards: "done", code: "internal", subject: "s", expected: "e", actual: "a", hint: "h" };
    const record = { ...newRecord(`P${i}`, `P${i}`, "x"), state: "done", ...(i === total - 1 && { failure }) };
    await writeFile(join(large, "intake", "cases", `P${i}.json`), JSON.stringify(record));
  }
  const [view] = (await siteDatasets({
    home,
    intakes: [large],
    reviews: [],
    datasets: [],
  }).intakes()) as readonly IntakeView[];
  expect(view).toMatchObject({ total, done: total - 1, failed: 1 });
  expect(view.cases).toHaveLength(LIMITS.consoleCases);
  expect(view.cases[0].caseId).toBe(`P${total - 1}`);
});

test("cases under review: with a reader, corrected and waiting, and what was changed", async () => {
  expect(await datasets.reviews()).toMatchObject([{ folder: review, trouble: { code: "file-not-found" } }]);
  const begun = await openReview(review, dataset);
  const view = async (): Promise<ReviewView> => ((await datasets.reviews()) as readonly ReviewView[])[0];
  expect((await view()).next.commands[0]).toBe(
    `consilium review draft --data '${dataset}' --model MODEL --review ${review}`,
  );
  const affineVoxelToRas = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  const dims = [SIDE, SIDE, SIDE] as const;
  const labelMap = { dims, affineVoxelToRas, data: new Uint8Array(SIDE ** 3).fill(1, 0, 20) };
  const segmenter = { segment: () => Promise.resolve({ labelMap }), close: () => Promise.resolve() };
  const drafted = await draftCases(begun, { segmenter: segmenter as never, models: ["m"] });
  expect(await view()).toMatchObject({ total: 6, drafted: 6, done: 0 });
  const corrected = { dims, affineVoxelToRas, data: new Uint8Array(SIDE ** 3).fill(2, 0, 23) };
  await writeNifti(join(review, "cases", "P3", "P3_corrected.nii.gz"), corrected);
  const waiting = await view();
  expect(waiting.cases[0]).toMatchObject({ id: "P3", corrected: true });
  expect(waiting.next.commands).toEqual([`consilium review return --review ${review}`]);
  await returnCase(drafted, { caseId: "P3", rightAsItIs: false, regions: REGIONS });
  const returned = await view();
  expect(returned).toMatchObject({ drafted: 5, done: 1, unchanged: 0 });
  expect(returned.cases.at(-1)).toMatchObject({ id: "P3", state: { kind: "done", change: { voxels: 23 } } });
});

test("a folder of a registered dataset that intake made is shown without being named", async () => {
  await mkdir(join(dataset, "intake", "cases"), { recursive: true });
  const unnamed = siteDatasets({ home, intakes: [], reviews: [], datasets: [] });
  expect(await unnamed.intakes()).toMatchObject([{ folder: dataset, total: 0 }]);
  expect(await unnamed.reviews()).toEqual([]);
});

test("folders that may be registered are those of this machine, and a browser's word is none of them", async () => {
  const named = join(root, "named");
  const offering = siteDatasets({ home, intakes: [], reviews: [], datasets: [named, dataset] });
  const { offered } = await offering.dataset();
  expect(offered.map(({ folder, registered }) => [folder, registered])).toEqual([
    [dataset, true],
    [named, false],
  ]);
  expect(await offering.offered(offered[1].key)).toBe(named);
  for (const key of ["", named, "../named", offered[0].folder]) {
    await expect(offering.offered(key)).rejects.toMatchObject({ code: "file-not-found" });
  }
});
