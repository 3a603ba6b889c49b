/**
 * How exactly rigid registration finds known motions between sequences of real cases: one of T1, T2 and FLAIR, moved by
 * 15 mm and 15 degrees and thickened to slices of 5 mm, onto T1 with contrast.
 *
 * The cases' own scans lie on each other as well as those who made BraTS brought them there, so beside the distance to
 * the motion stands that to where the same scan is found unmoved and in its own slices.
 *
 *   CONSILIUM_BRATS=FOLDER npx tsx bench/registration.ts [CASES]
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { multiplyAffines, readNifti, registerRigid, rigidDifference, type Triple } from "../src/imaging/index.ts";
import {
  floats,
  knownMotion,
  movedBy,
  thickened,
  worstDistanceMm,
} from "../src/imaging/registration/testing/moved-head.ts";

const CENTRE: Triple = [-119, 119, 75];

async function main(folder: string, count: number): Promise<void> {
  const cases = readdirSync(folder).filter((name) => name.startsWith("BraTS"));
  process.stdout.write(
    "| case | scan | degrees | mm at the centre | mm at worst in the brain's box | against itself unmoved: degrees | mm | seconds |\n",
  );
  process.stdout.write("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const [c, name] of cases.slice(0, count).entries()) {
    const read = async (modality: string) =>
      floats((await readNifti(join(folder, name, `${name}_${modality}.nii.gz`))).volume);
    const fixed = await read("t1ce");
    for (const [m, modality] of ["t1", "t2", "flair"].entries()) {
      const motion = knownMotion(3 * c + m, 15, 15, CENTRE);
      const scan = await read(modality);
      const moving = movedBy(thickened(scan, 5), motion);
      const started = performance.now();
      const { fixedToMoving } = registerRigid(fixed, moving);
      const { degrees, mm } = rigidDifference(fixedToMoving, motion, CENTRE);
      const worst = worstDistanceMm(fixedToMoving, motion, CENTRE);
      const seconds = (performance.now() - started) / 1000;
      const unmoved = registerRigid(fixed, scan).fixedToMoving;
      const own = rigidDifference(fixedToMoving, multiplyAffines(motion, unmoved), CENTRE);
      const row = [
        name,
        modality,
        degrees.toFixed(2),
        mm.toFixed(2),
        worst.toFixed(2),
        own.degrees.toFixed(2),
        own.mm.toFixed(2),
        seconds.toFixed(0),
      ];
      process.stdout.write(`| ${row.join(" | ")} |\n`);
    }
  }
}

const folder = process.env.CONSILIUM_BRATS;
if (folder === undefined) console.error("Set CONSILIUM_BRATS to a folder of BraTS 2021 cases.");
else await main(folder, Number(process.argv[2] ?? 7));
