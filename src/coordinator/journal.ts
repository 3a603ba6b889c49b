/**
 * The journal: everything that happened to a coordinator, in order, each record chained to the one before by SHA-256.
 * Beside it, what was last heard of each key (its sequence number, so that a replayed message is refused after any
 * restart), the last head that each site countersigned, and snapshots of the state, so that a start reads only what
 * came after the last one.
 *
 * Record n is (n, canonical JSON of the event, SHA-256 of "<hash of n-1> <n> <JSON>"); before the first stands the
 * hash of the chain's name. A snapshot is bound to the record that it follows and to the format of the state.
 *
 * Invariants
 * - An event is one record, whole or not there at all, on disk (WAL, synchronous = FULL) before anybody is answered.
 *   What waits at the same moment becomes one transaction (`createJournalWriter`).
 * - Records are only added. Whatever is read is verified; an altered, missing or foreign record is refused by its
 *   number. What lies before the snapshot that a start uses is verified by `auditJournal`, not at every start.
 * - Records, snapshots and countersigned heads are written in their order: a snapshot or a countersigned head beyond
 *   the last record means that records were taken away.
 * - A failed append leaves the journal as it was, and the next one is tried anew.
 */
import type { Row } from "@libsql/client";
import { ConsiliumError, canonicalJson, type Json, LIMITS, type Sha256, sha256 } from "../base/index.ts";
import { type CoordinatorEvent, isEventKind } from "./events.ts";
import { corrupt, guarded, openDatabase } from "./journal-database.ts";
import { createJournalWriter } from "./journal-writer.ts";
import type { Evidence } from "./records.ts";

const CHAIN = "consilium.journal/1";
const PAGE = 1000;
/** The latest, and one before it. */
const SNAPSHOTS_KEPT = 2;
const START: JournalHead = { number: 0, sha256: sha256(CHAIN) };

/** A record's place in the chain; number 0 stands before the first. */
export interface JournalHead {
  readonly number: number;
  readonly sha256: Sha256;
}

/** A message that was taken in: its sender's number must never serve again. */
export interface Heard {
  readonly keySha256: Sha256;
  readonly sequence: number;
  readonly atMs: number;
  /** The journal's head that the message countersigns. */
  readonly countersigned?: Countersigned;
}

export interface Countersigned {
  readonly siteId: string;
  readonly keySha256: Sha256;
  readonly head: JournalHead;
  readonly evidence: Evidence;
}

/** The state after a record, as JSON. */
export interface Snapshot {
  readonly head: JournalHead;
  readonly format: string;
  readonly body: string;
}

/** A record as it is stored. */
export interface JournalLine {
  readonly number: number;
  /** Canonical JSON of the event. */
  readonly body: string;
  readonly sha256: Sha256;
}

export interface Journal {
  readonly head: () => JournalHead;
  /**
   * Adds a record for each of these events, all or none of them; called anew only once the last call is settled.
   * @throws ConsiliumError `disk-full`, after which the journal is as it was.
   */
  append(events: readonly CoordinatorEvent[]): Promise<JournalHead>;
  hear(heard: Heard): Promise<void>;
  /** What was last heard of each key. */
  lastHeard(): Promise<Map<Sha256, Heard>>;
  /** At most so many records behind a number, as they are stored: for whoever verifies the chain by themselves. */
  page(after: number, limit: number): Promise<readonly JournalLine[]>;
  /** Whether a record of this number and hash is in the chain. */
  holds(head: JournalHead): Promise<boolean>;
  /** The last head that each key countersigned. */
  countersigned(): Promise<readonly Countersigned[]>;
  /**
   * Events in order, verified as they are read; afterwards the head is the last record's.
   * @param after begins behind this record, which was verified before
   * @throws ConsiliumError `journal-corrupt`, `journal-version` for an event that a later version wrote
   */
  replay(
    take: (event: CoordinatorEvent, head: JournalHead) => void | Promise<void>,
    after?: JournalHead,
  ): Promise<void>;
  /**
   * The latest snapshot of this format, none where there is none.
   * @throws ConsiliumError `journal-corrupt` for one that was altered, or that no record bears out
   */
  snapshot(format: string): Promise<Snapshot | undefined>;
  /** All snapshots that are kept, as they are found. @throws ConsiliumError `journal-corrupt` for one that was altered */
  snapshots(): Promise<readonly Snapshot[]>;
  /** Keeps the state after the last record, beside the snapshot before it. */
  keepSnapshot(format: string, body: string): Promise<void>;
  dropSnapshots(): Promise<void>;
  close(): void;
}

/**
 * @param use `read` changes nothing, and may run beside the coordinator that writes
 * @throws ConsiliumError `journal-corrupt` for a file that is no journal, `journal-version`, `folder-not-writable`,
 * `disk-full`
 */
export async function openJournal(file: string, use: "write" | "read" = "write"): Promise<Journal> {
  const { client, format: databaseFormat } = await openDatabase(file, use);
  let head = START;
  const writer = createJournalWriter(client);
  const recent = new Map<number, Sha256>();

  function moveTo(next: JournalHead): void {
    head = next;
    recent.set(next.number, next.sha256);
    recent.delete(next.number - LIMITS.journalHeadsInMemory);
  }
  async function rows(sql: string, ...args: (string | number)[]): Promise<readonly Row[]> {
    return (await guarded(() => client.execute({ sql, args }))).rows;
  }
  async function replay(
    take: (event: CoordinatorEvent, head: JournalHead) => void | Promise<void>,
    after: JournalHead = START,
  ): Promise<void> {
    moveTo(after);
    for (;;) {
      const page = await rows(
        "SELECT number, body, sha256 FROM journal WHERE number > ? ORDER BY number LIMIT ?",
        head.number,
        PAGE,
      );
      for (const row of page) {
        const next = verified(head, row);
        try {
          await take(next.event, next.head);
        } catch (error) {
          throw notWhole(next, error);
        }
        moveTo(next.head);
      }
      if (page.length < PAGE) return;
    }
  }
  async function append(events: readonly CoordinatorEvent[]): Promise<JournalHead> {
    const heads: JournalHead[] = [];
    const journal = events.map((event) => {
      const before = heads.at(-1) ?? head;
      const body = canonicalJson(event as unknown as Json);
      const next = { number: before.number + 1, sha256: chained(before, body) };
      heads.push(next);
      return [next.number, body, next.sha256];
    });
    await writer.write({ journal });
    for (const next of heads) moveTo(next);
    return head;
  }
  async function holds({ number, sha256 }: JournalHead): Promise<boolean> {
    if (number > head.number) return false;
    if (number === 0) return sha256 === START.sha256;
    const known = recent.get(number);
    if (known !== undefined) return known === sha256;
    const [row] = await rows("SELECT sha256 FROM journal WHERE number = ?", number);
    return row?.sha256 === sha256;
  }
  async function snapshots(): Promise<readonly Snapshot[]> {
    if (databaseFormat < 2) return [];
    return (await rows("SELECT * FROM snapshots ORDER BY number DESC")).map(snapshotOf);
  }
  return {
    head: () => head,
    append,
    replay,
    holds,
    snapshots,
    async page(after, limit) {
      const found = await rows(
        "SELECT number, body, sha256 FROM journal WHERE number > ? ORDER BY number LIMIT ?",
        after,
        limit,
      );
      return found.map((row) => ({ number: Number(row.number), body: textOf(row.body), sha256: textOf(row.sha256) }));
    },
    async hear({ keySha256, sequence, atMs, countersigned }) {
      await writer.write({
        heard: [[keySha256, sequence, atMs]],
        ...(countersigned && { countersigned: [rowOf(countersigned)] }),
      });
    },
    async lastHeard() {
      const found = await rows("SELECT key_sha256, sequence, at_ms FROM heard");
      return new Map(
        found.map((row) => {
          const keySha256 = textOf(row.key_sha256);
          return [keySha256, { keySha256, sequence: Number(row.sequence), atMs: Number(row.at_ms) }];
        }),
      );
    },
    async countersigned() {
      return databaseFormat < 2
        ? []
        : (await rows("SELECT * FROM countersigned ORDER BY site_id")).map(countersignedOf);
    },
    async snapshot(format) {
      const latest = (await snapshots()).find((each) => each.format === format);
      if (latest === undefined) return undefined;
      const [row] = await rows("SELECT sha256 FROM journal WHERE number = ?", latest.head.number);
      if (row?.sha256 === latest.head.sha256) return latest;
      throw corrupt(
        `record ${latest.head.number}`,
        `the record that a snapshot of the state follows, SHA-256 ${latest.head.sha256}`,
        row === undefined ? "none: the journal's tail was removed" : "another record in its place",
      );
    },
    async keepSnapshot(format, body) {
      const { number, sha256: recordSha256 } = head;
      const digest = snapshotSha256({ head, format, body });
      const insert = {
        sql: "INSERT OR REPLACE INTO snapshots (number, record_sha256, format, body, sha256) VALUES (?, ?, ?, ?, ?)",
        args: [number, recordSha256, format, body, digest],
      };
      const forget = {
        sql: "DELETE FROM snapshots WHERE number NOT IN (SELECT number FROM snapshots ORDER BY number DESC LIMIT ?)",
        args: [SNAPSHOTS_KEPT],
      };
      await guarded(() => client.batch([insert, forget], "write"));
    },
    async dropSnapshots() {
      await rows("DELETE FROM snapshots");
    },
    close: () => client.close(),
  };
}

function chained(head: JournalHead, body: string): Sha256 {
  return sha256(`${head.sha256} ${head.number + 1} ${body}`);
}

function verified(head: JournalHead, record: Row): { readonly event: CoordinatorEvent; readonly head: JournalHead } {
  const number = head.number + 1;
  if (record.number !== number) throw corrupt(`record ${number}`, "it in its place", "another, or none");
  const body = textOf(record.body);
  const expected = textOf(record.sha256);
  const actual = chained(head, body);
  if (actual !== expected) {
    throw corrupt(`record ${number}`, `content of SHA-256 ${expected.slice(0, 64)}`, `content of ${actual}`);
  }
  const event = eventIn(body);
  if (event === undefined) throw corrupt(`record ${number}`, "an event in JSON", "something else");
  if (isEventKind(event.kind)) return { event, head: { number, sha256: actual } };
  throw new ConsiliumError("journal-version", {
    subject: `journal, record ${number}`,
    expected: "an event that this version knows",
    actual: String(event.kind).slice(0, 64),
    hint: "A later version of Consilium wrote it: use that version or a newer one.",
  });
}

function eventIn(body: string): CoordinatorEvent | undefined {
  try {
    const value = JSON.parse(body) as CoordinatorEvent | null;
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function snapshotSha256({ head, format, body }: Snapshot): Sha256 {
  return sha256(`${format} ${head.number} ${head.sha256} `, body);
}

function snapshotOf(row: Row): Snapshot {
  const head = { number: Number(row.number), sha256: textOf(row.record_sha256) };
  const snapshot = { head, format: textOf(row.format), body: textOf(row.body) };
  const actual = snapshotSha256(snapshot);
  if (actual === row.sha256) return snapshot;
  throw corrupt(
    `snapshot after record ${head.number}`,
    `content of SHA-256 ${textOf(row.sha256).slice(0, 64)}`,
    actual,
  );
}

function rowOf({ siteId, keySha256, head, evidence }: Countersigned) {
  const { header, body, signature } = evidence;
  return [keySha256, siteId, head.number, head.sha256, header, body, signature];
}

function countersignedOf(row: Row): Countersigned {
  return {
    siteId: textOf(row.site_id),
    keySha256: textOf(row.key_sha256),
    head: { number: Number(row.number), sha256: textOf(row.sha256) },
    evidence: { header: textOf(row.header), body: textOf(row.body), signature: textOf(row.signature) },
  };
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  throw corrupt("journal", "text in its columns", `a ${typeof value}`);
}

/** An event whose place in the chain holds, and which this version's state machine cannot take. */
function notWhole(
  { event, head }: { readonly event: CoordinatorEvent; readonly head: JournalHead },
  error: unknown,
): unknown {
  if (error instanceof ConsiliumError && error.code !== "internal") return error;
  const why = error instanceof Error ? error.message : String(error);
  return new ConsiliumError("journal-corrupt", {
    subject: `journal, record ${head.number}`,
    expected: "an event that this version can take",
    actual: `${event.kind}, whole by the chain, at which it failed: ${why}`,
    hint: "Nothing is damaged on the disk: use the version that wrote it, or, if that is this one, report the error.",
    cause: error,
  });
}
