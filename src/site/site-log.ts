/**
 * The record of what left this site: one line for each message and each object, written and on disk before the first
 * byte is sent, so that nothing can leave unrecorded (a line whose message was then lost on its way says too much,
 * never too little). Digests and sizes are those of the bytes handed to the connection.
 *
 * Each line names the SHA-256 of the line before it: a line removed or altered later breaks the chain. Lines hold
 * counts and digests, never the name of a case, a patient or a folder.
 */
import { ConsiliumError, canonicalJson, type Json, type Sha256, sha256 } from "../base/index.ts";
import type { SiteStore } from "./site-store.ts";

export const SITE_LOG = "outbox-log";
const START = "0".repeat(64);

/** What can leave a site. */
export type Departure =
  | "certificate request"
  | "sign of life"
  | "certificate renewal"
  | "approval"
  | "refusal"
  | "update"
  | "update announcement"
  | "masking message"
  | "evaluation figures"
  | "failure report";

export interface SiteLogRecord {
  readonly what: Departure;
  /** The coordinator's address, or the federation's name in a simulation. */
  readonly to: string;
  readonly bytes: number;
  readonly sha256: Sha256;
  /** Empty where it is about none. */
  readonly studyHash: Sha256 | "";
  readonly round: number;
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
}

/** @throws ConsiliumError `journal-corrupt` where the last line is not one of this log. */
export async function openSiteLog(store: SiteStore): Promise<SiteLog> {
  const last = await store.lastLine(SITE_LOG);
  let index = last === undefined ? 0 : parseLine(last, "the last line").index + 1;
  let previous = last === undefined ? START : sha256(last);
  let queue: Promise<void> = Promise.resolve();
  async function append(record: SiteLogRecord, timeMs: number): Promise<void> {
    const { what, to, bytes, sha256: digest, studyHash, round } = record;
    const line = canonicalJson({ index, timeMs, what, to, bytes, sha256: digest, studyHash, round, previous });
    await store.append(SITE_LOG, line);
    index += 1;
    previous = sha256(line);
  }
  return {
    record(record, timeMs) {
      const done = queue.then(() => append(record, timeMs));
      queue = done.catch(() => undefined);
      return done;
    },
  };
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
