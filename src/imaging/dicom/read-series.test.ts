/**
 * Reading against pydicom and dcm2niix. The small series are made (bench/oracle/dicom_vectors.py); pydicom's own files
 * and a real series are read where CONSILIUM_DICOM names a folder of them.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/sample-volumes.ts";
import type { Affine, Triple } from "../volume.ts";
import { readDicomImage } from "./read-dicom-image.ts";
import { readFrames } from "./read-frames.ts";
import { expectSame, onlyVolume } from "./testing/only-volume.ts";

interface Vectors {
  readonly uint16: string;
  readonly dims: Triple;
  readonly series: readonly {
    readonly name: string;
    readonly files: readonly string[];
    readonly dcm2niix?: { readonly affine: Affine; readonly dims: Triple; readonly float32: string };
  }[];
}

const vectors = JSON.parse(readFileSync(new URL("testdata/dicom-vectors.json", import.meta.url), "utf8")) as Vectors;
const folder = await temporaryFolder();

function bytesOf(base64: string): ArrayBuffer {
  return Uint8Array.from(Buffer.from(base64, "base64")).buffer;
}

describe("made series", () => {
  const made = vectors.series.map(async ({ name, files }) => {
    await mkdir(join(folder, name));
    await Promise.all(files.map((file, i) => writeFile(join(folder, name, `${i}`), new Uint8Array(bytesOf(file)))));
  });
  const stored = new Uint16Array(bytesOf(vectors.uint16));
  const expected = Float32Array.from(stored, (value) => 1.5 * value - 7);

  it.each(vectors.series.map(({ name }) => name))("%s: every value as written, rescaled", async (name) => {
    await Promise.all(made);
    const volume = await onlyVolume(join(folder, name));
    expect(volume.dims).toEqual(vectors.dims);
    expect(volume.data).toEqual(expected);
  });

  it.each(vectors.series.filter(({ dcm2niix }) => dcm2niix !== undefined))(
    "$name: the oblique grid and values of dcm2niix",
    async ({ name, dcm2niix }) => {
      await Promise.all(made);
      if (dcm2niix === undefined) throw new Error("no answer");
      const { affine, dims, float32 } = dcm2niix;
      const data = new Float32Array(bytesOf(float32));
      expectSame(await onlyVolume(join(folder, name)), { dims, data, affineVoxelToRas: affine });
    },
  );

  it.each(["rle", "jpegLs", "jpeg2000", "jpegLossless", "explicit"])("%s: cut short, is refused", async (name) => {
    await Promise.all(made);
    const [file] = vectors.series.find((series) => series.name === name)?.files ?? [];
    const dir = join(folder, `${name}-cut`);
    await mkdir(dir);
    await writeFile(join(dir, "cut"), new Uint8Array(bytesOf(file)).subarray(0, -1500));
    await expect(onlyVolume(dir)).rejects.toMatchObject({ code: "dicom-corrupt" });
  });
});

const real = process.env.CONSILIUM_DICOM;
if (real === undefined) console.error("skipped: set CONSILIUM_DICOM to a folder made by bench/oracle/dicom_vectors.py");

describe.skipIf(real === undefined)("pydicom's own files", () => {
  const dir = real ?? "";
  const answers = real
    ? (JSON.parse(readFileSync(join(dir, "pydicom.json"), "utf8")) as { file: string; sha256: string }[])
    : [];

  it.each(answers)("$file", async ({ file, sha256 }) => {
    const image = await readDicomImage(join(dir, "pydicom", file));
    if (typeof image === "string") throw new Error(image);
    const hash = createHash("sha256");
    for (const frame of await readFrames(image)) hash.update(BigInt64Array.from(frame, BigInt));
    expect(hash.digest("hex")).toBe(sha256);
  });
});
