/**
 * What BraTS file names say: case, modality and label convention.
 *
 * 2012 to 2021: `X_t1.nii.gz`, `X_t1ce`, `X_t2`, `X_flair`, `X_seg`. From 2023: `X-t1n`, `X-t1c`, `X-t2w`, `X-t2f`,
 * `X-seg`. Other mixtures of separator and suffix still tell the modality, but no longer which labels were meant.
 */
import type { Modality } from "../study/index.ts";
import type { LabelConvention } from "./label-convention.ts";

export type CaseFileRole = Modality | "labelMap";

export interface CaseFileName {
  readonly caseId: string;
  readonly role: CaseFileRole;
  /** Undefined where the name follows neither layout exactly. */
  readonly convention: LabelConvention | undefined;
}

const ROLE_OF_SUFFIX: Readonly<Record<string, CaseFileRole>> = {
  t1: "t1",
  t1n: "t1",
  t1ce: "t1ce",
  t1c: "t1ce",
  t2: "t2",
  t2w: "t2",
  flair: "flair",
  t2f: "flair",
  seg: "labelMap",
};

const NAME = /^(.+)([_-])(t1|t1n|t1ce|t1c|t2|t2w|flair|t2f|seg)\.nii(?:\.gz)?$/i;
const CONVENTION_OF_NAME: readonly (readonly [RegExp, LabelConvention])[] = [
  [/_(t1|t1ce|t2|flair|seg)\.nii(\.gz)?$/, "brats2021"],
  [/-(t1n|t1c|t2w|t2f|seg)\.nii(\.gz)?$/, "brats2023"],
];

/** The file name's parts, or undefined for a name of no known role. */
export function parseCaseFileName(name: string): CaseFileName | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const [, caseId, , suffix] = match;
  const convention = CONVENTION_OF_NAME.find(([pattern]) => pattern.test(name))?.[1];
  return { caseId, role: ROLE_OF_SUFFIX[suffix.toLowerCase()], convention };
}

const SUFFIXES_2021: Readonly<Record<CaseFileRole, string>> = {
  t1: "_t1",
  t1ce: "_t1ce",
  t2: "_t2",
  flair: "_flair",
  labelMap: "_seg",
};
const SUFFIXES_2023: Readonly<Record<CaseFileRole, string>> = {
  t1: "-t1n",
  t1ce: "-t1c",
  t2: "-t2w",
  flair: "-t2f",
  labelMap: "-seg",
};

/** The name that a convention's layout has for a case's file; gzipped or not, the bytes tell. */
export function caseFileName(caseId: string, role: CaseFileRole, convention: LabelConvention): string {
  const suffixes = convention === "brats2021" ? SUFFIXES_2021 : SUFFIXES_2023;
  return `${caseId}${suffixes[role]}.nii.gz`;
}

const TIME_POINTS = [
  // BraTS-GLI-00001-000: subject 00001 at time point 000 (BraTS 2023 on).
  /^(BraTS-[A-Za-z]+-\d+)-\d{3}$/i,
  // Brats18_TCIA01_131_1: subject 131 of TCIA01, scan 1 (BraTS 2017 to 2019).
  /^(Brats1[789]_[A-Za-z0-9]+_[A-Za-z0-9]+)_\d+$/i,
];

/** The patient behind a case: what is left without a time point, so that splits keep a patient's scans together. */
export function subjectOfCase(caseId: string): string {
  for (const pattern of TIME_POINTS) {
    const match = pattern.exec(caseId);
    if (match !== null) return match[1];
  }
  return caseId;
}

export function isNiftiName(name: string): boolean {
  return /\.nii(\.gz)?$/i.test(name);
}
