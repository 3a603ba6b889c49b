/**
 * The journal: everything that happened to a coordinator, in order, each record chained to the one before by SHA-256.
 * Beside it, what was last heard of each key: its sequence number, so that a replayed message is refused after any
 * restart.
 *
 * Record n is (n, canonical JSON of the event, SHA-256 of "<hash of n-1> <n> <JSON>"); before the first stands the
 * hash of the journal's version.
 *
 * Invariants
 * - One transaction an event, on disk (WAL, synchronous = FULL) before anybody is answered.
 * - Records are only added. On opening, the whole chain is verified; an altered, missing or foreign record is refused
 *   by its number. (A removed tail leaves a valid chain: it shows only against heads kept elsewhere.)
 * - A failed append leaves the journal as it was, and the next one is tried anew.
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Client, createClient, type InStatement, LibsqlError } from "@libsql/client";
import { ConsiliumError, canonicalJson, type Json, type Sha256, sha256 } from "../base/index.ts";
import type { CoordinatorEvent } from "./events.ts";

const VERSION = "consilium.journal/1";
const PAGE = 1000;

/** The last record's place in the chain. */
export interface JournalHead {
  readonly number: number;
  readonly sha256: Sha256;
}

/** A message that was taken in: its sender's number must never serve again. */
export interface Heard {
  readonly keySha256: Sha256;
  readonly sequence: number;
  readonly atMs: number;
}

export interface Journal {
  readonly head: () => JournalHead;
  /** @throws ConsiliumError `disk-full`, after which the journal is as it was. */
  append(event: CoordinatorEvent): Promise<JournalHead>;
  hear(heard: Heard): Promise<void>;
  /** What was last heard of each key. */
  lastHeard(): Promise<Map<Sha256, Heard>>;
  /** All events in order, verified as they are read. @throws ConsiliumError `journal-corrupt` */
  replay(take: (event: CoordinatorEvent) => void): Promise<void>;
  close(): void;
}

/** @throws ConsiliumError `journal-corrupt` for a file that is no journal, `folder-not-writable`, `disk-full` */
export async function openJournal(file: string): Promise<Journal> {
  const client = await openDatabase(file);
  let head: JournalHead = { number: 0, sha256: sha256(VERSION) };

  async function replay(take: (event: CoordinatorEvent) => void): Promise<void> {
    head = { number: 0, sha256: sha256(VERSION) };
    for (;;) {
      const sql = "SELECT number, body, sha256 FROM journal WHERE number > ? ORDER BY number LIMIT ?";
      const { rows } = await guarded(() => client.execute({ sql, args: [head.number, PAGE] }));
      for (const row of rows) {
        const next = verified(head, { number: row.number, body: row.body, sha256: row.sha256 });
        take(next.event);
        head = next.head;
      }
      if (rows.length < PAGE) return;
    }
  }
  async function append(event: CoordinatorEvent): Promise<JournalHead> {
    const body = canonicalJson(event as unknown as Json);
    const number = head.number + 1;
    const next = { number, sha256: chained(head, body) };
    const sql = "INSERT INTO journal (number, body, sha256) VALUES (?, ?, ?)";
    await guarded(() => client.execute({ sql, args: [number, body, next.sha256] }));
    head = next;
    return head;
  }
  return {
    head: () => head,
    append,
    replay,
    async hear({ keySha256, sequence, atMs }) {
      const sql =
        "INSERT INTO heard (key_sha256, sequence, at_ms) VALUES (?, ?, ?) ON CONFLICT (key_sha256) " +
        "DO UPDATE SET sequence = excluded.sequence, at_ms = excluded.at_ms WHERE excluded.sequence > heard.sequence";
      await guarded(() => client.execute({ sql, args: [keySha256, sequence, atMs] }));
    },
    async lastHeard() {
      const { rows } = await guarded(() => client.execute("SELECT key_sha256, sequence, at_ms FROM heard"));
      return new Map(
        rows.map((row) => {
          const keySha256 = textOf(row.key_sha256);
          return [keySha256, { keySha256, sequence: Number(row.sequence), atMs: Number(row.at_ms) }];
        }),
      );
    },
    close: () => client.close(),
  };
}

async function openDatabase(file: string): Promise<Client> {
  const schema: InStatement[] = [
    "CREATE TABLE IF NOT EXISTS journal (number INTEGER PRIMARY KEY, body TEXT NOT NULL, sha256 TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS heard (key_sha256 TEXT PRIMARY KEY, sequence INTEGER NOT NULL, at_ms INTEGER NOT NULL)",
  ];
  return guarded(async () => {
    // One connection: the settings below hold for it, and statements keep their order.
    const client = createClient({ url: pathToFileURL(resolve(file)).href, concurrency: 1 });
    try {
      await client.execute("PRAGMA journal_mode = WAL");
      await client.execute("PRAGMA synchronous = FULL");
      await client.batch(schema, "write");
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  });
}

function chained(head: JournalHead, body: string): Sha256 {
  return sha256(`${head.sha256} ${head.number + 1} ${body}`);
}

function verified(
  head: JournalHead,
  record: { readonly number: unknown; readonly body: unknown; readonly sha256: unknown },
): { readonly event: CoordinatorEvent; readonly head: JournalHead } {
  const number = head.number + 1;
  if (record.number !== number) throw corrupt(`record ${number}`, "it in its place", "another, or none");
  const body = textOf(record.body);
  const expected = textOf(record.sha256);
  const actual = chained(head, body);
  if (actual !== expected) {
    throw corrupt(`record ${number}`, `content of SHA-256 ${expected.slice(0, 64)}`, `content of ${actual}`);
  }
  return { event: JSON.parse(body) as CoordinatorEvent, head: { number, sha256: actual } };
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  throw corrupt("journal", "text in its columns", `a ${typeof value}`);
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
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

function corrupt(subject: string, expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("journal-corrupt", {
    subject: subject === "journal" ? subject : `journal, ${subject}`,
    expected,
    actual,
    hint: "It was changed by something other than the coordinator: restore the home from a copy made before.",
  });
}
