/**
 * Tables in comma-separated text (RFC 4180), as spreadsheets write them: quoted fields with commas, quotes and line
 * ends in them, either line end, a byte order mark at the start.
 *
 * Invariants: the columns are exactly those asked for, whatever their order; a column that is not known, is there
 * twice or is missing is refused, since a misspelt column would otherwise be left out in silence. Every row has a
 * field for each column. Fields lose spaces around them. Lines without any field are passed over.
 */
import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { ConsiliumError, LIMITS } from "../base/index.ts";
import { readError } from "./nifti-file.ts";

export interface TableColumns {
  readonly required: readonly string[];
  readonly optional: readonly string[];
}

export interface TableRow {
  /** From 1, the header being the first line; where a field spans lines, the line on which the row begins. */
  readonly line: number;
  /** By column; "" where a cell is empty or its column is not there. */
  readonly cells: Readonly<Record<string, string>>;
}

/** @throws ConsiliumError `file-not-found`, `file-unreadable`, `limit-exceeded` and those of `parseTable`. */
export async function readTable(path: string, columns: TableColumns): Promise<TableRow[]> {
  let bytes: Buffer;
  try {
    const { size } = await stat(path);
    if (size > LIMITS.tableBytes) {
      throw new ConsiliumError("limit-exceeded", {
        subject: basename(path),
        expected: `a table of at most ${LIMITS.tableBytes} bytes`,
        actual: `${size} bytes`,
        hint: "Split the dataset.",
      });
    }
    bytes = await readFile(path);
  } catch (cause) {
    throw readError(cause, path);
  }
  return parseTable(bytes.toString("utf8"), columns, basename(path));
}

/** @throws ConsiliumError `dataset-invalid`, naming the line. */
export function parseTable(text: string, { required, optional }: TableColumns, subject: string): TableRow[] {
  const [head, ...body] = recordsOf(text.replace(/^\uFEFF/, ""), subject);
  const known = [...required, ...optional];
  const columns = head?.fields ?? [];
  checkColumns(columns, required, known, subject);
  return body.map(({ line, fields }) => {
    if (fields.length !== columns.length) {
      throw invalid(subject, line, `${columns.length} fields, as the header has`, `${fields.length}`);
    }
    const cells: Record<string, string> = Object.fromEntries(known.map((column) => [column, ""]));
    for (const [i, column] of columns.entries()) cells[column] = fields[i];
    return { line, cells };
  });
}

function checkColumns(
  columns: readonly string[],
  required: readonly string[],
  known: readonly string[],
  subject: string,
): void {
  const expected = `a header of the columns ${known.join(", ")}${known.length > required.length ? ` (needed: ${required.join(", ")})` : ""}`;
  const unknown = columns.filter((column) => !known.includes(column));
  const missing = required.filter((column) => !columns.includes(column));
  const twice = columns.filter((column, i) => columns.indexOf(column) !== i);
  if (unknown.length > 0) throw invalid(subject, 1, expected, `also ${unknown.map((name) => `"${name}"`).join(", ")}`);
  if (missing.length > 0) throw invalid(subject, 1, expected, `no ${missing.join(", no ")}`);
  if (twice.length > 0) throw invalid(subject, 1, expected, `${twice[0]} twice`);
}

function invalid(subject: string, line: number, expected: string, actual: string): ConsiliumError {
  const hint = "Correct the table; docs/DATASETS.md shows how it is written.";
  return new ConsiliumError("dataset-invalid", { subject: `${subject}, line ${line}`, expected, actual, hint });
}

interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

/** A field up to its comma, line end or the end of the text: quoted, or free of quotes. */
const FIELD = /[ \t]*(?:"((?:[^"]|"")*)"[ \t]*|([^",\r\n]*))(,|\r?\n|$)/y;

function recordsOf(text: string, subject: string): CsvRecord[] {
  const records: CsvRecord[] = [];
  let fields: string[] = [];
  let line = 1;
  let begun = 1;
  FIELD.lastIndex = 0;
  while (FIELD.lastIndex < text.length || fields.length > 0) {
    const match = FIELD.exec(text);
    if (match === null)
      throw invalid(
        subject,
        line,
        "fields with commas between them, quotes only around a whole field",
        "a stray quote",
      );
    const [all, quoted, plain = "", end] = match;
    fields.push(quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"').trim());
    line += all.split("\n").length - 1;
    if (end === ",") continue;
    if (fields.length > 1 || fields[0] !== "") records.push({ line: begun, fields });
    fields = [];
    begun = line;
  }
  return records;
}
