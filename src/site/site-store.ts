/**
 * What a site must not forget: small documents, large objects under their SHA-256, and append-only logs.
 *
 * Why files and not a database: a site's state is a handful of small records and a few objects as large as the model.
 * Objects are written first, under the hash of their content; one rename of the document that names them then commits
 * all of it together. That is the whole transaction that a site needs, an operator can look at it with any editor,
 * and a backup is a copy. (The coordinator, whose journal grows by many small records, keeps SQLite.)
 *
 * Invariants
 * - When a call returns, its effect survives the loss of power.
 * - A document or object is either there whole or not there; nothing half-written stands under a final name.
 * - `object` never returns bytes that do not have the hash asked for.
 */
import { ConsiliumError, type Json, type Sha256 } from "../base/index.ts";

/** What was deleted. */
export interface Erased {
  readonly files: number;
  readonly bytes: number;
}

export interface SiteStore {
  /** The document, or undefined where there is none. @throws ConsiliumError `home-invalid` where it is not JSON. */
  read(name: string): Promise<Json | undefined>;
  /** Replaces the document at once. */
  write(name: string, value: Json): Promise<void>;
  /** Names of documents that begin with the prefix, sorted. */
  list(prefix: string): Promise<string[]>;
  /** Keeps the bytes and returns their SHA-256. Keeping them twice is keeping them once. */
  keepObject(bytes: Uint8Array): Promise<Sha256>;
  hasObject(hash: Sha256): Promise<boolean>;
  /** @throws ConsiliumError `object-missing` or `object-corrupt` */
  object(hash: Sha256): Promise<Uint8Array>;
  /** Bytes of an object. @throws ConsiliumError `object-missing` */
  objectBytes(hash: Sha256): Promise<number>;
  /** The final path of an object, for a transfer that writes there itself (temporary file first, hash checked). */
  objectPath(hash: Sha256): string;
  /** Deletes every object, whole or in part, that is not named. */
  retainObjects(hashes: ReadonlySet<Sha256>): Promise<Erased>;
  /** Adds one line (without line breaks) to the end of a log. */
  append(log: string, line: string): Promise<void>;
  /** Every whole line of a log, in order. A line torn by a crash was never appended. */
  lines(log: string): Promise<string[]>;
  /** The last whole line, without reading the log through. */
  lastLine(log: string): Promise<string | undefined>;
}

/** A vector as an object: float32, little-endian. */
export async function keepFloats(store: SiteStore, values: Float32Array): Promise<Sha256> {
  return store.keepObject(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}

/** @throws ConsiliumError `object-missing` or `object-corrupt` */
export async function floatsOf(store: SiteStore, hash: Sha256): Promise<Float32Array> {
  return new Float32Array(Uint8Array.from(await store.object(hash)).buffer);
}

/** Lower-case names with folders: `study/<hash>`. @throws ConsiliumError `internal` for any other. */
export function checkName(name: string): string {
  if (/^[a-z0-9-]+(\/[a-z0-9-]+)*$/.test(name)) return name;
  throw new ConsiliumError("internal", {
    subject: "site store",
    expected: "a document name of lower-case letters, digits, hyphens and slashes",
    actual: JSON.stringify(name),
    hint: "This is a defect: please report it.",
  });
}

export function missingObject(hash: Sha256): ConsiliumError {
  return new ConsiliumError("object-missing", {
    subject: `object ${hash.slice(0, 12)}`,
    expected: "an object in the site's store",
    actual: "nothing",
    hint: "The site's home was changed by hand or restored in part: restore it whole.",
  });
}

export function corruptObject(hash: Sha256, actual: Sha256): ConsiliumError {
  return new ConsiliumError("object-corrupt", {
    subject: `object ${hash.slice(0, 12)}`,
    expected: `bytes of SHA-256 ${hash}`,
    actual,
    hint: "The disk or the file is damaged: restore the site's home, or delete the object to have it made again.",
  });
}
