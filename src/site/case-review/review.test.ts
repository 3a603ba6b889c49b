import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ConsiliumError, createRandom } from "../../base/index.ts";
import { readNifti, scanDataset, writeNifti } from "../../imaging/index.ts";
import { networkOfStudy } from "../../networks/index.ts";
import { openSegmenter, readModelFolder, type Segmenter, writeModelFolder } from "../../segmentation/index.ts";
import { networkParameters } from "../../training/index.ts";
import { splitBySubject } from "../data-split.ts";
import { temporaryFolder, tinyStudy } from "../testing/test-site.ts";
import { correctedPath, draftCases, type OpenReview, openReview, readReview, returnCase } from "./review-folder.ts";
import { type ReviewState, type ReviewStep, stepReview } from "./review-state.ts";

const SIDE = 8;
const dims = [SIDE, SIDE, SIDE] as const;
const affineVoxelToRas = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
let root: string;
let dataset: string;
let review: string;
let segmenter: Segmenter;

beforeEach(async () => {
  root = await temporaryFolder();
  [dataset, review] = [join(root, "dataset"), join(root, "review")];
  // Untrained: what it draws is no tumour, but a draft like any other.
  const study = tinyStudy({ network: { kind: "unet3d", levels: 2, baseFeatures: 2 } });
  const network = networkOfStudy(study);
  const lineage = { kind: "one institution", studyHash: null, which: "untrained", parent: null } as const;
  await writeModelFolder(join(root, "model"), {
    study,
    network,
    parameters: networkParameters(network),
    facts: { sites: [], round: null, gradientSteps: 0, evaluation: { on: "nothing", figures: null }, lineage },
  });
  segmenter = await openSegmenter([await readModelFolder(join(root, "model"))], { threads: 1 });
  for (const id of ["BraTS-GLI-00001-000", "BraTS-GLI-00001-001", "BraTS-GLI-00002-000"]) await addCase(id);
});
afterEach(async () => {
  await segmenter.close();
  await rm(root, { recursive: true, force: true });
});

async function addCase(id: string): Promise<void> {
  const random = createRandom("case", id);
  await mkdir(join(dataset, id), { recursive: true });
  for (const suffix of ["t1n", "t1c", "t2w", "t2f"]) {
    const data = Float32Array.from({ length: SIDE ** 3 }, () => random.between(1, 100));
    await writeNifti(join(dataset, id, `${id}-${suffix}.nii.gz`), { dims, data, affineVoxelToRas });
  }
}

const draft = async (): Promise<OpenReview> =>
  draftCases(await openReview(review, dataset), { segmenter, models: ["ab"] });
const kinds = ({ review: { cases } }: OpenReview): string[] =>
  Object.keys(cases)
    .sort()
    .map((id) => cases[id].kind);
const regions = { WT: [1, 2, 3], ET: [3] };
const FIRST = "BraTS-GLI-00001-000";

async function correct(id: string, edit: (data: Uint8Array) => void): Promise<void> {
  const { volume } = await readNifti(join(review, "cases", id, `${id}_draft.nii.gz`));
  const data = Uint8Array.from(volume.data);
  edit(data);
  await writeNifti(correctedPath(review, id), { ...volume, data });
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "none",
    (error: unknown) => (error instanceof ConsiliumError ? error.code : String(error)),
  );
}

test("from scans to a dataset that a person stands behind, across restarts", async () => {
  const opened = await draft();
  expect(kinds(opened)).toEqual(["drafted", "drafted", "drafted"]);
  await correct(FIRST, (data) => {
    data[0] = data[0] === 3 ? 1 : 3;
    data[9] = data[9] === 3 ? 1 : 3;
  });
  const { change } = await returnCase(await openReview(review, dataset), {
    caseId: FIRST,
    rightAsItIs: false,
    regions,
  });
  expect(change.voxels).toBe(2);
  const { volume } = await readNifti(correctedPath(review, FIRST));
  const enhancing = volume.data.filter((label: number) => label === 3).length / 1000;
  expect(change.regions.ET.returnedMl).toBeCloseTo(enhancing, 12);

  const again = await draft();
  expect(kinds(again)).toEqual(["done", "drafted", "drafted"]);
  const reviewed = await scanDataset(join(review, "reviewed"), { labels: "brats2023" });
  expect(reviewed.problems).toEqual([]);
  expect(reviewed.cases.map(({ id, subject }) => [id, subject])).toEqual([[FIRST, "BraTS-GLI-00001"]]);
  expect((await readNifti(reviewed.cases[0].labelMap as string)).volume.data).toEqual(Uint8Array.from(volume.data));
});

test("where nothing changed it says so, and takes the draft only when told that it is right", async () => {
  const opened = await draft();
  await correct(FIRST, () => undefined);
  const give = (rightAsItIs: boolean) => returnCase(opened, { caseId: FIRST, rightAsItIs, regions });
  await expect(give(false)).rejects.toThrow(/nothing changed: the draft, voxel by voxel/);
  expect((await readReview(review))?.cases[FIRST].kind).toBe("drafted");
  const { change, opened: after } = await give(true);
  expect(change.voxels).toBe(0);
  expect(after.review.cases[FIRST].kind).toBe("done");
});

test("a map of another grid, of strange labels, or beside an altered draft is refused, and nothing is done", async () => {
  const opened = await draft();
  const give = (): Promise<string> => codeOf(returnCase(opened, { caseId: FIRST, rightAsItIs: false, regions }));
  expect(await give()).toBe("file-not-found");
  const small = { dims: [4, 4, 4] as const, data: new Uint8Array(64), affineVoxelToRas };
  await writeNifti(correctedPath(review, FIRST), small);
  expect(await give()).toBe("geometry-mismatch");
  await correct(FIRST, (data) => void data.fill(7, 0, 1));
  expect(await give()).toBe("label-unknown");
  await correct(FIRST, (data) => void data.fill(3));
  await writeFile(join(review, "cases", FIRST, `${FIRST}_draft.nii.gz`), await readFile(correctedPath(review, FIRST)));
  expect(await give()).toBe("object-corrupt");
  expect((await readReview(review))?.cases[FIRST].kind).toBe("drafted");
});

test("one broken case carries its code, the others go on; mended, it is drafted", async () => {
  const path = join(dataset, FIRST, `${FIRST}-t2w.nii.gz`);
  const whole = await readFile(path);
  await writeFile(path, "no image");
  const opened = await draft();
  expect(kinds(opened)).toEqual(["failed", "drafted", "drafted"]);
  expect(opened.review.cases[FIRST]).toMatchObject({ during: "validation", code: "nifti-corrupt" });
  await writeFile(path, whole);
  expect(kinds(await draft())).toEqual(["drafted", "drafted", "drafted"]);
});

test("time points of one patient stay on one side of the split, also when one comes later", async () => {
  await draft();
  for (const id of [FIRST, "BraTS-GLI-00002-000"]) {
    await correct(id, (data) => void data.fill(3, 0, 5));
    await returnCase(await openReview(review, dataset), { caseId: id, rightAsItIs: true, regions });
  }
  const before = (await scanDataset(join(review, "reviewed"), { labels: "brats2023" })).cases;
  const split = splitBySubject([...before, ...["x", "y", "z"].map((subject) => ({ subject }))], 3);
  const late = "BraTS-GLI-00001-001";
  await correct(late, (data) => void data.fill(3, 0, 5));
  await returnCase(await openReview(review, dataset), { caseId: late, rightAsItIs: true, regions });
  const now = (await scanDataset(join(review, "reviewed"), { labels: "brats2023" })).cases;
  expect(now.map(({ subject }) => subject)).toEqual(["BraTS-GLI-00001", "BraTS-GLI-00001", "BraTS-GLI-00002"]);
  const later = splitBySubject(now, 3, split);
  expect(later["BraTS-GLI-00001"]).toBe(split["BraTS-GLI-00001"]);
});

test("a step that the state does not allow is refused by its name", () => {
  const error = new ConsiliumError("nifti-corrupt", { subject: "x", expected: "a", actual: "b", hint: "c" });
  const handed = { draftSha256: "d", models: [] };
  const change = { voxels: 1, regions: {} };
  const steps: ReviewStep[] = [
    { kind: "validated" },
    { kind: "drafted", draft: handed },
    { kind: "returned", change, labelMapSha256: "l", rightAsItIs: false },
    { kind: "failed", during: "validation", error },
  ];
  const states: ReviewState[] = [
    { kind: "identified" },
    { kind: "validated" },
    { kind: "drafted", draft: handed },
    { kind: "done", draft: handed, change, labelMapSha256: "l" },
    { kind: "failed", during: "drafting", code: "x", hint: "y" },
  ];
  const table = states.map((state) =>
    steps.map((step) => {
      try {
        return stepReview("A", state, step).kind;
      } catch (refusal) {
        return (refusal as ConsiliumError).code;
      }
    }),
  );
  expect(table).toEqual([
    ["validated", "review-state", "review-state", "failed"],
    ["review-state", "drafted", "review-state", "failed"],
    ["review-state", "review-state", "done", "review-state"],
    ["review-state", "review-state", "done", "review-state"],
    ["validated", "review-state", "review-state", "failed"],
  ]);
});
