/**
 * Journal, objects and a site's store in memory, behind the product's ports: what is kept outlives the process that
 * wrote it, as a disk would, and every write passes the simulated disk.
 */
import { ConsiliumError, canonicalJson, type Json, type Sha256, sha256 } from "../../src/base/index.ts";
import type {
  CoordinatorEvent,
  Countersigned,
  Heard,
  Journal,
  JournalHead,
  JournalLine,
  ObjectStore,
  Snapshot,
} from "../../src/coordinator/index.ts";
import type { SiteStore } from "../../src/site/index.ts";
import type { Disk } from "./world.ts";

export interface KeptRecord {
  readonly body: string;
  readonly head: JournalHead;
}

/** What a coordinator's disk holds. */
export interface CoordinatorDisk {
  readonly records: KeptRecord[];
  readonly heard: Map<Sha256, Heard>;
  readonly countersigned: Map<Sha256, Countersigned>;
  readonly snapshots: Snapshot[];
  readonly objects: Map<Sha256, Uint8Array>;
  /** Every object that ever was, for checkers. */
  readonly archive: Map<Sha256, Uint8Array>;
  /** Of each site: the object that it is sending. */
  readonly incoming: Map<string, { readonly sha256: Sha256; bytes: Uint8Array }>;
}

export function emptyCoordinatorDisk(): CoordinatorDisk {
  return {
    records: [],
    heard: new Map(),
    countersigned: new Map(),
    snapshots: [],
    objects: new Map(),
    archive: new Map(),
    incoming: new Map(),
  };
}

const START: JournalHead = { number: 0, sha256: sha256("simulated journal") };

export function appendRecord({ records }: CoordinatorDisk, body: string): JournalHead {
  const last = records.at(-1)?.head ?? START;
  const head = { number: last.number + 1, sha256: sha256(`${last.sha256} ${body}`) };
  records.push({ body, head });
  return head;
}

export function memoryJournal(kept: CoordinatorDisk, disk: Disk): Journal {
  let head = START;
  const { records, heard, countersigned, snapshots } = kept;
  return {
    head: () => head,
    append: (events) =>
      disk.write(() => {
        for (const event of events) head = appendRecord(kept, canonicalJson(event as unknown as Json));
        return head;
      }),
    hear: (next) =>
      disk.write(() => {
        const before = heard.get(next.keySha256);
        if (before === undefined || next.sequence > before.sequence) heard.set(next.keySha256, next);
        const { countersigned: signed } = next;
        const known = signed && countersigned.get(signed.keySha256);
        if (signed && (known === undefined || signed.head.number >= known.head.number)) {
          countersigned.set(signed.keySha256, signed);
        }
      }),
    lastHeard: () => disk.read(() => new Map(heard)),
    page: (after, limit) => disk.read(() => records.slice(after, after + limit).map(lineOf)),
    holds: (wanted) =>
      disk.read(() => (wanted.number === 0 ? START : records[wanted.number - 1]?.head)?.sha256 === wanted.sha256),
    countersigned: () => disk.read(() => [...countersigned.values()]),
    async replay(take, after = START) {
      head = after;
      for (const record of await disk.read(() => records.slice(after.number))) {
        await take(JSON.parse(record.body) as CoordinatorEvent, record.head);
        head = record.head;
      }
    },
    snapshot: (format) => disk.read(() => snapshots.findLast((each) => each.format === format)),
    snapshots: () => disk.read(() => [...snapshots]),
    keepSnapshot: (format, body) => disk.write(() => void snapshots.push({ head, format, body })),
    dropSnapshots: () => disk.write(() => void snapshots.splice(0)),
    close: () => undefined,
  };
}

function lineOf({ body, head }: KeptRecord): JournalLine {
  return { number: head.number, body, sha256: head.sha256 };
}

export function memoryObjects({ objects, archive, incoming }: CoordinatorDisk, disk: Disk): ObjectStore {
  const whole = (hash: Sha256): Uint8Array => {
    const bytes = objects.get(hash);
    if (bytes === undefined) throw missing(hash);
    return bytes;
  };
  const uploadOf = (siteId: string, hash: Sha256): Uint8Array | undefined => {
    const sent = incoming.get(siteId);
    return sent?.sha256 === hash && sha256(sent.bytes) === hash ? sent.bytes : undefined;
  };
  const keep = (hash: Sha256, bytes: Uint8Array): void => {
    objects.set(hash, bytes);
    archive.set(hash, bytes);
  };
  return {
    put: (bytes) =>
      disk.write(() => {
        const hash = sha256(bytes);
        keep(hash, Uint8Array.from(bytes));
        return { sha256: hash, bytes: bytes.length };
      }),
    sizeOf: (hash) => disk.read(() => objects.get(hash)?.length),
    read: (hash, offset, into) => disk.read(() => fill(into, whole(hash), offset)),
    readWhole: (hash) => disk.read(() => whole(hash).slice()),
    pathOf: (hash) => hash,
    remove: (hash) => disk.write(() => void objects.delete(hash)),
    heldBytes: (siteId, hash) =>
      disk.read(() => {
        const sent = incoming.get(siteId);
        return objects.get(hash)?.length ?? (sent?.sha256 === hash ? sent.bytes.length : 0);
      }),
    addPiece: ({ siteId, sha256: hash, offset, totalBytes, bytes }) =>
      disk.write(() => {
        const sent = incoming.get(siteId);
        const held = sent?.sha256 === hash ? sent.bytes : new Uint8Array();
        // As the product's store: a piece goes where the last one ended, or changes nothing.
        if (offset !== held.length || held.length + bytes.length > totalBytes) return held.length;
        const next = new Uint8Array(held.length + bytes.length);
        next.set(held);
        next.set(bytes, held.length);
        incoming.set(siteId, { sha256: hash, bytes: next });
        return next.length;
      }),
    openUpload: (siteId, hash) =>
      disk.read(() => {
        const bytes = uploadOf(siteId, hash) ?? objects.get(hash);
        return bytes && { bytes: bytes.length, read: async (at: number, into: Uint8Array) => fill(into, bytes, at) };
      }),
    accept: (siteId, hash) =>
      disk.write(() => {
        const bytes = uploadOf(siteId, hash);
        if (bytes === undefined) return void whole(hash);
        keep(hash, bytes);
        incoming.delete(siteId);
      }),
    dropAllIncoming: () => disk.write(() => incoming.clear()),
  };
}

function fill(into: Uint8Array, bytes: Uint8Array, offset: number): number {
  const piece = bytes.subarray(offset, offset + into.length);
  into.set(piece);
  return piece.length;
}

/** What a site's disk holds. */
export interface SiteDisk {
  readonly documents: Map<string, string>;
  readonly objects: Map<Sha256, Uint8Array>;
  readonly logs: Map<string, string[]>;
}

export function emptySiteDisk(): SiteDisk {
  return { documents: new Map(), objects: new Map(), logs: new Map() };
}

export function memorySiteStore({ documents, objects, logs }: SiteDisk, disk: Disk): SiteStore {
  const object = (hash: Sha256): Uint8Array => {
    const bytes = objects.get(hash);
    if (bytes === undefined) throw missing(hash);
    return bytes;
  };
  return {
    read: (name) =>
      disk.read(() => {
        const text = documents.get(name);
        return text === undefined ? undefined : (JSON.parse(text) as Json);
      }),
    write: (name, value) => disk.write(() => void documents.set(name, canonicalJson(value))),
    list: (prefix) => disk.read(() => [...documents.keys()].filter((name) => name.startsWith(prefix)).sort()),
    keepObject: (bytes) =>
      disk.write(() => {
        const hash = sha256(bytes);
        objects.set(hash, Uint8Array.from(bytes));
        return hash;
      }),
    hasObject: (hash) => disk.read(() => objects.has(hash)),
    objectBytes: (hash) => disk.read(() => object(hash).length),
    object: (hash) => disk.read(() => object(hash).slice()),
    objectPath: (hash) => hash,
    retainObjects: (hashes) =>
      disk.write(() => {
        const gone = [...objects].filter(([hash]) => !hashes.has(hash));
        for (const [hash] of gone) objects.delete(hash);
        return { files: gone.length, bytes: gone.reduce((sum, [, { length }]) => sum + length, 0) };
      }),
    append: (log, line) => disk.write(() => void logs.set(log, [...(logs.get(log) ?? []), line])),
    lines: (log) => disk.read(() => [...(logs.get(log) ?? [])]),
    lastLine: (log) => disk.read(() => logs.get(log)?.at(-1)),
  };
}

function missing(hash: Sha256): ConsiliumError {
  return new ConsiliumError("object-missing", {
    subject: `object ${hash.slice(0, 12)}`,
    expected: "an object that is kept",
    actual: "none",
    hint: "Fetch it again.",
  });
}
