/**
 * A dataset described by a table, `dataset.csv` in its folder, instead of by file names: one row a case, with the
 * columns case, t1, t1ce, t2, flair, and where there are such things subject, timepoint and seg. Cells of images hold
 * paths within the folder.
 *
 * Invariants
 * - A path is relative, with forward slashes, and has no "..": what lies outside the folder cannot be named. Links
 *   within the folder are followed, as they are where file names describe a dataset.
 * - No file stands for two images, no case has two rows, no subject two cases of one time point: such slips put a
 *   patient's scan on both sides of a split.
 * - Where there is a column for subjects every row has one; without the column subjects follow from the names of cases.
 * - Everything that is wrong with single cases is listed; a table that cannot be read as one is refused whole.
 */
import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ConsiliumError, LIMITS } from "../base/index.ts";
import { MODALITIES, type Modality } from "../study/index.ts";
import { parseCaseFileName, subjectOfCase } from "./case-names.ts";
import { readTable, type TableRow } from "./csv.ts";
import { type CaseFiles, type CaseProblem, compare, conventionOf, type Dataset, type ScanOptions } from "./dataset.ts";

export const MANIFEST_NAME = "dataset.csv";

const COLUMNS = { required: ["case", ...MODALITIES], optional: ["subject", "timepoint", "seg"] } as const;
const FILE_COLUMNS = [...MODALITIES, "seg"] as const;

/** A case's name becomes a folder's name elsewhere. */
const CASE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** Whether the folder has a table. */
export function hasManifest(dir: string): Promise<boolean> {
  return stat(join(dir, MANIFEST_NAME)).then(
    (entry) => entry.isFile(),
    () => false,
  );
}

/**
 * @throws ConsiliumError `dataset-invalid` for a table that is none or names a case in a way that cannot be kept,
 *   `dataset-empty`, `label-convention-unknown`, `limit-exceeded`, `file-unreadable`.
 */
export async function scanManifest(dir: string, options: ScanOptions): Promise<Dataset> {
  const rows = await readTable(join(dir, MANIFEST_NAME), COLUMNS);
  checkNames(rows);
  const names = rows.flatMap(({ cells }) => FILE_COLUMNS.map((column) => cells[column])).filter((path) => path !== "");
  const conventions = new Set(names.map((path) => parseCaseFileName(path.split("/").at(-1) ?? "")?.convention));
  const convention = options.labels ?? conventionOf(conventions, dir);
  const withSubjects = rows.some(({ cells }) => cells.subject !== "");
  const repeated = repeatedIn(rows);
  const cases: CaseFiles[] = [];
  const problems: CaseProblem[] = [];
  for (const row of [...rows].sort((a, b) => compare(a.cells.case, b.cells.case))) {
    const ofFiles = await errorsOfFiles(row, dir, options.mayMiss ?? []);
    const errors = [...errorsOfRow(row, repeated, withSubjects), ...ofFiles];
    if (errors.length === 0) cases.push(caseOf(row, dir));
    else problems.push(...errors.map((error) => ({ caseId: row.cells.case, error })));
  }
  return { dir, convention, cases, problems, ignored: [] };
}

function checkNames(rows: readonly TableRow[]): void {
  if (rows.length === 0) {
    throw new ConsiliumError("dataset-empty", {
      subject: MANIFEST_NAME,
      expected: "a row for each case",
      actual: "a header alone",
      hint: "Add the cases, or remove the table to have files found by their names.",
    });
  }
  if (rows.length > LIMITS.casesPerDataset) {
    throw new ConsiliumError("limit-exceeded", {
      subject: MANIFEST_NAME,
      expected: `at most ${LIMITS.casesPerDataset} cases`,
      actual: String(rows.length),
      hint: "Describe fewer cases in one table.",
    });
  }
  for (const { line, cells } of rows) {
    if (CASE_NAME.test(cells.case)) continue;
    throw new ConsiliumError("dataset-invalid", {
      subject: `${MANIFEST_NAME}, line ${line}`,
      expected: "a case's name of letters, digits, dots, hyphens and underscores",
      actual: JSON.stringify(cells.case),
      hint: "Rename the case; no name of a patient belongs here.",
    });
  }
}

interface Repeated {
  readonly cases: ReadonlySet<string>;
  readonly timePoints: ReadonlySet<string>;
  readonly files: ReadonlySet<string>;
}

const timePointOf = ({ cells }: TableRow): string => `${cells.subject} at ${cells.timepoint}`;

function repeatedIn(rows: readonly TableRow[]): Repeated {
  const twice = (values: readonly string[]): Set<string> => {
    const seen = new Set<string>();
    return new Set(values.filter((value) => seen.has(value) || !seen.add(value)));
  };
  return {
    cases: twice(rows.map(({ cells }) => cells.case)),
    timePoints: twice(rows.filter(({ cells }) => cells.subject !== "" && cells.timepoint !== "").map(timePointOf)),
    files: twice(
      rows.flatMap(({ cells }) => FILE_COLUMNS.map((column) => cells[column])).filter((path) => path !== ""),
    ),
  };
}

function errorsOfRow(row: TableRow, repeated: Repeated, withSubjects: boolean): ConsiliumError[] {
  const { cells, line } = row;
  const subject = `case ${cells.case}`;
  const found: [expected: string, actual: string, hint: string][] = [];
  if (repeated.cases.has(cells.case)) {
    found.push(["one row for every case", `another row beside line ${line}`, "Give each scan a case of its own."]);
  }
  if (withSubjects && cells.subject === "") {
    found.push([
      "a subject, as other rows have",
      "none",
      "Say whose scan it is: splits keep a patient's scans together.",
    ]);
  }
  if (cells.timepoint !== "" && !withSubjects) {
    found.push(["a subject beside a time point", "none", "Add the column subject."]);
  }
  if (repeated.timePoints.has(timePointOf(row))) {
    found.push([
      "one case for a subject's time point",
      `another case of ${timePointOf(row)}`,
      "Correct subject or time point.",
    ]);
  }
  for (const column of FILE_COLUMNS) {
    if (!repeated.files.has(cells[column])) continue;
    found.push([`a file of its own for ${column}`, `${cells[column]}, which is named twice`, "Name each file once."]);
  }
  return found.map(
    ([expected, actual, hint]) => new ConsiliumError("dataset-invalid", { subject, expected, actual, hint }),
  );
}

async function errorsOfFiles(
  { cells }: TableRow,
  dir: string,
  mayMiss: readonly Modality[],
): Promise<ConsiliumError[]> {
  const subject = `case ${cells.case}`;
  const errors: ConsiliumError[] = [];
  const missing = MODALITIES.filter((modality) => cells[modality] === "" && !mayMiss.includes(modality));
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
  for (const column of FILE_COLUMNS) {
    const path = cells[column];
    if (path === "") continue;
    if (!isWithin(path)) {
      errors.push(
        new ConsiliumError("dataset-invalid", {
          subject,
          expected: `a path within the dataset's folder for ${column}, with forward slashes`,
          actual: JSON.stringify(path),
          hint: "Move or link the file into the folder, and name it relative to the folder.",
        }),
      );
      continue;
    }
    const entry = await stat(join(dir, path)).catch(() => undefined);
    if (entry?.isFile()) continue;
    errors.push(
      new ConsiliumError("file-not-found", {
        subject,
        expected: `a file for ${column}`,
        actual: `${path}, which is ${entry === undefined ? "not there" : "no file"}`,
        hint: `Check the path in ${MANIFEST_NAME}.`,
      }),
    );
  }
  return errors;
}

function isWithin(path: string): boolean {
  return (
    !/^\/|^[A-Za-z]:|[\\\0]/.test(path) && path.split("/").every((part) => part !== "" && part !== "." && part !== "..")
  );
}

function caseOf({ cells }: TableRow, dir: string): CaseFiles {
  const pathOf = (column: Modality | "seg"): string => join(dir, cells[column]);
  const present = MODALITIES.filter((modality) => cells[modality] !== "");
  return {
    id: cells.case,
    subject: cells.subject === "" ? subjectOfCase(cells.case) : cells.subject,
    folder: dirname(pathOf(present[0] ?? "t1")),
    images: Object.fromEntries(present.map((modality) => [modality, pathOf(modality)])),
    ...(cells.seg !== "" && { labelMap: pathOf("seg") }),
  };
}

/** A row of a table to write: paths relative to its folder. */
export type ManifestRow = Pick<CaseFiles, "id" | "subject" | "images" | "labelMap">;

/** The text of a table that `scanManifest` reads as these cases. */
export function manifestText(rows: readonly ManifestRow[]): string {
  const quoted = (cell: string): string => (/[",\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  const lines = rows.map(({ id, subject, images, labelMap }) =>
    [id, subject, ...MODALITIES.map((modality) => images[modality] ?? ""), labelMap ?? ""].map(quoted).join(","),
  );
  return `${["case,subject", ...MODALITIES, "seg"].join(",")}\n${lines.map((line) => `${line}\n`).join("")}`;
}
