import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { CaseFiles } from "./dataset.ts";
import { checkCase, inspectCase, loadCase } from "./load-case.ts";
import { readNifti, writeNifti } from "./nifti-file.ts";
import { scanDataset } from "./scan-dataset.ts";
import { sampleClasses, sampleImages, temporaryFolder, volumeOf, writeSampleCase } from "./testing/sample-volumes.ts";
import type { Volume } from "./volume.ts";

let files: CaseFiles;

beforeEach(async () => {
  const dir = await temporaryFolder();
  const classes = sampleClasses();
  const seg = { ...classes, data: classes.data.map((c) => (c === 3 ? 4 : c)) };
  await writeSampleCase(dir, "X", sampleImages(), seg);
  files = (await scanDataset(dir)).cases[0];
});

/** What is wrong, as code and file; loading must refuse the first of it. */
async function problems(): Promise<string[]> {
  const found = await checkCase(files, "brats2021");
  const refusal = await loadCase(files, "brats2021").catch((error: { code: string }) => error.code);
  if (found.length > 0) expect(refusal).toBe(found[0].error.code);
  return found.map(({ caseId, error }) => {
    expect(caseId).toBe("X");
    return `${error.code} ${error.subject}`;
  });
}

async function rewrite(path: string, edit: (volume: Volume) => Volume): Promise<void> {
  await writeNifti(path, edit((await readNifti(path)).volume));
}

const asFloat = (volume: Volume, of: (value: number, index: number) => number): Volume =>
  volumeOf(volume.dims, Float32Array.from(volume.data, of), volume.affineVoxelToRas);

describe("a sound case", () => {
  it("loads: channels in study order, labels as classes, on its own grid", async () => {
    expect(await problems()).toEqual([]);
    const loaded = await loadCase(files, "brats2021");
    const images = sampleImages();
    expect(loaded.modalities).toEqual(["t1", "t1ce", "t2", "flair"]);
    expect(loaded.channels.map(({ data }) => data)).toEqual(
      [images.t1, images.t1ce, images.t2, images.flair].map(({ data }) => Float32Array.from(data)),
    );
    expect(loaded.labelMap).toEqual(sampleClasses());
  });

  it("may hold only labels 1 and 2, under either convention", async () => {
    await rewrite(files.labelMap ?? "", (volume) => ({
      ...volume,
      data: volume.data.map((v) => Math.min(v, 2)) as Uint8Array,
    }));
    const classes = (await loadCase(files, "brats2021")).labelMap?.data;
    expect(new Set(classes)).toEqual(new Set([0, 1, 2]));
    expect((await loadCase(files, "brats2023")).labelMap?.data).toEqual(classes);
  });

  it("may hold labels as floats, if they are whole", async () => {
    await rewrite(files.labelMap ?? "", (volume) => asFloat(volume, (v) => v));
    expect((await loadCase(files, "brats2021")).labelMap?.data).toEqual(sampleClasses().data);
  });

  it("may have headers that differ by rounding, and no label map", async () => {
    await rewrite(files.images.t2 as string, (volume) => ({
      ...volume,
      affineVoxelToRas: volume.affineVoxelToRas.map((v, i) => (i === 3 ? v + 1e-4 : v)),
    }));
    const { labelMap: _, ...without } = files;
    expect(await checkCase(without, "brats2021")).toEqual([]);
    expect((await loadCase(without, "brats2021")).labelMap).toBeUndefined();
  });
});

describe("a bad case", () => {
  it.each<[string, (value: number, index: number) => number]>([
    ["NaN", (value, index) => (index === 500 ? Number.NaN : value)],
    ["infinity", (value, index) => (index === 500 ? Number.NEGATIVE_INFINITY : value)],
    ["only negative intensities", (value) => -value],
    ["one value in every voxel of the brain", (value) => (value === 0 ? 0 : 7)],
    ["one value everywhere", () => 7],
    ["zeros", () => 0],
  ])("has %s", async (_, of) => {
    await rewrite(files.images.t1ce as string, (volume) => asFloat(volume, of));
    expect(await problems()).toEqual(["intensity-invalid X_t1ce.nii.gz"]);
    await expect(loadCase(files, "brats2021")).rejects.toMatchObject({ code: "intensity-invalid" });
  });

  it("some negative intensities are none (positive control)", async () => {
    await rewrite(files.images.t1ce as string, (volume) => asFloat(volume, (value) => (value === 0 ? 0 : value - 430)));
    expect(await problems()).toEqual([]);
  });

  it("some negative intensities are named with their share, none otherwise", async () => {
    expect((await inspectCase(files, "brats2021")).negative).toEqual([]);
    let [filled, negative] = [0, 0];
    await rewrite(files.images.t2 as string, (volume) =>
      asFloat(volume, (value, index) => {
        if (value === 0) return 0;
        filled++;
        if (index % 5 !== 0) return value;
        negative++;
        return -value;
      }),
    );
    expect(negative).toBeGreaterThan(0);
    const inspected = await inspectCase(files, "brats2021");
    expect(inspected.problems).toEqual([]);
    expect(inspected.negative).toEqual([{ modality: "t2", share: negative / filled }]);
  });

  it("has modalities of another shape, or place", async () => {
    await writeNifti(files.images.t2 as string, sampleImages([12, 10, 7]).t2);
    await rewrite(files.images.flair as string, (volume) => ({
      ...volume,
      affineVoxelToRas: volume.affineVoxelToRas.map((v, i) => (i === 7 ? v - 1 : v)),
    }));
    expect(await problems()).toEqual(["geometry-mismatch X_t2.nii.gz", "geometry-mismatch X_flair.nii.gz"]);
  });

  it("has a label map of another grid", async () => {
    await writeNifti(files.labelMap ?? "", sampleClasses([12, 10, 9]));
    const classesOf2023 = ["geometry-mismatch X_seg.nii.gz", "label-unknown X_seg.nii.gz"];
    expect(await problems()).toEqual(classesOf2023);
  });

  it("has labels outside the schema, which say what they may mean", async () => {
    await writeNifti(files.labelMap ?? "", sampleClasses());
    const [{ error }] = await checkCase(files, "brats2021");
    expect(error).toMatchObject({
      code: "label-unknown",
      actual: "also 3",
      hint: expect.stringContaining("brats2023"),
    });
    expect(await checkCase(files, "brats2023")).toEqual([]);
    await rewrite(files.labelMap ?? "", (volume) => ({
      ...volume,
      data: Int16Array.from(volume.data, (v) => (v === 2 ? -5 : v * 100)),
    }));
    expect((await checkCase(files, "brats2021"))[0].error).toMatchObject({ actual: "also -5, 100, 300" });
  });

  it("has fractional labels", async () => {
    await rewrite(files.labelMap ?? "", (volume) => asFloat(volume, (v) => v / 2));
    expect((await checkCase(files, "brats2021"))[0].error).toMatchObject({
      code: "label-unknown",
      actual: "also 0.5",
      hint: expect.stringContaining("nearest neighbour"),
    });
  });

  it("has no orientation in its header", async () => {
    for (const path of Object.values(files.images)) {
      const { volume } = await readNifti(path);
      await writeNifti(
        path,
        { ...volume, affineVoxelToRas: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] },
        { spaceCode: 0 },
      );
    }
    const { labelMap: _, ...without } = files;
    const found = await checkCase(without, "brats2021");
    expect(found.map(({ error }) => error.code)).toEqual(new Array(4).fill("geometry-invalid"));
  });

  it("lists everything at once: truncated, corrupt, missing, NaN and a strange label", async () => {
    const t1 = await readFile(files.images.t1 as string);
    await writeFile(files.images.t1 as string, t1.subarray(0, t1.length - 20));
    await writeFile(files.images.t1ce as string, "not gzip, not NIfTI".repeat(40));
    files = { ...files, images: { ...files.images, t2: join(files.folder, "absent.nii.gz") } };
    await rewrite(files.images.flair as string, (volume) => asFloat(volume, () => Number.NaN));
    await rewrite(files.labelMap ?? "", (volume) => ({
      ...volume,
      data: volume.data.map((v) => (v === 4 ? 9 : v)) as Uint8Array,
    }));
    const found = await checkCase(files, "brats2021");
    expect(found.map(({ error }) => `${error.code} ${basename(error.subject)}`)).toEqual([
      "nifti-corrupt X_t1.nii.gz",
      "nifti-corrupt X_t1ce.nii.gz",
      "file-not-found absent.nii.gz",
      "intensity-invalid X_flair.nii.gz",
      "label-unknown X_seg.nii.gz",
    ]);
    await expect(loadCase(files, "brats2021")).rejects.toMatchObject({ code: "nifti-corrupt" });
  });

  it("has a time series for an image", async () => {
    await writeNifti(files.images.t2 as string, sampleImages().t2);
    const plain = (files.images.t2 as string).replace(/\.gz$/, "");
    await writeNifti(plain, sampleImages().t2);
    const bytes = await readFile(plain);
    bytes.writeInt16LE(4, 40);
    bytes.writeInt16LE(3, 48);
    await writeFile(files.images.t2 as string, bytes);
    expect(await problems()).toEqual(["nifti-unsupported X_t2.nii.gz"]);
  });
});
