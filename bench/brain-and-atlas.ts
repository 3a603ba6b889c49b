/**
 * What intake makes of one T1 head: the size of its brain, and how far that brain and an atlas's lie on one another once
 * the head was registered. With CONSILIUM_BRATS also how far cases that lie in SRI24's space already are turned against
 * the product's own atlas.
 *
 *   npx tsx bench/brain-and-atlas.ts DICOM-FOLDER|HEAD.nii.gz [ATLAS.nii.gz ...]
 *
 * With CONSILIUM_TISSUE=GREY.nii.gz,WHITE.nii.gz, probabilities on the first named atlas's grid: how far the brain found
 * and grey with white matter lie on one another.
 */
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import {
  extractBrain,
  MODALITIES,
  type Modality,
  readNifti,
  readStack,
  rigidDifference,
  scanDicomFolder,
  spacingMmOf,
  stackFrames,
  type Volume,
} from "../src/imaging/index.ts";
import { maskOnto, registerToAtlas, UNMOVED, workingCopy } from "../src/intake/align-case.ts";
import { type Atlas, ownAtlas, readAtlas } from "../src/intake/atlas.ts";
import { checkPlacement } from "../src/intake/check-aligned.ts";

const say = (line: string): boolean => process.stdout.write(`${line}\n`);
const forAll = <T>(value: T): Record<Modality, T> =>
  Object.fromEntries(MODALITIES.map((modality) => [modality, value])) as Record<Modality, T>;

async function readHead(folder: string): Promise<Volume<Float32Array>> {
  if (folder.endsWith(".nii.gz")) {
    const { volume } = await readNifti(folder);
    return { ...volume, data: Float32Array.from(volume.data) };
  }
  const { studies } = await scanDicomFolder(folder);
  const series = studies.flatMap((study) => study.series).sort((a, b) => b.frames.length - a.frames.length)[0];
  return readStack(stackFrames(series.frames, "head"), "head");
}

/** Grey with white matter of half and more, 0 and 1 on their own grid. */
async function readTissue(files: string): Promise<Volume<Float32Array>> {
  const [grey, white] = await Promise.all(
    files.split(",").map(async (file) => Float32Array.from((await readNifti(file)).volume.data)),
  );
  const { volume } = await readNifti(files.split(",")[0]);
  const half = 0.5 * grey.reduce((most, value) => Math.max(most, value), 0);
  return { ...volume, data: grey.map((value, i) => (value + white[i] > half ? 1 : 0)) };
}

function overlapOf(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [both, either] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== 0 && b[i] !== 0) both++;
    either += (a[i] !== 0 ? 1 : 0) + (b[i] !== 0 ? 1 : 0);
  }
  return (2 * both) / either;
}

async function judgeHead(folder: string, atlases: readonly Atlas[]): Promise<void> {
  const head = await readHead(folder);
  const copy = workingCopy(head);
  const { mask } = extractBrain(copy, "head");
  const brain = { dims: copy.dims, affineVoxelToRas: copy.affineVoxelToRas, data: mask };
  const voxelMl = spacingMmOf(copy.affineVoxelToRas).reduce((product, side) => product * side, 1) / 1000;
  say(`brain of ${basename(folder)}: ${(voxelMl * mask.reduce((sum, inside) => sum + inside, 0)).toFixed(0)} ml`);
  for (const atlas of atlases) {
    const { atlasToReference } = registerToAtlas(copy, brain, atlas);
    const placed = maskOnto({ ...brain, data: Float32Array.from(mask) }, atlas.grid, atlasToReference);
    const { atlasOverlap } = checkPlacement(placed, atlas, forAll(atlasToReference), forAll(head));
    say(`overlap (Dice) with ${atlas.name}: ${atlasOverlap.toFixed(3)}`);
    if (process.env.CONSILIUM_TISSUE !== undefined && atlas === atlases[1]) {
      const tissue = await readTissue(process.env.CONSILIUM_TISSUE);
      const onTissue = maskOnto({ ...brain, data: Float32Array.from(mask) }, tissue, atlasToReference);
      say(`overlap (Dice) with its grey and white matter: ${overlapOf(onTissue.data, tissue.data).toFixed(3)}`);
    }
  }
}

async function judgeOwnAtlas(folder: string, atlas: Atlas): Promise<void> {
  for (const name of readdirSync(folder).filter((entry) => entry.startsWith("BraTS"))) {
    const { volume } = await readNifti(join(folder, name, `${name}_t1ce.nii.gz`));
    const scan = { ...volume, data: Float32Array.from(volume.data) };
    const brain = { ...volume, data: Uint8Array.from(volume.data, (value) => (value === 0 ? 0 : 1)) };
    const { atlasToReference } = registerToAtlas(scan, brain, atlas);
    const { degrees } = rigidDifference(atlasToReference, UNMOVED, [0, 0, 0]);
    say(`${name} against ${atlas.name}: ${degrees.toFixed(1)} degrees`);
  }
}

const [dicom, ...named] = process.argv.slice(2);
const own = ownAtlas();
if (dicom !== undefined) await judgeHead(dicom, [own, ...(await Promise.all(named.map(readAtlas)))]);
if (process.env.CONSILIUM_BRATS) await judgeOwnAtlas(process.env.CONSILIUM_BRATS, own);
