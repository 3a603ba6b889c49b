/** A hospital's series against dcm2niix, where CONSILIUM_DICOM names a folder with one. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readNifti } from "../nifti-file.ts";
import type { Triple, Volume } from "../volume.ts";
import { type FrameStack, scanDicomFolder, stackFrames } from "./index.ts";
import { expectSame, onlyVolume } from "./testing/only-volume.ts";

const real = process.env.CONSILIUM_DICOM;
if (real === undefined) console.error("skipped: set CONSILIUM_DICOM to a folder made by bench/oracle/dicom_vectors.py");

/** In single precision throughout, as dcm2niix holds positions and takes their distance. */
function singleDistance(a: Triple, b: Triple): number {
  const squares = a.map((x, axis) => Math.fround(Math.fround(b[axis]) - Math.fround(x))).map((d) => Math.fround(d * d));
  return Math.fround(Math.sqrt(Math.fround(Math.fround(squares[0] + squares[1]) + squares[2])));
}

describe.skipIf(real === undefined || !existsSync(join(real, "series")))("a real series", () => {
  const dir = join(real ?? "", "series", "1");
  const stacked = async (): Promise<FrameStack> => {
    const { studies } = await scanDicomFolder(join(dir, "dicom"));
    return stackFrames(studies[0].series[0].frames, "series");
  };
  const dcm2niix = async (): Promise<Volume> => (await readNifti(join(dir, "dcm2niix.nii"))).volume;

  it("lies where its files say, slice by slice", async () => {
    const { frames, affineVoxelToRas: m } = await stacked();
    const off = frames.map(({ frame }, k) => {
      const [x, y, z] = frame.positionMm ?? [Number.NaN, 0, 0];
      return Math.hypot(-x - m[3] - k * m[2], -y - m[7] - k * m[6], z - m[11] - k * m[10]);
    });
    expect(Math.max(...off)).toBeLessThan(1e-5);
  });

  /*
   * dcm2niix steps from slice to slice by the distance of the first two, whose positions it holds in single precision:
   * 4e-6 mm too far here, which 383 steps make 1.5e-3 mm. What it makes of the files is so compared twice: its step
   * with the rounding that explains it, and everything else with its step in the place of ours.
   */
  it("has dcm2niix's step but for the single precision of the first two positions", async () => {
    const { frames, affineVoxelToRas: ours } = await stacked();
    const { affineVoxelToRas: theirs } = await dcm2niix();
    const step = (m: readonly number[]): number => Math.hypot(m[2], m[6], m[10]);
    const [first, second] = frames.map(({ frame }) => frame.positionMm as Triple);
    expect(Math.abs(singleDistance(first, second) - step(theirs))).toBeLessThan(1e-7);
    expect(Math.abs(step(theirs) - step(ours))).toBeGreaterThan(1e-6);
    const direction = (m: readonly number[]): number[] => [2, 6, 10].map((i) => m[i] / step(m));
    direction(theirs).forEach((x, axis) => expect(x).toBeCloseTo(direction(ours)[axis], 6));
  });

  it("is dcm2niix's volume, value by value, and but for that step its geometry to 1e-3 mm", async () => {
    const volume = await onlyVolume(join(dir, "dicom"));
    const theirs = await dcm2niix();
    const step = (m: readonly number[]): number => Math.hypot(m[2], m[6], m[10]);
    const ratio = step(theirs.affineVoxelToRas) / step(volume.affineVoxelToRas);
    const affineVoxelToRas = volume.affineVoxelToRas.map((x, i) => (i < 12 && i % 4 === 2 ? x * ratio : x));
    expectSame({ ...volume, affineVoxelToRas }, theirs, 1e-3);
  });
});
