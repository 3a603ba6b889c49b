/** Reading a folder of one series, and comparing the volume with another program's. */
import { expect } from "vitest";
import { cornerDistanceMm } from "../../affine.ts";
import { reorient } from "../../orientation.ts";
import type { Volume } from "../../volume.ts";
import { readStack, scanDicomFolder, stackFrames } from "../index.ts";

export async function onlyVolume(dir: string): Promise<Volume<Float32Array>> {
  const { studies } = await scanDicomFolder(dir);
  expect(studies).toHaveLength(1);
  expect(studies[0].series).toHaveLength(1);
  return readStack(stackFrames(studies[0].series[0].frames, "series"), "series");
}

/** The same grid and the same values, in whatever order the voxels stand. */
export function expectSame(volume: Volume, other: Volume, withinMm = 1e-3): void {
  const [a, b] = [reorient(volume, "LPS"), reorient(other, "LPS")];
  expect(a.dims).toEqual(b.dims);
  expect(cornerDistanceMm(a.affineVoxelToRas, b.affineVoxelToRas, a.dims)).toBeLessThan(withinMm);
  let worst = 0;
  for (let i = 0; i < a.data.length; i++) worst = Math.max(worst, Math.abs(a.data[i] - b.data[i]));
  expect(worst).toBe(0);
}
