/**
 * Writes phantoms as a dataset in the layout of BraTS 2021: one folder a case with four modalities and the label map
 * (labels 1, 2, 4). The same options give the same bytes. A case appears under its name only when it is whole.
 */
import { mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { ConsiliumError, LIMITS } from "../../base/index.ts";
import { MODALITIES } from "../../study/index.ts";
import { writeNifti } from "../nifti-file.ts";
import { writeLabelMap } from "../restore-case.ts";
import { makePhantom } from "./phantom.ts";

export interface CohortOptions {
  /** Created where missing; must be empty. */
  readonly dir: string;
  readonly cases: number;
  readonly seed: number;
  /** Index of the first case, 0 by default: cohorts of one seed that do not overlap continue where another ended. */
  readonly firstCase?: number;
  /** Scanners in this cohort, 1 by default; cases take them in turn. */
  readonly sites?: number;
  /** Index of the first scanner, 0 by default: hospitals with folders of their own take different ones. */
  readonly firstSite?: number;
  /** Isotropic voxel size in mm, 1 by default. */
  readonly spacingMm?: number;
}

export interface CohortProgress {
  readonly done: number;
  readonly cases: number;
  readonly caseId: string;
}

/** Name of a case: "Phantom_00001" for index 0. */
export function phantomCaseId(caseIndex: number): string {
  return `Phantom_${String(caseIndex + 1).padStart(5, "0")}`;
}

/**
 * @throws ConsiliumError `file-exists` for a folder that is not empty, `usage` for counts out of range,
 *   `folder-not-writable`, `disk-full`.
 */
export async function writeCohort(options: CohortOptions, onProgress?: (p: CohortProgress) => void): Promise<string[]> {
  const { dir, cases, seed, firstCase = 0, sites = 1, firstSite = 0, spacingMm = 1 } = options;
  checkCount("cases", cases, 1, LIMITS.casesPerDataset);
  checkCount("sites", sites, 1, LIMITS.sitesPerFederation);
  checkCount("first case", firstCase, 0, LIMITS.casesPerDataset);
  checkCount("first site", firstSite, 0, LIMITS.sitesPerFederation);
  await prepareFolder(dir);
  const written: string[] = [];
  for (let n = 0; n < cases; n++) {
    const caseIndex = firstCase + n;
    const caseId = phantomCaseId(caseIndex);
    const phantom = makePhantom({ seed, caseIndex, siteIndex: firstSite + (n % sites), spacingMm });
    const partial = join(dir, `.${caseId}.partial`);
    await mkdir(partial);
    await Promise.all([
      ...MODALITIES.map((modality) => writeNifti(join(partial, `${caseId}_${modality}.nii.gz`), phantom[modality])),
      writeLabelMap(join(partial, `${caseId}_seg.nii.gz`), phantom.labelMap, "brats2021"),
    ]);
    await rename(partial, join(dir, caseId));
    written.push(caseId);
    onProgress?.({ done: n + 1, cases, caseId });
  }
  return written;
}

async function prepareFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true });
    const found = await readdir(dir);
    if (found.length === 0) return;
    throw new ConsiliumError("file-exists", {
      subject: dir,
      expected: "an empty or new folder",
      actual: `${found.length} entries`,
      hint: "Name another folder, or remove this one first.",
    });
  } catch (cause) {
    if (cause instanceof ConsiliumError) throw cause;
    throw new ConsiliumError("folder-not-writable", {
      subject: dir,
      expected: "a folder that can be made and listed",
      actual: (cause as NodeJS.ErrnoException).code ?? String(cause),
      hint: "Name a folder on a disk that you may write to.",
      cause,
    });
  }
}

function checkCount(what: string, count: number, low: number, high: number): void {
  if (Number.isInteger(count) && count >= low && count <= high) return;
  throw new ConsiliumError("usage", {
    subject: `phantom ${what}`,
    expected: `a whole number from ${low} to ${high}`,
    actual: String(count),
    hint: "Give a number in that range.",
  });
}
