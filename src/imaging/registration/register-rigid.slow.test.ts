/**
 * Real cases, where CONSILIUM_BRATS names them: motions of 15 mm and 15 degrees between sequences, the moved one in
 * slices of 5 mm, must be found to under 1 mm and 1 degree.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readNifti } from "../nifti-file.ts";
import type { Triple, Volume } from "../volume.ts";
import { registerRigid, rigidDifference } from "./index.ts";
import { floats, knownMotion, movedBy, thickened, worstDistanceMm } from "./testing/moved-head.ts";

const brats = process.env.CONSILIUM_BRATS;
if (brats === undefined) console.error("skipped: set CONSILIUM_BRATS to a BraTS 2021 folder to register real scans");

const CENTRE: Triple = [-119, 119, 75];
const PAIRS = [
  [0, "t2"],
  [1, "flair"],
  [4, "t1"],
] as const;

describe.skipIf(brats === undefined)("real cases", () => {
  const cases = brats === undefined ? [] : readdirSync(brats).filter((name) => name.startsWith("BraTS"));
  const read = async (name: string, modality: string): Promise<Volume<Float32Array>> =>
    floats((await readNifti(join(brats ?? "", name, `${name}_${modality}.nii.gz`))).volume);

  it.each(PAIRS)("case %i, %s onto t1ce", async (index, modality) => {
    const motion = knownMotion(index, 15, 15, CENTRE);
    const moving = movedBy(thickened(await read(cases[index], modality), 5), motion);
    const { fixedToMoving } = registerRigid(await read(cases[index], "t1ce"), moving);
    const { degrees, mm } = rigidDifference(fixedToMoving, motion, CENTRE);
    console.error(
      `${modality}: ${degrees.toFixed(2)} degrees, ${mm.toFixed(2)} mm, ${worstDistanceMm(fixedToMoving, motion, CENTRE).toFixed(2)} mm at worst`,
    );
    expect(degrees).toBeLessThan(1);
    expect(mm).toBeLessThan(1);
  });
});
