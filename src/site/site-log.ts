/**
 * The record of what left this site: one line for each message and each object, written and on disk before the first
 * byte is sent, so that nothing can leave unrecorded (a line whose message was then lost on its way says too much,
 * never too little). Digests and sizes are those of the bytes handed to the connection.
 *
 * Signs of life are too many for that: the first of a period has a line of its own as everything else has, and those
 * that follow it are counted and share one line at the period's end (LIMITS.signsOfLifePerLine messages, or
 * LIMITS.signsOfLifePeriodMs). A process that is killed leaves the count of its last period out.
 *
 * Each line names the SHA-256 of the line before it: a line removed or altered later breaks the chain. Lines hold
 * counts and digests, never the name of a case, a patient or a folder.
 */
import { ConsiliumError, canonicalJson, type Json, LIMITS, type Sha256, sha256 } from "../base/index.ts";
import type { SiteStore } from "./site-store.ts";

export const SITE_LOG = "outbox-log";
const START = "0".repeat(64);

/** What can leave a site. */
export type Departure =
  | "certificate request"
  | "sign of life"
  /** Those that followed the last one with a line of its own. */
  | "signs of life"
  | "certificate renewal"
  | "approval"
  | "refusal"
  | "update"
  | "update announcement"
  | "statistics"
  | "masking message"
  | "evaluation figures"
  | "cross-site figures"
  | "failure report"
  /** Zeros, by which `site doctor` measures the line. */
  | "connection test"
  /** Nothing left: so many files of a study that ended were erased here. Their bytes are not counted as sent. */
  | "erasure";

export interface SiteLogRecord {
  readonly what: Departure;
  /** The coordinator's address, or the federation's name in a simulation. */
  readonly to: string;
  readonly bytes: number;
  readonly sha256: Sha256;
  /** Empty where it is about none. */
  readonly studyHash: Sha256 | "";
  readonly round: number;
  /**
   * Of signs of life: how many share the line. Its bytes are theirs together, its digest that of their digests. Of an
   * erasure: files that were erased.
   */
  readonly count?: number;
}

export interface SiteLogEntry extends SiteLogRecord {
  /** From 0. */
  readonly index: number;
  readonly timeMs: number;
  /** SHA-256 of the line before; zeros in the first. */
  readonly previous: Sha256;
}

export interface SiteLog {
  /** Resolves once the line is on disk. Calls are answered in their order. */
  record(record: SiteLogRecord, timeMs: number): Promise<void>;
  /** Writes down what was counted. */
  flush(timeMs: number): Promise<void>;
}

/** Signs of life since the last one with a line of its own. */
interface Tally {
  readonly sinceMs: number;
  readonly to: string;
  readonly count: number;
  readonly bytes: number;
  readonly digests: readonly Sha256[];
}

/** @throws ConsiliumError `journal-corrupt` where the last line is not one of this log. */
export async function openSiteLog(store: SiteStore): Promise<SiteLog> {
  const last = await store.lastLine(SITE_LOG);
  let index = last === undefined ? 0 : parseLine(last, "the last line").index + 1;
  let previous = last === undefined ? START : sha256(last);
  let queue: Promise<void> = Promise.resolve();
  let tally: Tally | undefined;
  async function append(record: SiteLogRecord, timeMs: number): Promise<void> {
    const { what, to, bytes, sha256: digest, studyHash, round, count } = record;
    const line = canonicalJson({ index, timeMs, what, to, bytes, sha256: digest, studyHash, round, count, previous });
    await store.append(SITE_LOG, line);
    index += 1;
    previous = sha256(line);
  }
  async function writeTally(timeMs: number): Promise<void> {
    if (tally === undefined) return;
    const { to, bytes, count, digests } = tally;
    const signs = {
      what: "signs of life",
      to,
      bytes,
      sha256: sha256(...digests),
      studyHash: "",
      round: 0,
      count,
    } as const;
    if (count > 0) await append(signs, timeMs);
    tally = undefined;
  }
  async function countSign(record: SiteLogRecord, timeMs: number): Promise<void> {
    const { to, bytes, sha256: digest } = record;
    const full =
      tally !== undefined &&
      (tally.to !== to ||
        tally.count >= LIMITS.signsOfLifePerLine ||
        Math.abs(timeMs - tally.sinceMs) >= LIMITS.signsOfLifePeriodMs);
    if (full) await writeTally(timeMs);
    if (tally === undefined) {
      await append(record, timeMs);
      tally = { sinceMs: timeMs, to, count: 0, bytes: 0, digests: [] };
    } else {
      const { count, digests } = tally;
      tally = { ...tally, count: count + 1, bytes: tally.bytes + bytes, digests: [...digests, digest] };
    }
  }
  function inTurn(work: () => Promise<void>): Promise<void> {
    const done = queue.then(work);
    queue = done.catch(() => undefined);
    return done;
  }
  return {
    record: (record, timeMs) =>
      inTurn(() => (record.what === "sign of life" ? countSign(record, timeMs) : append(record, timeMs))),
    flush: (timeMs) => inTurn(() => writeTally(timeMs)),
  };
}

/** How many messages and objects the entries stand for. */
export function departuresIn(entries: readonly SiteLogEntry[]): number {
  return entries.reduce((sum, { what, count = 1 }) => sum + (what === "erasure" ? 0 : count), 0);
}

/** Every entry, oldest first, its chain verified. @throws ConsiliumError `journal-corrupt` naming the first bad line. */
export async function readSiteLogOf(store: SiteStore): Promise<SiteLogEntry[]> {
  let previous = START;
  return (await store.lines(SITE_LOG)).map((line, i) => {
    const entry = parseLine(line, `line ${i + 1}`);
    if (entry.index !== i) throw broken(`line ${i + 1}`, `entry ${i}`, `entry ${entry.index}`);
    if (entry.previous !== previous) throw broken(`line ${i + 1}`, `the chain ${previous}`, entry.previous);
    previous = sha256(line);
    return entry;
  });
}

/** Whether the log says that what a study left here was erased. */
export async function isErasureNoted(store: SiteStore, studyHash: Sha256): Promise<boolean> {
  const about = (await store.lines(SITE_LOG)).filter((line) => line.includes(studyHash));
  return about.some((line) => parseLine(line, "a line about a study").what === "erasure");
}

function parseLine(line: string, where: string): SiteLogEntry {
  try {
    const value = JSON.parse(line) as SiteLogEntry & { readonly [key: string]: Json };
    if (Number.isInteger(value.index) && typeof value.previous === "string") return value;
  } catch {
    // Told below in the same words: it is no line of this log.
  }
  throw broken(where, "an entry of this log", "something else");
}

function broken(where: string, expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("journal-corrupt", {
    subject: `the site's log, ${where}`,
    expected,
    actual,
    hint: "The log was altered or damaged after it was written: keep it, and compare it with a backup.",
  });
}
