/**
 * The journal's database: its tables by format, and what SQLite says in the product's words.
 *
 * Format 1 held `journal` and `heard`; format 2 adds `snapshots` and `countersigned`. Records and their chain are the
 * same in both, so an upgrade adds tables, in one transaction with the new format's number (SQLite's user_version),
 * and touches no record. A later format than this version's is refused.
 */
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Client, createClient, LibsqlError } from "@libsql/client";
import { ConsiliumError } from "../base/index.ts";

export const JOURNAL_FORMAT = 2;

const TABLES = [
  "CREATE TABLE IF NOT EXISTS journal (number INTEGER PRIMARY KEY, body TEXT NOT NULL, sha256 TEXT NOT NULL)",
  "CREATE TABLE IF NOT EXISTS heard (key_sha256 TEXT PRIMARY KEY, sequence INTEGER NOT NULL, at_ms INTEGER NOT NULL)",
  "CREATE TABLE IF NOT EXISTS snapshots (number INTEGER PRIMARY KEY, record_sha256 TEXT NOT NULL, " +
    "format TEXT NOT NULL, body TEXT NOT NULL, sha256 TEXT NOT NULL)",
  "CREATE TABLE IF NOT EXISTS countersigned (key_sha256 TEXT PRIMARY KEY, site_id TEXT NOT NULL, " +
    "number INTEGER NOT NULL, sha256 TEXT NOT NULL, header TEXT NOT NULL, body TEXT NOT NULL, signature TEXT NOT NULL)",
];

export interface JournalDatabase {
  readonly client: Client;
  /** 1 only where an older journal is looked at and was not upgraded. */
  readonly format: number;
}

/**
 * @param use `write` makes what is missing and upgrades; `read` changes no table and no row, and may run beside a
 * writer (SQLite may still move its log into the file when the last connection closes)
 * @throws ConsiliumError `journal-corrupt` for a file that is no journal, `journal-version` for a later format,
 * `folder-not-writable`, `disk-full`; `file-not-found` where there is nothing to read
 */
export function openDatabase(file: string, use: "write" | "read"): Promise<JournalDatabase> {
  return guarded(async () => {
    if (use === "read") await checkThere(file);
    // One connection: the settings below hold for it, and statements keep their order.
    const client = createClient({ url: pathToFileURL(resolve(file)).href, concurrency: 1 });
    try {
      const found = await formatOf(client);
      if (found > JOURNAL_FORMAT) throw laterFormat(found);
      if (use === "read") return { client, format: found };
      await client.execute("PRAGMA journal_mode = WAL");
      await client.execute("PRAGMA synchronous = FULL");
      await client.batch([...TABLES, `PRAGMA user_version = ${JOURNAL_FORMAT}`], "write");
      return { client, format: JOURNAL_FORMAT };
    } catch (error) {
      client.close();
      throw error;
    }
  });
}

async function checkThere(file: string): Promise<void> {
  await stat(file).catch((cause: unknown) => {
    throw new ConsiliumError("file-not-found", {
      subject: "journal",
      expected: "journal.db in the coordinator's home",
      actual: "no such file",
      hint: "A federation that was founded and never started has no journal yet.",
      cause,
    });
  });
}

/** The first format had no number: SQLite's default of 0 stands for it. */
async function formatOf(client: Client): Promise<number> {
  const { rows } = await client.execute("PRAGMA user_version");
  return Math.max(1, Number(rows[0].user_version));
}

function laterFormat(found: number): ConsiliumError {
  return new ConsiliumError("journal-version", {
    subject: "journal",
    expected: `a format up to ${JOURNAL_FORMAT}`,
    actual: `format ${found}`,
    hint: "A later version of Consilium wrote it: use that version or a newer one.",
  });
}

/** Work on the database, with its errors in the product's words. */
export async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw databaseError(cause);
  }
}

/** What SQLite says, in the product's words; anything else as it came. */
export function databaseError(cause: unknown): unknown {
  const code = codeOf(cause);
  const fields = { subject: "journal", actual: code, cause };
  if (/^SQLITE_(FULL|IOERR)/.test(code)) {
    const hint = "Free some space: nothing was lost, and what was not written is refused to its sender.";
    return new ConsiliumError("disk-full", { ...fields, expected: "room on the disk for a record", hint });
  }
  if (/^SQLITE_(CANTOPEN|READONLY|PERM)/.test(code)) {
    const hint = "Check that the home exists, whose it is, and that its disk is mounted for writing.";
    return new ConsiliumError("folder-not-writable", { ...fields, expected: "a home to write to", hint });
  }
  if (/^SQLITE_(CORRUPT|NOTADB|CONSTRAINT|SCHEMA|ERROR)/.test(code)) {
    return corrupt("journal", "a journal of this product, whole", code);
  }
  return cause;
}

function codeOf(cause: unknown): string {
  if (cause instanceof LibsqlError) return cause.code;
  // The client opens connections without translating: "... Unable to open connection ...: 14" is SQLITE_CANTOPEN.
  return cause instanceof Error && cause.message.includes("Unable to open connection") ? "SQLITE_CANTOPEN" : "";
}

/** @param where a record or snapshot of the journal, or "journal" for all of it */
export function corrupt(where: string, expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("journal-corrupt", {
    subject: where === "journal" ? where : `journal, ${where}`,
    expected,
    actual,
    hint: "It was changed by something other than the coordinator: restore the home from a copy made before.",
  });
}
