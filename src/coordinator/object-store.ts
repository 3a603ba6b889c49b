/**
 * Large objects in a folder, by their SHA-256: models, updates, network files.
 *
 * `objects/<first two digits>/<digest>` holds whole objects; `objects/incoming/<site>/<digest>` what a site sends,
 * `.part` while it is not whole.
 *
 * Invariants
 * - A file under its digest is whole, verified and synced: it gets that name by a rename at the very end.
 * - A site has at most one object in `incoming`; a new one takes the place of the old, so no site can fill the disk.
 * - A failed write says so (`disk-full`, `folder-not-writable`) and leaves what was there before.
 */
import { createHash, type Hash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ConsiliumError, LIMITS, type Sha256, sha256 as sha256Of } from "../base/index.ts";
import { syncFolder, systemCode, writeAll, writeError } from "../protocol/index.ts";
import { writePrivately } from "./home-files.ts";
import type { ObjectRef } from "./records.ts";

const INCOMING = "incoming";

export interface IncomingPiece {
  readonly siteId: string;
  readonly sha256: Sha256;
  readonly offset: number;
  readonly totalBytes: number;
  readonly bytes: Uint8Array;
}

/** An object that can be read in pieces. */
export interface Upload {
  readonly bytes: number;
  /** As `ObjectStore.read`. */
  read(offset: number, into: Uint8Array): Promise<number>;
}

export interface ObjectStore {
  put(bytes: Uint8Array): Promise<ObjectRef>;
  /** Bytes of a whole object, or undefined. */
  sizeOf(sha256: Sha256): Promise<number | undefined>;
  /**
   * Fills `into` with the bytes from an offset on. @returns how many there were: fewer only where the object ends
   * @throws ConsiliumError `object-missing`
   */
  read(sha256: Sha256, offset: number, into: Uint8Array): Promise<number>;
  /** @throws ConsiliumError `object-missing`, or `object-corrupt` where the disk changed it. */
  readWhole(sha256: Sha256): Promise<Uint8Array>;
  pathOf(sha256: Sha256): string;
  remove(sha256: Sha256): Promise<void>;
  /** Bytes of a site's upload that are held; all of them once it is whole and verified. */
  heldBytes(siteId: string, sha256: Sha256, totalBytes: number): Promise<number>;
  /** Adds a piece where the last one ended; returns the bytes held now. The last piece verifies the whole. */
  addPiece(piece: IncomingPiece): Promise<number>;
  /** A whole upload to be read, accepted already or not; undefined where it is not whole. */
  openUpload(siteId: string, sha256: Sha256): Promise<Upload | undefined>;
  /** Makes a site's whole upload an object. */
  accept(siteId: string, sha256: Sha256): Promise<void>;
  /** Forgets what sites sent and nothing used. */
  dropAllIncoming(): Promise<void>;
}

/** @param folder is made where it does not exist */
export async function openObjectStore(folder: string): Promise<ObjectStore> {
  await writing("object store", () => mkdir(join(folder, INCOMING), { recursive: true, mode: 0o700 }));
  const { heldBytes, ...incoming } = openIncoming(join(folder, INCOMING));
  const pathOf = (sha256: Sha256): string => join(folder, sha256.slice(0, 2), sha256);
  return {
    addPiece: incoming.addPiece,
    dropAllIncoming: incoming.dropAllIncoming,
    pathOf,
    sizeOf: (sha256) => sizeOf(pathOf(sha256)),
    async put(bytes) {
      const sha256 = sha256Of(bytes);
      const path = pathOf(sha256);
      if ((await sizeOf(path)) !== bytes.length) await writing(nameOf(sha256), () => writeWhole(path, bytes));
      return { sha256, bytes: bytes.length };
    },
    read: (sha256, offset, into) => readPiece(pathOf(sha256), sha256, offset, into),
    async readWhole(sha256) {
      const bytes = await reading(sha256, () => readFile(pathOf(sha256)));
      if (sha256Of(bytes) !== sha256) throw corrupt(sha256, sha256Of(bytes));
      return bytes;
    },
    async remove(sha256) {
      await rm(pathOf(sha256), { force: true });
    },
    async heldBytes(siteId, sha256, totalBytes) {
      return (await sizeOf(pathOf(sha256))) ?? heldBytes(siteId, sha256, totalBytes);
    },
    async openUpload(siteId, sha256) {
      for (const path of [incoming.wholePath(siteId, sha256), pathOf(sha256)]) {
        const bytes = await sizeOf(path);
        if (bytes !== undefined) return { bytes, read: (offset, into) => readPiece(path, sha256, offset, into) };
      }
      return undefined;
    },
    async accept(siteId, sha256) {
      const from = incoming.wholePath(siteId, sha256);
      const path = pathOf(sha256);
      if ((await sizeOf(from)) === undefined) {
        if ((await sizeOf(path)) === undefined) throw missing(sha256);
        return;
      }
      await writing(nameOf(sha256), async () => {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        await rename(from, path);
        await syncFolder(dirname(path));
      });
    },
  };
}

interface Incoming extends Pick<ObjectStore, "heldBytes" | "addPiece" | "dropAllIncoming"> {
  /** Where a whole upload lies until it is accepted. */
  wholePath(siteId: string, sha256: Sha256): string;
}

interface Running {
  readonly sha256: Sha256;
  readonly hash: Hash;
  held: number;
}

/** Uploads in progress. The running hash spares a second reading; after a restart it is made anew from the file. */
function openIncoming(folder: string): Incoming {
  const running = new Map<string, Running>();
  const turns = new Map<string, Promise<unknown>>();
  const wholePath = (siteId: string, sha256: Sha256): string => join(folder, siteId, sha256);
  const partPath = (siteId: string, sha256: Sha256): string => `${wholePath(siteId, sha256)}.part`;

  async function addPiece(piece: IncomingPiece): Promise<number> {
    const { siteId, sha256, offset, totalBytes, bytes } = piece;
    const part = partPath(siteId, sha256);
    const whole = wholePath(siteId, sha256);
    if ((await sizeOf(whole)) === totalBytes) return totalBytes;
    const upload = await runningOf(siteId, sha256);
    if (upload.held !== offset) throw outOfOrder(sha256, `a piece at ${upload.held}`, `one at ${offset}`);
    await writing(nameOf(sha256), async () => {
      const file = await open(part, "r+");
      try {
        const written = writeAll(file, bytes, offset);
        upload.hash.update(bytes);
        await written;
        if (offset + bytes.length === totalBytes) await file.sync();
      } finally {
        await file.close();
      }
    }).catch((error: unknown) => {
      // Part of the piece may be on disk: what is held is counted anew from the file, up to the last whole piece.
      running.delete(siteId);
      throw error;
    });
    upload.held += bytes.length;
    return upload.held < totalBytes ? upload.held : finish(siteId, upload);
  }

  /** Verifies an upload of which every byte is there, and gives it its name. */
  async function finish(siteId: string, { sha256, hash, held }: Running): Promise<number> {
    running.delete(siteId);
    const part = partPath(siteId, sha256);
    const whole = wholePath(siteId, sha256);
    const digest = hash.digest("hex");
    if (digest !== sha256) {
      await rm(part, { force: true });
      throw corrupt(sha256, digest);
    }
    await writing(nameOf(sha256), async () => {
      await rename(part, whole);
      await syncFolder(dirname(whole));
    });
    return held;
  }

  /** What is held; an upload whose last piece came just before a crash is finished here. */
  async function heldBytes(siteId: string, sha256: Sha256, totalBytes: number): Promise<number> {
    const whole = await sizeOf(wholePath(siteId, sha256));
    if (whole !== undefined) return whole;
    const held = (await sizeOf(partPath(siteId, sha256))) ?? 0;
    if (held < totalBytes) return held;
    if (held === totalBytes) return finish(siteId, await runningOf(siteId, sha256));
    running.delete(siteId);
    await rm(partPath(siteId, sha256), { force: true });
    return 0;
  }

  async function runningOf(siteId: string, sha256: Sha256): Promise<Running> {
    const known = running.get(siteId);
    if (known?.sha256 === sha256) return known;
    await dropOthers(siteId, sha256);
    const part = partPath(siteId, sha256);
    const started = await writing(nameOf(sha256), async () => {
      await mkdir(dirname(part), { recursive: true, mode: 0o700 });
      const file = await open(part, "a");
      await file.close();
      return hashOfFile(part);
    });
    const upload = { sha256, ...started };
    running.set(siteId, upload);
    return upload;
  }

  async function dropOthers(siteId: string, sha256: Sha256): Promise<void> {
    for (const name of await namesIn(join(folder, siteId))) {
      if (!name.startsWith(sha256)) await rm(join(folder, siteId, name), { force: true });
    }
  }

  /** One request of a site after another: two at a time would count, hash and write past each other. */
  function inTurn<T>(siteId: string, work: () => Promise<T>): Promise<T> {
    const done = (turns.get(siteId) ?? Promise.resolve()).then(work);
    turns.set(
      siteId,
      done.catch(() => undefined),
    );
    return done;
  }

  return {
    wholePath,
    addPiece: (piece) => inTurn(piece.siteId, () => addPiece(piece)),
    heldBytes: (siteId, sha256, totalBytes) => inTurn(siteId, () => heldBytes(siteId, sha256, totalBytes)),
    async dropAllIncoming() {
      running.clear();
      for (const siteId of await namesIn(folder)) await rm(join(folder, siteId), { recursive: true, force: true });
    },
  };
}

async function hashOfFile(path: string): Promise<{ hash: Hash; held: number }> {
  const hash = createHash("sha256");
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const buffer = new Uint8Array(Math.min(LIMITS.chunkBytes, size));
    let held = 0;
    while (held < size) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, held);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      held += bytesRead;
    }
    return { hash, held };
  } finally {
    await file.close();
  }
}

async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writePrivately(path, bytes);
}

async function readPiece(path: string, sha256: Sha256, offset: number, into: Uint8Array): Promise<number> {
  return reading(sha256, async () => {
    const file = await open(path, "r");
    try {
      let filled = 0;
      while (filled < into.length) {
        const { bytesRead } = await file.read(into, filled, into.length - filled, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return filled;
    } finally {
      await file.close();
    }
  });
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch {
    return undefined;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch {
    return [];
  }
}

async function writing<T>(subject: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw writeError(error, subject);
  }
}

async function reading<T>(sha256: Sha256, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (systemCode(error) === "ENOENT") throw missing(sha256);
    throw error;
  }
}

function nameOf(sha256: Sha256): string {
  return `object ${sha256.slice(0, 12)} at the coordinator`;
}

function missing(sha256: Sha256): ConsiliumError {
  return new ConsiliumError("object-missing", {
    subject: nameOf(sha256),
    expected: "it in the object store",
    actual: "nothing there",
    hint: "Send it before it is announced; an older one may have been removed by the study's `retain`.",
  });
}

function corrupt(sha256: Sha256, actual: string): ConsiliumError {
  return new ConsiliumError("object-corrupt", {
    subject: nameOf(sha256),
    expected: `bytes of SHA-256 ${sha256}`,
    actual,
    hint: "What was held of it is dropped: send it again from its start.",
  });
}

function outOfOrder(sha256: Sha256, expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("object-refused", {
    subject: nameOf(sha256),
    expected,
    actual,
    hint: "Ask how much is held and go on from there.",
  });
}
