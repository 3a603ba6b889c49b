import { mkdir, rename, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { MANIFEST_NAME, type ManifestRow, manifestText } from "./dataset-manifest.ts";
import { scanDataset } from "./scan-dataset.ts";
import { sampleClasses, sampleImages, temporaryFolder, writeSampleCase } from "./testing/sample-volumes.ts";

const HEADER = "case,subject,timepoint,t1,t1ce,t2,flair,seg";
const images = sampleImages([4, 4, 4]);
const seg = sampleClasses([4, 4, 4]);
let dir: string;

beforeEach(async () => {
  dir = await temporaryFolder();
  for (const id of ["a", "b"]) await writeSampleCase(dir, id, images, seg, (role) => `${role}.nii.gz`);
});

const filesOf = (id: string): string =>
  ["t1", "t1ce", "t2", "flair", "seg"].map((role) => `${id}/${role}.nii.gz`).join(",");
const describe_ = (...rows: string[]): Promise<void> =>
  writeFile(join(dir, MANIFEST_NAME), [HEADER, ...rows, ""].join("\n"));
const scan = () => scanDataset(dir, { labels: "brats2021" });

async function problems(): Promise<string[]> {
  const found = await scan();
  return found.problems.map(({ caseId, error }) => `${caseId}: ${error.code}: ${error.actual}`);
}

describe("a dataset described by a table", () => {
  it("has the cases, subjects and files that the table names", async () => {
    await describe_(`scan-2,P1,2,${filesOf("b")}`, `scan-1,P1,1,${filesOf("a")}`);
    const dataset = await scan();
    expect(dataset).toMatchObject({ convention: "brats2021", problems: [], ignored: [] });
    expect(dataset.cases.map(({ id, subject }) => [id, subject])).toEqual([
      ["scan-1", "P1"],
      ["scan-2", "P1"],
    ]);
    expect(dataset.cases[1].images.flair).toBe(join(dir, "b/flair.nii.gz"));
    expect(dataset.cases[1].labelMap).toBe(join(dir, "b/seg.nii.gz"));
  });

  it("is what counts, whatever other files are there", async () => {
    await describe_(`scan-1,P1,1,${filesOf("a")}`);
    expect((await scan()).cases.map(({ id }) => id)).toEqual(["scan-1"]);
  });

  it("takes subjects from the names of cases where there is no column for them, and may have no label maps", async () => {
    const rows = ["BraTS-GLI-00001-000", "BraTS-GLI-00001-001"].map(
      (id, i) => `${id},${["t1", "t1ce", "t2", "flair"].map((role) => `${"ab"[i]}/${role}.nii.gz`).join(",")}`,
    );
    await writeFile(join(dir, MANIFEST_NAME), `case,t1,t1ce,t2,flair\n${rows.join("\n")}\n`);
    const { cases } = await scan();
    expect(cases.map(({ subject, labelMap }) => [subject, labelMap])).toEqual(
      Array(2).fill(["BraTS-GLI-00001", undefined]),
    );
  });

  it("tells the convention by names where these follow a layout, and asks where they do not", async () => {
    await describe_(`scan-1,P1,1,${filesOf("a")}`);
    await expect(scanDataset(dir)).rejects.toMatchObject({ code: "label-convention-unknown" });
    const names = { t1: "t1n", t1ce: "t1c", t2: "t2w", flair: "t2f", seg: "seg" };
    for (const [role, suffix] of Object.entries(names)) {
      await rename(join(dir, "a", `${role}.nii.gz`), join(dir, "a", `x-${suffix}.nii.gz`));
    }
    await describe_(
      `scan-1,P1,1,${Object.values(names)
        .map((suffix) => `a/x-${suffix}.nii.gz`)
        .join(",")}`,
    );
    expect((await scanDataset(dir)).convention).toBe("brats2023");
  });

  it.each([
    ["another column", `${HEADER},age`, "dataset-invalid"],
    ["a column that is not there", "case,t1,t1ce,t2", "dataset-invalid"],
    ["no case", HEADER, "dataset-empty"],
    ["a case without a name", `${HEADER}\n,P1,1,${filesOf("a")}`, "dataset-invalid"],
    ["a case whose name is a path", `${HEADER}\n../x,P1,1,${filesOf("a")}`, "dataset-invalid"],
  ])("is refused with %s", async (_, text, code) => {
    await writeFile(join(dir, MANIFEST_NAME), text);
    await expect(scan()).rejects.toMatchObject({ code });
  });

  it.each([
    "/etc/hosts",
    "../a/t1.nii.gz",
    "b/../../t1.nii.gz",
    "C:/t1.nii.gz",
    "b\\t1.nii.gz",
    "./b/t1.nii.gz",
    "b//t1.nii.gz",
  ])("does not go outside its folder: %s", async (path) => {
    const good = filesOf("b").split(",").slice(1).join(",");
    await describe_(`scan-1,P1,1,${path},${good}`);
    expect(await problems()).toEqual([`scan-1: dataset-invalid: ${JSON.stringify(path)}`]);
    await describe_(`scan-1,P1,1,b/t1.nii.gz,${good}`);
    expect(await problems()).toEqual([]);
  });

  it("lists every slip by its case, and keeps the others", async () => {
    await mkdir(join(dir, "b/folder"));
    await writeSampleCase(dir, "c", images, seg, (role) => `${role}.nii.gz`);
    await describe_(
      `good,P0,1,${filesOf("c")}`,
      "gone,P1,1,a/none.nii.gz,a/t1ce.nii.gz,b/folder,a/flair.nii.gz,a/seg.nii.gz",
      "three,P2,1,b/t1.nii.gz,b/t1ce.nii.gz,,b/flair.nii.gz,",
      "twin,P3,1,a/t1.nii.gz,b/seg.nii.gz,b/seg.nii.gz,a/t2.nii.gz,",
    );
    expect((await scan()).cases.map(({ id }) => id)).toEqual(["good"]);
    expect(await problems()).toEqual([
      "gone: file-not-found: a/none.nii.gz, which is not there",
      "gone: file-not-found: b/folder, which is no file",
      "three: modality-missing: no t2",
      "twin: dataset-invalid: b/seg.nii.gz, which is named twice",
      "twin: dataset-invalid: b/seg.nii.gz, which is named twice",
    ]);
  });

  it("refuses what would put a patient's scan on both sides of a split", async () => {
    await describe_(`one,P1,1,${filesOf("a")}`, `one,P2,1,${filesOf("b")}`);
    expect(await problems()).toEqual([
      "one: dataset-invalid: another row beside line 2",
      "one: dataset-invalid: another row beside line 3",
    ]);
    await describe_(`one,P1,1,${filesOf("a")}`, `two,,1,${filesOf("b")}`);
    expect(await problems()).toEqual(["two: dataset-invalid: none"]);
    await describe_(`one,P1,1,${filesOf("a")}`, `two,P1,1,${filesOf("b")}`);
    expect(await problems()).toEqual([
      "one: dataset-invalid: another case of P1 at 1",
      "two: dataset-invalid: another case of P1 at 1",
    ]);
    await describe_(`one,,1,${filesOf("a")}`);
    expect(await problems()).toEqual(["one: dataset-invalid: none"]);
    await describe_(`one,P1,1,${filesOf("a")}`, `two,P2,1,${filesOf("a")}`);
    expect((await problems()).length).toBe(10);
  });
});

describe("manifestText", () => {
  it("is read as the cases that it was made of", async () => {
    await writeSampleCase(dir, "c", images, seg, (role) => `${role}.nii.gz`);
    await describe_(`a,P1,,${filesOf("a")}`, `b,P2,,${filesOf("b")}`, `c,P2,,${filesOf("c")}`);
    const { cases } = await scan();
    const rows = cases.map(({ id, subject, images: paths, labelMap }): ManifestRow => {
      const within = Object.entries(paths).map(([modality, path]) => [modality, relative(dir, path)]);
      return {
        id,
        subject,
        images: Object.fromEntries(within) as ManifestRow["images"],
        ...(labelMap !== undefined && { labelMap: relative(dir, labelMap) }),
      };
    });
    await writeFile(join(dir, MANIFEST_NAME), manifestText(rows));
    expect((await scan()).cases).toEqual(cases);
  });

  it("quotes what a table needs quoted", () => {
    const paths = { t1: 'a, "b".nii', t1ce: "c.nii", t2: "d.nii", flair: "e.nii" };
    expect(manifestText([{ id: "x", subject: "y", images: paths }])).toBe(
      'case,subject,t1,t1ce,t2,flair,seg\nx,y,"a, ""b"".nii",c.nii,d.nii,e.nii,\n',
    );
  });
});
