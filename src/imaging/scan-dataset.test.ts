import { copyFile, mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { loadCase } from "./load-case.ts";
import { scanDataset } from "./scan-dataset.ts";
import { sampleClasses, sampleImages, temporaryFolder, writeSampleCase } from "./testing/sample-volumes.ts";

const SUFFIXES_2023: Record<string, string> = { t1: "t1n", t1ce: "t1c", t2: "t2w", flair: "t2f", seg: "seg" };
const images = sampleImages([4, 4, 4]);
const seg = sampleClasses([4, 4, 4]);
let dir: string;

beforeEach(async () => {
  dir = await temporaryFolder();
});

function write2021(id: string, parent = dir): Promise<string> {
  return writeSampleCase(parent, id, images, seg);
}

function write2023(id: string, parent = dir): Promise<string> {
  return writeSampleCase(parent, id, images, seg, (role) => `${id}-${SUFFIXES_2023[role]}.nii.gz`);
}

describe("layouts", () => {
  it("2021: a folder for each case, sorted by id whatever the disk's order", async () => {
    for (const id of ["BraTS2021_00010", "BraTS2021_00002"]) await write2021(id);
    const dataset = await scanDataset(dir);
    expect(dataset).toMatchObject({ dir, convention: "brats2021", problems: [], ignored: [] });
    expect(dataset.cases.map(({ id }) => id)).toEqual(["BraTS2021_00002", "BraTS2021_00010"]);
    const [first] = dataset.cases;
    expect(first.folder).toBe(join(dir, "BraTS2021_00002"));
    expect(basename(first.images.flair as string)).toBe("BraTS2021_00002_flair.nii.gz");
    expect(basename(first.labelMap ?? "")).toBe("BraTS2021_00002_seg.nii.gz");
  });

  it("2023: time points of one subject", async () => {
    for (const id of ["BraTS-GLI-00001-000", "BraTS-GLI-00001-001", "BraTS-GLI-00002-000"]) await write2023(id);
    const dataset = await scanDataset(dir);
    expect(dataset.convention).toBe("brats2023");
    expect(dataset.cases.map(({ subject }) => subject)).toEqual([
      "BraTS-GLI-00001",
      "BraTS-GLI-00001",
      "BraTS-GLI-00002",
    ]);
    expect(basename(dataset.cases[0].images.t1ce as string)).toBe("BraTS-GLI-00001-000-t1c.nii.gz");
  });

  it("2018: grouped by grade, some uncompressed", async () => {
    const nii = (id: string) => (role: string) => `${id}_${role}.nii`;
    await writeSampleCase(join(dir, "HGG"), "Brats18_2013_2_1", images, seg, nii("Brats18_2013_2_1"));
    await write2021("Brats18_TCIA09_141_1", join(dir, "LGG"));
    const dataset = await scanDataset(dir);
    expect(dataset.convention).toBe("brats2021");
    expect(dataset.cases.map(({ id }) => id)).toEqual(["Brats18_2013_2_1", "Brats18_TCIA09_141_1"]);
  });

  it("one case's own folder, and all files of several in one", async () => {
    const folder = await write2021("BraTS2021_00002");
    expect((await scanDataset(folder)).cases.map(({ id }) => id)).toEqual(["BraTS2021_00002"]);
    const flat = join(dir, "flat");
    await mkdir(flat);
    for (const suffix of ["t1", "t1ce", "t2", "flair", "seg"]) {
      for (const id of ["A", "B"])
        await copyFile(join(folder, `BraTS2021_00002_${suffix}.nii.gz`), join(flat, `${id}_${suffix}.nii.gz`));
    }
    expect((await scanDataset(flat)).cases.map(({ id }) => id)).toEqual(["A", "B"]);
  });

  it("links to case folders, hidden files, and names that say nothing", async () => {
    const elsewhere = await temporaryFolder();
    await symlink(await write2021("BraTS2021_00002", elsewhere), join(dir, "BraTS2021_00002"));
    await symlink(join(dir, "nowhere"), join(dir, "BraTS2021_00009"));
    await writeFile(join(dir, "._BraTS2021_00002_t1.nii.gz"), "resource fork");
    await writeFile(join(dir, "atlas.nii.gz"), "not looked at");
    await writeFile(join(dir, "survival.csv"), "");
    const dataset = await scanDataset(dir);
    expect(dataset.cases.length).toBe(1);
    expect(dataset.ignored).toEqual(["atlas.nii.gz"]);
  });

  it("a case without a label map, for a new patient", async () => {
    await writeSampleCase(dir, "new", images);
    const dataset = await scanDataset(dir);
    expect(dataset.cases[0].labelMap).toBeUndefined();
    expect(dataset.problems).toEqual([]);
  });
});

describe("problems", () => {
  it("a missing modality leaves out its case alone, and one problem does not hide another", async () => {
    await write2021("good");
    const bad = await write2021("bad");
    await rm(join(bad, "bad_t1ce.nii.gz"));
    await rm(join(bad, "bad_t2.nii.gz"));
    await copyFile(join(bad, "bad_t1.nii.gz"), join(bad, "bad_t1.nii"));
    const dataset = await scanDataset(dir);
    expect(dataset.cases.map(({ id }) => id)).toEqual(["good"]);
    expect(dataset.problems.map(({ caseId, error }) => [caseId, error.code, error.actual])).toEqual([
      ["bad", "modality-missing", "no t1ce, no t2"],
      ["bad", "dataset-invalid", "bad_t1.nii and bad_t1.nii.gz"],
    ]);
  });

  it("the same case in two folders", async () => {
    await write2021("twin", join(dir, "a"));
    await write2021("twin", join(dir, "b"));
    const dataset = await scanDataset(dir);
    expect(dataset.cases.length + dataset.problems.length).toBe(2);
    expect(dataset.problems[0].error).toMatchObject({ code: "dataset-invalid", subject: "case twin" });
  });

  it("an empty dataset", async () => {
    await expect(scanDataset(dir)).rejects.toMatchObject({ code: "dataset-empty", actual: "no NIfTI file" });
    await writeFile(join(dir, "scan.nii.gz"), "");
    await expect(scanDataset(dir)).rejects.toMatchObject({
      code: "dataset-empty",
      actual: "1 NIfTI file of other names",
    });
    await expect(scanDataset(join(dir, "absent"))).rejects.toMatchObject({ code: "file-not-found" });
  });
});

describe("label convention", () => {
  it("is asked for where layouts are mixed", async () => {
    await write2021("BraTS2021_00002");
    await write2023("BraTS-GLI-00001-000");
    await expect(scanDataset(dir)).rejects.toMatchObject({
      code: "label-convention-unknown",
      actual: "names of both layouts",
      hint: expect.stringContaining("?"),
    });
    expect((await scanDataset(dir, { labels: "brats2021" })).cases.length).toBe(2);
  });

  it("is asked for where files were renamed, and taken as told", async () => {
    const folder = await write2021("patient7");
    await rename(join(folder, "patient7_t1ce.nii.gz"), join(folder, "patient7_t1c.nii.gz"));
    await expect(scanDataset(dir)).rejects.toMatchObject({ code: "label-convention-unknown" });
    const dataset = await scanDataset(dir, { labels: "brats2023" });
    expect(dataset.convention).toBe("brats2023");
    expect(basename(dataset.cases[0].images.t1ce as string)).toBe("patient7_t1c.nii.gz");
  });
});

describe("a scan that may be missing", () => {
  it("is no problem where it is declared, and only then", async () => {
    const { t2: _, ...rest } = images;
    await writeSampleCase(dir, "few", rest);
    expect((await scanDataset(dir)).problems.map(({ error }) => error.code)).toEqual(["modality-missing"]);
    expect((await scanDataset(dir, { mayMiss: ["flair"] })).cases).toEqual([]);
    const [found] = (await scanDataset(dir, { mayMiss: ["t2"] })).cases;
    expect(Object.keys(found.images)).toEqual(["t1", "t1ce", "flair"]);
    expect((await loadCase(found, "brats2021")).modalities).toEqual(["t1", "t1ce", "flair"]);
  });
});
