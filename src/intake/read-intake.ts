/** What an intake has come to, as it stands on disk: each case with its state, its figures, its error and its sheets. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ConsiliumError } from "../base/index.ts";
import { MODALITY_NAMES } from "../study/index.ts";
import { type CaseRecord, type CaseState, hasRecord, intakeFolder, readRecords, STATES } from "./case-record.ts";
import { DATASET_LABELS } from "./run-case.ts";
import { readSheet, SHEET_TITLES, sheetLegend, sheetsOf } from "./sheet-files.ts";

export interface IntakeCase {
  readonly caseId: string;
  readonly subject: string;
  /** The last state that was reached. */
  readonly state: CaseState;
  readonly failure: CaseRecord["failure"] | null;
  readonly brainMl: number | null;
  readonly atlasOverlap: number | null;
  /** In words, for people. */
  readonly facts: readonly string[];
  /** What a sheet shows from left to right. */
  readonly legend: string;
  readonly sheets: readonly { readonly state: CaseState; readonly title: string }[];
}

/** Whether a folder is one that intake made, or makes. */
export function isIntake(out: string): boolean {
  return existsSync(join(intakeFolder(out), "cases"));
}

/** @throws ConsiliumError `file-not-found` for a folder of something else, `file-corrupt` */
export async function readIntake(out: string): Promise<readonly IntakeCase[]> {
  if (!isIntake(out)) throw noIntake();
  return (await readRecords(out)).map((record) => intakeCase(out, record));
}

export function intakeCase(out: string, record: CaseRecord): IntakeCase {
  const { caseId, subject, state, failure = null, checks } = record;
  return {
    caseId,
    subject,
    state,
    failure,
    brainMl: checks?.brainMl ?? null,
    atlasOverlap: checks?.atlasOverlap ?? null,
    facts: factsOf(record),
    legend: sheetLegend(record.missing),
    sheets: sheetsOf(out, caseId).map((each) => ({ state: each, title: SHEET_TITLES[each] ?? each })),
  };
}

/** A contact sheet of a case that this intake knows, a PNG file. @throws ConsiliumError `file-not-found` */
export async function intakeSheet(out: string, caseId: string, state: string): Promise<Uint8Array> {
  const known = STATES.find((each) => each === state);
  if (known === undefined || !isIntake(out) || !(await hasRecord(out, caseId))) throw noIntake();
  return readSheet(out, caseId, known);
}

function factsOf({ checks, information = {}, labels, missing = [] }: CaseRecord): string[] {
  const listed = (figures: Readonly<Record<string, number | undefined>>, words: (value: number) => string): string =>
    Object.entries(figures)
      .flatMap(([modality, value]) => (value === undefined ? [] : [`${modality} ${words(value)}`]))
      .join(", ");
  return [
    ...(missing.length > 0
      ? [`without ${missing.map((each) => MODALITY_NAMES[each]).join(", ")}, as was declared (--may-miss)`]
      : []),
    ...(checks ? [`coverage of the brain ${listed(checks.coverage, (part) => `${(100 * part).toFixed(0)} %`)}`] : []),
    ...(Object.keys(information).length > 0
      ? [`mutual information ${listed(information, (value) => value.toFixed(3))}`]
      : []),
    ...(labels ? [labelsFact(labels)] : []),
  ];
}

/** What a given label map was, and what became of it: nothing of it is changed unsaid. */
function labelsFact({
  convention,
  on,
  cavityMl,
  drawnMl,
  keptMl,
  outsideBrain,
}: NonNullable<CaseRecord["labels"]>): string {
  const numbers = convention === DATASET_LABELS ? "" : ", written with enhancing tumour as 4";
  const cavity = cavityMl > 0 ? `; cavity of ${cavityMl.toFixed(1)} ml read as background` : "";
  const kept =
    drawnMl === undefined || keptMl === undefined || outsideBrain === undefined
      ? ""
      : `; tumour of ${drawnMl.toFixed(1)} ml, ${keptMl.toFixed(1)} ml on the atlas, ${(100 * outsideBrain).toFixed(1)} % outside the brain cut off`;
  return `label map drawn on ${on}, declared as ${convention}${numbers}${cavity}${kept}`;
}

function noIntake(): ConsiliumError {
  return new ConsiliumError("file-not-found", {
    subject: "intake",
    expected: "a folder that `consilium intake` made, and a case that it knows",
    actual: "another",
    hint: "Name the folder by --intake: the one that `consilium intake --out` was given.",
  });
}
