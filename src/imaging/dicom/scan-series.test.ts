/** Series that make no volume, and folders as they come: every refusal with a case that it must catch. */
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/sample-volumes.ts";
import type { Affine, Volume } from "../volume.ts";
import { readStack, scanDicomFolder, stackFrames } from "./index.ts";
import { type SeriesOptions, writeSeries } from "./testing/write-dicom.ts";

const root = await temporaryFolder();
let dir = "";
let count = 0;

const AFFINE: Affine = [-0.9, 0, 0, 40, 0, -1.1, 0, 50, 0, 0, 2.5, -30, 0, 0, 0, 1];
const VOLUME: Volume = {
  dims: [6, 5, 12],
  data: Uint16Array.from({ length: 360 }, (_, i) => i),
  affineVoxelToRas: AFFINE,
};
const write = (options: Partial<SeriesOptions> = {}, where = dir): Promise<string[]> =>
  writeSeries(where, VOLUME, { uid: "1.9.1", study: "1.9", ...options });

beforeEach(async () => {
  dir = join(root, String(count++));
  await mkdir(dir);
});

async function volumeOfOnlySeries(): Promise<Volume> {
  const { studies } = await scanDicomFolder(dir);
  const [series] = studies[0].series;
  if (series.problem) throw series.problem;
  return readStack(stackFrames(series.frames, "series 1"), "series 1");
}

const position = (z: number): Record<string, string> => ({ "00200032": `-40\\-50\\${z}` });

describe("scanDicomFolder and stackFrames", () => {
  it("reads a series scattered over folders, beside files of other kinds", async () => {
    const paths = await write();
    await mkdir(join(dir, "a", "b"), { recursive: true });
    await copyFile(paths[3], join(dir, "a", "b", "elsewhere.dcm"));
    await rm(paths[3]);
    await writeFile(join(dir, "readme.txt"), "no image");
    const scan = await scanDicomFolder(dir);
    expect(scan.passedOver.other).toBe(1);
    const volume = await volumeOfOnlySeries();
    expect([...volume.data]).toEqual([...VOLUME.data]);
    volume.affineVoxelToRas.forEach((x, i) => expect(x).toBeCloseTo(AFFINE[i], 6));
  });

  it("counts a copy of a file once", async () => {
    const [path] = await write();
    await copyFile(path, join(dir, "copy"));
    expect((await scanDicomFolder(dir)).copies).toBe(1);
    expect((await volumeOfOnlySeries()).dims).toEqual(VOLUME.dims);
  });

  it("refuses two different images under one identifier", async () => {
    const [path] = await write();
    const bytes = await readFile(path);
    bytes[bytes.length - 1] ^= 1;
    await writeFile(join(dir, "altered"), bytes);
    await expect(volumeOfOnlySeries()).rejects.toMatchObject({ code: "series-refused" });
  });

  it("tells a missing slice", async () => {
    const paths = await write();
    await rm(paths[6]);
    await expect(volumeOfOnlySeries()).rejects.toMatchObject({
      code: "series-incomplete",
      actual: "1 missing after slice 6 of 11",
    });
  });

  it("refuses unequal gaps, several images at one place, a slanted stack, and too few slices", async () => {
    await write({ tagsOfSlice: (k) => position(k < 6 ? 2.5 * k : 2.5 * k + 1) });
    await expect(volumeOfOnlySeries()).rejects.toMatchObject({
      code: "geometry-invalid",
      actual: "3.5 mm after slice 6 of 12",
    });
    await write({ tagsOfSlice: (k) => position(2.5 * Math.floor(k / 2)) });
    await expect(volumeOfOnlySeries()).rejects.toMatchObject({ code: "series-refused" });
    await write({ tagsOfSlice: (k) => ({ "00200032": `-40\\${-50 + k}\\${2.5 * k}` }) });
    await expect(volumeOfOnlySeries()).rejects.toMatchObject({ code: "geometry-invalid", actual: /slanted by 21.80/ });
    const paths = await write();
    await Promise.all(paths.slice(5).map((path) => rm(path)));
    await expect(volumeOfOnlySeries()).rejects.toMatchObject({ code: "series-refused" });
  });

  it("keeps positions that a scanner rounded", async () => {
    await write({ tagsOfSlice: (k) => position(Number((2.4999 * k).toFixed(2))) });
    expect((await volumeOfOnlySeries()).dims).toEqual(VOLUME.dims);
  });

  it("refuses images without a place, in colour, and scaled by 0", async () => {
    await write({ tags: { "00200032": "" } });
    await expect(volumeOfOnlySeries()).rejects.toMatchObject({ code: "series-refused" });
    await write({ tags: { "00280002": "3", "00280004": "RGB" } });
    await expect(volumeOfOnlySeries()).rejects.toMatchObject({ code: "dicom-unsupported" });
    await write({ tags: { "00281053": "0", "00281052": "0" } });
    await expect(volumeOfOnlySeries()).rejects.toMatchObject({ code: "dicom-unsupported", actual: "0" });
  });

  it("rescales every slice by its own slope and intercept", async () => {
    await write();
    const plain = await volumeOfOnlySeries();
    await write({ tagsOfSlice: (k) => ({ "00281053": String(0.5 + k), "00281052": String(-k) }) });
    const scaled = await volumeOfOnlySeries();
    const area = plain.dims[0] * plain.dims[1];
    const expected = plain.data.map((value, i) => value * (0.5 + Math.floor(i / area)) - Math.floor(i / area));
    expect([...scaled.data]).toEqual([...expected]);
  });

  it("tells a file that breaks off, with its series", async () => {
    const paths = await write();
    await writeFile(paths[2], (await readFile(paths[2])).subarray(0, -7));
    await expect(volumeOfOnlySeries()).rejects.toMatchObject({ code: "dicom-corrupt", subject: "IM3" });
    await writeFile(paths[4], (await readFile(paths[4])).subarray(0, 300));
    expect((await scanDicomFolder(dir)).unreadable).toMatchObject([
      { path: paths[4], error: { code: "dicom-corrupt" } },
    ]);
  });

  it("splits a series by direction, and refuses several patients under one study", async () => {
    await write({ tagsOfSlice: (k) => (k < 6 ? {} : { "00200037": "1\\0\\0\\0\\0\\-1" }) });
    expect((await scanDicomFolder(dir)).studies[0].series).toHaveLength(2);
    await write({ tagsOfSlice: (k) => (k < 6 ? {} : { "00100020": "4712" }) });
    expect((await scanDicomFolder(dir)).studies[0].problem).toMatchObject({ code: "patients-mixed" });
  });

  it("keeps names of any character set out of what it returns", async () => {
    await write({ tags: { "00100010": "Müller^Jörg=鈴木^一郎", "00100020": "Müller-鈴木-1" } });
    const scan = await scanDicomFolder(dir);
    expect(scan.studies[0].patientDigest).toMatch(/^[0-9a-f]{64}$/);
    expect(JSON.stringify(scan)).not.toMatch(/ller|鈴木|Someone/);
  });

  it("counts files that are encrypted, and refuses a folder of nothing else", async () => {
    const envelope = Buffer.concat([Buffer.from("3082040006092a864886f70d010703", "hex"), Buffer.alloc(900)]);
    await writeFile(join(dir, "secure"), envelope);
    await expect(scanDicomFolder(dir)).rejects.toMatchObject({ code: "dataset-empty", actual: /1 of them encrypted/ });
    await write();
    expect((await scanDicomFolder(dir)).passedOver.encrypted).toBe(1);
  });
});
