/** Label maps that a site brings: what they mean is declared, where they lie is checked, and what is cut off is told. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ConsiliumError } from "../base/index.ts";
import { multiplyAffines, reorient, rigidMatrix, type Triple, type Volume, writeNifti } from "../imaging/index.ts";
import { UNMOVED } from "./align-case.ts";
import { alignLabels, checkStudiesKnown, digestOfLabels, placeLabels, readLabelTable } from "./given-labels.ts";

const root = await mkdtemp(join(tmpdir(), "consilium-intake-"));
afterAll(() => rm(root, { recursive: true, force: true }));
const DIMS: Triple = [16, 18, 12];
const SCANNER = multiplyAffines(
  rigidMatrix([0.1, 0, 0.2, 3, 0, -5], [0, 0, 0]),
  [-1, 0, 0, 8, 0, -1, 0, 9, 0, 0, 2, -12, 0, 0, 0, 1],
);
const ELSEWHERE = multiplyAffines(rigidMatrix([0, 0, 0, 1, 0, 0], [0, 0, 0]), SCANNER);
const grid = (affineVoxelToRas: readonly number[]) => ({
  dims: [...DIMS] as [number, number, number],
  affineVoxelToRas: [...affineVoxelToRas],
});
const GRIDS = { t1: grid(ELSEWHERE), t1ce: grid(ELSEWHERE), t2: grid(SCANNER), flair: grid(SCANNER) };

/** A box of every label, as files write them. */
function drawn(labels: readonly number[], affineVoxelToRas: readonly number[] = SCANNER): Volume<Uint8Array> {
  const data = new Uint8Array(16 * 18 * 12);
  labels.forEach((label, n) => {
    for (let k = 3; k < 9; k++) for (let j = 5; j < 12; j++) data[(k * 18 + j) * 16 + 5 + n] = label;
  });
  return { dims: DIMS, data, affineVoxelToRas };
}
const BOX = 6 * 7;

async function written(name: string, volume: Volume): Promise<string> {
  const path = join(root, name);
  await writeNifti(path, volume);
  return path;
}

describe("a label map's values", () => {
  let after2023: string;
  let before2023: string;
  beforeAll(async () => {
    after2023 = await written("3.nii", drawn([1, 2, 3]));
    before2023 = await written("4.nii", drawn([1, 2, 4]));
  });

  it("mean what was declared: enhancing tumour is 4 or 3, and 4 may be a cavity", async () => {
    const three = await placeLabels({ path: after2023, convention: "brats2023" }, GRIDS);
    const four = await placeLabels({ path: before2023, convention: "brats2021" }, GRIDS);
    expect([...three.classes.data]).toEqual([...four.classes.data]);
    expect([three.on, three.cavityMl]).toEqual(["t2", 0]);
    const operated = await placeLabels({ path: before2023, convention: "brats2024" }, GRIDS);
    expect(operated.classes.data.filter((label) => label === 3)).toHaveLength(0);
    expect(operated.cavityMl).toBeCloseTo((BOX * 2) / 1000, 6);
  });

  it("are refused where the declared convention does not have them", async () => {
    await expect(placeLabels({ path: before2023, convention: "brats2023" }, GRIDS)).rejects.toMatchObject({
      code: "label-unknown",
      hint: expect.stringContaining("brats2024"),
    });
    await expect(placeLabels({ path: after2023, convention: "brats2021" }, GRIDS)).rejects.toMatchObject({
      code: "label-unknown",
    });
  });

  it("are refused in a file that is no NIfTI, without the file's name", async () => {
    const path = join(root, "Mustermann.nii");
    await writeFile(path, "no NIfTI at all");
    const error = await placeLabels({ path, convention: "brats2021" }, GRIDS).catch((thrown: ConsiliumError) => thrown);
    expect(error).toMatchObject({ subject: "label map" });
    expect(JSON.stringify(error)).not.toContain("Mustermann");
  });

  it("and their meaning decide what a case was made from", async () => {
    const digests = [
      await digestOfLabels({ path: after2023, convention: "brats2023" }),
      await digestOfLabels({ path: after2023, convention: "brats2024" }),
      await digestOfLabels({ path: before2023, convention: "brats2021" }),
    ];
    expect(new Set(digests).size).toBe(3);
    await expect(digestOfLabels({ path: join(root, "none.nii"), convention: "brats2021" })).rejects.toMatchObject({
      code: "file-not-found",
      subject: "label map",
    });
  });
});

describe("a label map's place", () => {
  it("is that of a scan, in whatever order the voxels are stored", async () => {
    const turned = reorient(drawn([1, 2, 3]), "RAS");
    const path = await written("turned.nii", turned);
    const { on, classes } = await placeLabels({ path, convention: "brats2023" }, GRIDS);
    expect(on).toBe("t2");
    expect(classes.data.filter((label) => label > 0)).toHaveLength(3 * BOX);
  });

  it("is refused where it is no scan's", async () => {
    const shifted = multiplyAffines(rigidMatrix([0, 0, 0, 0, 0.5, 0], [0, 0, 0]), SCANNER);
    const path = await written("shifted.nii", drawn([1], shifted));
    await expect(placeLabels({ path, convention: "brats2023" }, GRIDS)).rejects.toMatchObject({
      code: "geometry-mismatch",
    });
  });

  it("moves with its scan, and keeps to the brain", () => {
    const motion = rigidMatrix([0, 0, 0.3, 2, 1, -1], [0, 0, 0]);
    const scan = drawn([1, 2, 3], multiplyAffines(motion, SCANNER));
    const whole = { dims: DIMS, affineVoxelToRas: SCANNER, data: new Uint8Array(16 * 18 * 12).fill(1) };
    const motions = { t1: UNMOVED, t1ce: UNMOVED, t2: motion, flair: UNMOVED };
    const { labelMap, drawnMl, keptMl, outsideBrain } = alignLabels(scan, "t2", whole, motions);
    expect([...labelMap.data]).toEqual([...scan.data]);
    expect([drawnMl, keptMl, outsideBrain]).toEqual([expect.closeTo(0.252, 9), expect.closeTo(0.252, 9), 0]);
    // The control: with another scan's motion it lies elsewhere.
    expect([...alignLabels(scan, "t1", whole, motions).labelMap.data]).not.toEqual([...scan.data]);
    const cut = { ...whole, data: whole.data.map((_, i) => (Math.floor(i / (16 * 18)) > 3 ? 1 : 0)) };
    expect(() => alignLabels(scan, "t2", cut, motions)).toThrow(/17 %/);
    const nearly = { ...whole, data: whole.data.map((_, i) => (i === (3 * 18 + 5) * 16 + 5 ? 0 : 1)) };
    const { outsideBrain: little, labelMap: kept } = alignLabels(scan, "t2", nearly, motions);
    expect(little).toBeCloseTo(1 / (3 * BOX), 9);
    expect(kept.data.filter((label) => label > 0)).toHaveLength(3 * BOX - 1);
  });
});

describe("the table of label maps", () => {
  const table = async (text: string): Promise<string> => {
    const path = join(root, "drawn.csv");
    await writeFile(path, text);
    return path;
  };

  it("names a file for a study, relative to itself", async () => {
    const read = await readLabelTable(await table("study,file\n1.2.3,maps/a.nii.gz\n"));
    expect([...read]).toEqual([["1.2.3", join(root, "maps/a.nii.gz")]]);
    expect(() => checkStudiesKnown(read, new Set(["1.2.3", "1.2.4"]))).not.toThrow();
    expect(() => checkStudiesKnown(read, new Set(["1.2.4"]))).toThrow(/1 of 1 that are not/);
  });

  it.each([
    ["a study twice", "study,file\n1,a.nii\n1,b.nii\n"],
    ["a file twice", "study,file\n1,a.nii\n2,./a.nii\n"],
    ["an empty cell", "study,file\n1,\n"],
    ["another column", "study,path\n1,a.nii\n"],
  ])("is refused with %s", async (_, text) => {
    await expect(readLabelTable(await table(text))).rejects.toMatchObject({ code: "dataset-invalid" });
  });
});
