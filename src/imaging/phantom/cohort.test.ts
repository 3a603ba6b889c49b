import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sha256 } from "../../base/index.ts";
import { checkCase } from "../load-case.ts";
import { readNifti } from "../nifti-file.ts";
import { scanDataset } from "../scan-dataset.ts";
import { phantomCaseId, writeCohort } from "./cohort.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "consilium-cohort-"));
});
afterAll(async () => rm(root, { recursive: true, force: true }));

async function digest(dir: string): Promise<string> {
  const names = (await readdir(dir, { recursive: true })).sort();
  const files = names.filter((name) => name.endsWith(".nii.gz"));
  return sha256(...(await Promise.all(files.map((name) => readFile(join(dir, name))))), files.join());
}

const small = { cases: 2, seed: 4, spacingMm: 6 };

describe("writeCohort", () => {
  it("writes a dataset in the layout of BraTS 2021, whole and without problems", async () => {
    const dir = join(root, "cohort");
    const progress: string[] = [];
    const written = await writeCohort({ ...small, dir, sites: 2 }, ({ done, cases, caseId }) =>
      progress.push(`${done}/${cases} ${caseId}`),
    );
    expect(written).toEqual(["Phantom_00001", "Phantom_00002"]);
    expect(progress).toEqual(["1/2 Phantom_00001", "2/2 Phantom_00002"]);
    expect((await readdir(dir)).sort()).toEqual(written);
    const dataset = await scanDataset(dir);
    expect(dataset.problems).toEqual([]);
    expect(dataset.convention).toBe("brats2021");
    for (const files of dataset.cases) await checkCase(files, "brats2021");
    const { volume } = await readNifti(join(dir, "Phantom_00001", "Phantom_00001_seg.nii.gz"));
    expect([...new Set(volume.data)].every((label) => [0, 1, 2, 4].includes(label))).toBe(true);
    expect(volume.dims).toEqual([40, 40, 26]);
  });

  it("gives the same bytes twice, and cases of their own to another range, other scans to another site", async () => {
    const dirs = ["a", "b", "c", "d"].map((name) => join(root, name));
    await writeCohort({ ...small, dir: dirs[0] });
    await writeCohort({ ...small, dir: dirs[1] });
    await writeCohort({ ...small, cases: 1, dir: dirs[2], firstCase: 1 });
    await writeCohort({ ...small, cases: 1, dir: dirs[3], firstCase: 1, firstSite: 5 });
    expect(await digest(dirs[1])).toBe(await digest(dirs[0]));
    const flair = join("Phantom_00002", "Phantom_00002_flair.nii.gz");
    const labels = join("Phantom_00002", "Phantom_00002_seg.nii.gz");
    const read = (dir: string, name: string): Promise<Buffer> => readFile(join(dir, name));
    expect(await read(dirs[2], flair)).toEqual(await read(dirs[0], flair));
    expect(await read(dirs[3], flair)).not.toEqual(await read(dirs[0], flair));
    expect(await read(dirs[3], labels)).toEqual(await read(dirs[0], labels));
  });

  it("refuses a folder that is not empty and counts that make no sense, and writes nothing", async () => {
    const dir = await mkdtemp(join(root, "used-"));
    await writeFile(join(dir, "note.txt"), "mine");
    await expect(writeCohort({ ...small, dir })).rejects.toMatchObject({ code: "file-exists" });
    expect(await readdir(dir)).toEqual(["note.txt"]);
    const fresh = join(root, "fresh");
    await expect(writeCohort({ ...small, dir: fresh, cases: 0 })).rejects.toMatchObject({ code: "usage" });
    await expect(writeCohort({ ...small, dir: fresh, sites: 1.5 })).rejects.toMatchObject({ code: "usage" });
    await expect(readdir(fresh)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("names cases from one", () => {
    expect(phantomCaseId(0)).toBe("Phantom_00001");
    expect(phantomCaseId(122)).toBe("Phantom_00123");
  });
});
