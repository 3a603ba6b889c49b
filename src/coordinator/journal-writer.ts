/**
 * Writes to the journal's database, those that wait at the same moment in one transaction: a disk that needs some
 * milliseconds to make a write last needs no longer for forty, and nothing else runs meanwhile. A transaction has one
 * statement for each table, of as many rows as wait: SQLite reads a statement once, whatever its rows.
 *
 * Invariants
 * - A write is on disk (WAL, synchronous = FULL) when its promise resolves.
 * - A transaction is whole or not at all: where it fails, each write in it has failed, and the next ones are tried anew.
 * - Rows of a table keep the order in which they were asked for.
 */
import { setImmediate } from "node:timers/promises";
import type { Client, InStatement } from "@libsql/client";
import { LIMITS } from "../base/index.ts";
import { guarded } from "./journal-database.ts";

/** Rows for the journal's tables, each in the order of the table's columns below. */
export type JournalRows = Readonly<Partial<Record<JournalTable, readonly Row[]>>>;

export interface JournalWriter {
  /** @throws ConsiliumError `disk-full`, `folder-not-writable`, after which nothing of it is written */
  write(rows: JournalRows): Promise<void>;
}

type JournalTable = keyof typeof TABLES;
type Row = readonly (string | number)[];

interface Waiting {
  readonly rows: JournalRows;
  resolve(): void;
  reject(reason: unknown): void;
}

/** A row that comes late never takes the place of a later one: numbers and heads only go up. */
const TABLES = {
  journal: { columns: ["number", "body", "sha256"], unless: "" },
  heard: {
    columns: ["key_sha256", "sequence", "at_ms"],
    unless:
      "ON CONFLICT (key_sha256) DO UPDATE SET sequence = excluded.sequence, at_ms = excluded.at_ms " +
      "WHERE excluded.sequence > heard.sequence",
  },
  countersigned: {
    columns: ["key_sha256", "site_id", "number", "sha256", "header", "body", "signature"],
    unless:
      "ON CONFLICT (key_sha256) DO UPDATE SET number = excluded.number, sha256 = excluded.sha256, " +
      "header = excluded.header, body = excluded.body, signature = excluded.signature " +
      "WHERE excluded.number >= countersigned.number",
  },
} as const;

export function createJournalWriter(client: Client): JournalWriter {
  let waiting: Waiting[] = [];
  let running = false;

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      // What is ready in this turn of the loop comes along.
      await setImmediate();
      const group = waiting.slice(0, LIMITS.journalWritesTogether);
      waiting = waiting.slice(group.length);
      await writeGroup(group);
    }
    running = false;
  }
  async function writeGroup(group: readonly Waiting[]): Promise<void> {
    const statements = statementsFor(group.map(({ rows }) => rows));
    try {
      await guarded(() => client.batch(statements, "write"));
    } catch (error) {
      for (const each of group) each.reject(error);
      return;
    }
    for (const each of group) each.resolve();
  }
  return {
    write(rows) {
      return new Promise((resolve, reject) => {
        waiting.push({ rows, resolve, reject });
        if (running) return;
        running = true;
        void writeAll();
      });
    },
  };
}

function statementsFor(group: readonly JournalRows[]): InStatement[] {
  return (Object.keys(TABLES) as JournalTable[]).flatMap((table) => {
    const rows = group.flatMap((each) => each[table] ?? []);
    return inParts(rows).map((part) => insertion(table, part));
  });
}

/** SQLite takes 32,766 values in a statement. */
function inParts(rows: readonly Row[]): (readonly Row[])[] {
  const parts = Math.ceil(rows.length / LIMITS.journalWritesTogether);
  return Array.from({ length: parts }, (_, i) =>
    rows.slice(i * LIMITS.journalWritesTogether, (i + 1) * LIMITS.journalWritesTogether),
  );
}

function insertion(table: JournalTable, rows: readonly Row[]): InStatement {
  const { columns, unless } = TABLES[table];
  const row = `(${columns.map(() => "?").join(", ")})`;
  const values = rows.map(() => row).join(", ");
  return { sql: `INSERT INTO ${table} (${columns.join(", ")}) VALUES ${values} ${unless}`, args: rows.flat() };
}
