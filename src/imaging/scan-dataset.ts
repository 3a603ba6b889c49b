/**
 * Finds the cases of a dataset folder without opening an image: by its table where it has one
 * (`dataset-manifest.ts`), else by file names. Folders may hold one case each
 * (BraTS), be grouped (HGG/, LGG/), or hold all files of many cases. Everything that is wrong is listed; a case with
 * a problem is not among `cases`.
 */
import { readdir, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { ConsiliumError, LIMITS } from "../base/index.ts";
import { MODALITIES, type Modality } from "../study/index.ts";
import { type CaseFileRole, isNiftiName, parseCaseFileName, subjectOfCase } from "./case-names.ts";
import { type CaseFiles, type CaseProblem, compare, conventionOf, type Dataset, type ScanOptions } from "./dataset.ts";
import { hasManifest, scanManifest } from "./dataset-manifest.ts";
import type { LabelConvention } from "./label-convention.ts";
import { readError } from "./nifti-file.ts";

/** dataset / group / case / files, and one to spare. */
const MAX_DEPTH = 4;

interface FoundCase {
  readonly id: string;
  readonly folder: string;
  readonly files: Map<CaseFileRole, string[]>;
}

interface Found {
  /** By folder and case. */
  readonly cases: Map<string, FoundCase>;
  readonly conventions: Set<LabelConvention | undefined>;
  readonly ignored: string[];
}

/**
 * @throws ConsiliumError `dataset-empty` without a single file of a known name, `label-convention-unknown` where
 *   neither names nor `labels` tell the convention, `file-not-found`, `file-unreadable`, `limit-exceeded`.
 */
export async function scanDataset(dir: string, options: ScanOptions = {}): Promise<Dataset> {
  if (await hasManifest(dir)) return scanManifest(dir, options);
  const found: Found = { cases: new Map(), conventions: new Set(), ignored: [] };
  await scanFolder(dir, 0, found);
  if (found.cases.size === 0) throw emptyDataset(dir, found.ignored.length);
  const convention = options.labels ?? conventionOf(found.conventions, dir);

  const problems: CaseProblem[] = [];
  const cases: CaseFiles[] = [];
  const folderOfId = new Map<string, string>();
  const sorted = [...found.cases.values()].sort((a, b) => compare(a.id, b.id) || compare(a.folder, b.folder));
  for (const candidate of sorted) {
    const errors = problemsOf(candidate, folderOfId.get(candidate.id), options.mayMiss ?? []);
    folderOfId.set(candidate.id, candidate.folder);
    if (errors.length === 0) cases.push(caseOf(candidate));
    else problems.push(...errors.map((error) => ({ caseId: candidate.id, error })));
  }
  return { dir, convention, cases, problems, ignored: found.ignored.map((path) => relative(dir, path)).sort(compare) };
}

async function scanFolder(folder: string, depth: number, found: Found): Promise<void> {
  let names: string[];
  try {
    names = (await readdir(folder)).filter((name) => !name.startsWith(".")).sort(compare);
  } catch (cause) {
    throw readError(cause, folder);
  }
  for (const name of names) {
    const path = join(folder, name);
    // A link into nowhere counts as absent.
    const entry = await stat(path).catch(() => undefined);
    if (entry?.isDirectory() && depth < MAX_DEPTH) await scanFolder(path, depth + 1, found);
    if (entry?.isFile() && isNiftiName(name)) addFile(folder, name, path, found);
  }
}

function addFile(folder: string, name: string, path: string, found: Found): void {
  const parts = parseCaseFileName(name);
  if (parts === undefined) {
    found.ignored.push(path);
    return;
  }
  const key = `${folder}\0${parts.caseId}`;
  const known = found.cases.get(key) ?? { id: parts.caseId, folder, files: new Map<CaseFileRole, string[]>() };
  known.files.set(parts.role, [...(known.files.get(parts.role) ?? []), path]);
  found.cases.set(key, known);
  found.conventions.add(parts.convention);
  if (found.cases.size > LIMITS.casesPerDataset) {
    throw new ConsiliumError("limit-exceeded", {
      subject: "dataset",
      expected: `at most ${LIMITS.casesPerDataset} cases`,
      actual: "more",
      hint: "Name a folder with fewer cases.",
    });
  }
}

function emptyDataset(dir: string, ignored: number): ConsiliumError {
  return new ConsiliumError("dataset-empty", {
    subject: dir,
    expected:
      "cases in a BraTS layout (X_t1.nii.gz, X_t1ce, X_t2, X_flair, X_seg; or X-t1n, X-t1c, X-t2w, X-t2f, X-seg)",
    actual: ignored === 0 ? "no NIfTI file" : `${ignored} NIfTI file${ignored === 1 ? "" : "s"} of other names`,
    hint: "Check the folder, or rename the files.",
  });
}

function problemsOf(
  { id, folder, files }: FoundCase,
  otherFolder: string | undefined,
  mayMiss: readonly Modality[],
): ConsiliumError[] {
  const subject = `case ${id}`;
  const errors: ConsiliumError[] = [];
  const missing = MODALITIES.filter((modality) => !files.has(modality) && !mayMiss.includes(modality));
  if (missing.length > 0) {
    errors.push(
      new ConsiliumError("modality-missing", {
        subject,
        expected: `images of ${MODALITIES.join(", ")}`,
        actual: `no ${missing.join(", no ")}`,
        hint: "Add the missing image, declare that it may be missing (docs/DATASETS.md), or leave the case out.",
      }),
    );
  }
  for (const [role, paths] of files) {
    if (paths.length < 2) continue;
    errors.push(
      new ConsiliumError("dataset-invalid", {
        subject,
        expected: `one file for ${role === "labelMap" ? "the label map" : role}`,
        actual: paths.map((path) => relative(folder, path)).join(" and "),
        hint: "Remove all but one.",
      }),
    );
  }
  if (otherFolder !== undefined) {
    errors.push(
      new ConsiliumError("dataset-invalid", {
        subject,
        expected: "every case in one folder only",
        actual: "the same case in two",
        hint: "Remove one of them.",
      }),
    );
  }
  return errors;
}

function caseOf({ id, folder, files }: FoundCase): CaseFiles {
  const pathOf = (role: CaseFileRole): string => (files.get(role) as string[])[0];
  const images = Object.fromEntries(
    MODALITIES.filter((modality) => files.has(modality)).map((modality) => [modality, pathOf(modality)]),
  );
  const base = { id, subject: subjectOfCase(id), folder, images };
  return files.has("labelMap") ? { ...base, labelMap: pathOf("labelMap") } : base;
}
