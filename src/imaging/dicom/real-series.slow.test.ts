/** A hospital's series against dcm2niix, where CONSILIUM_DICOM names a folder with one. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readNifti } from "../nifti-file.ts";
import { scanDicomFolder, stackFrames } from "./index.ts";
import { expectSame, onlyVolume } from "./testing/only-volume.ts";

const real = process.env.CONSILIUM_DICOM;
if (real === undefined) console.error("skipped: set CONSILIUM_DICOM to a folder made by bench/oracle/dicom_vectors.py");

describe.skipIf(real === undefined || !existsSync(join(real, "series")))("a real series", () => {
  const dir = join(real ?? "", "series", "1");

  it("lies where its files say, slice by slice", async () => {
    const { studies } = await scanDicomFolder(join(dir, "dicom"));
    const { frames, affineVoxelToRas: m } = stackFrames(studies[0].series[0].frames, "series");
    const off = frames.map(({ frame }, k) => {
      const [x, y, z] = frame.positionMm ?? [Number.NaN, 0, 0];
      return Math.hypot(-x - m[3] - k * m[2], -y - m[7] - k * m[6], z - m[11] - k * m[10]);
    });
    expect(Math.max(...off)).toBeLessThan(1e-5);
  });

  it("is dcm2niix's volume, value by value", async () => {
    // dcm2niix's step between slices is 4e-6 mm longer than the files' positions, 1.5e-3 mm after 384 slices.
    expectSame(await onlyVolume(join(dir, "dicom")), (await readNifti(join(dir, "dcm2niix.nii"))).volume, 2e-3);
  });
});
