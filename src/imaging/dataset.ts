/**
 * What a dataset is once it was found, whether by file names (`scan-dataset.ts`) or by its table
 * (`dataset-manifest.ts`): cases with their files and subjects, what is wrong, and how labels are written.
 *
 * Invariant: a case with a problem is not among `cases`; the convention is declared or follows from names, and is
 * never guessed from values.
 */
import { ConsiliumError } from "../base/index.ts";
import type { Modality } from "../study/index.ts";
import type { LabelConvention } from "./label-convention.ts";

export interface CaseFiles {
  readonly id: string;
  /** Cases of one subject are scans of one patient: keep them on one side of every split. */
  readonly subject: string;
  readonly folder: string;
  /** All four, unless the dataset was scanned with `mayMiss`. */
  readonly images: Readonly<Partial<Record<Modality, string>>>;
  readonly labelMap?: string;
}

export interface CaseProblem {
  readonly caseId: string;
  readonly error: ConsiliumError;
}

export interface Dataset {
  readonly dir: string;
  readonly convention: LabelConvention;
  /** Complete by name, sorted by id. Their contents are not checked yet: see checkCase. */
  readonly cases: readonly CaseFiles[];
  readonly problems: readonly CaseProblem[];
  /** NIfTI files whose names say no role, relative to `dir`; they are not used. */
  readonly ignored: readonly string[];
}

export interface ScanOptions {
  /** How labels are written; absent: as the file names say. */
  readonly labels?: LabelConvention;
  /** Modalities that a case may lack, where what is done with it is trained for that; none unless given. */
  readonly mayMiss?: readonly Modality[];
}

/** By code units: the same order on every machine, whatever its language. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * The convention that all file names of a dataset agree on.
 * @throws ConsiliumError `label-convention-unknown`.
 */
export function conventionOf(conventions: ReadonlySet<LabelConvention | undefined>, dir: string): LabelConvention {
  const [only, ...others] = conventions;
  if (only !== undefined && others.length === 0) return only;
  const mixed = conventions.has("brats2021") && conventions.has("brats2023");
  throw new ConsiliumError("label-convention-unknown", {
    subject: dir,
    expected: "file names of one BraTS layout, which tell how labels are written",
    actual: mixed ? "names of both layouts" : "names that follow neither layout exactly",
    hint: "Which value is enhancing tumour in these label maps: 4 (labels brats2021) or 3 (labels brats2023)? Say so with --labels.",
  });
}
