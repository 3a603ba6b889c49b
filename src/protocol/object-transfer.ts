/**
 * Large objects between a file and a coordinator, over any channel that moves pieces.
 *
 * Invariants: memory holds at most two pieces whatever the object's size, unless it is wanted whole; a fetched file has its final name only when
 * whole, on disk and of the digest asked for; what was moved before a break is not moved again.
 */
import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { ConsiliumError, LIMITS, type Sha256 } from "../base/index.ts";
import { writeError } from "./file-errors.ts";
import type { FetchObject, SendObject } from "./link.ts";
import { checkNotAborted } from "./refusal.ts";
import type { ObjectChunk, ObjectRange } from "./service.ts";

/** Moves pieces of at most LIMITS.chunkBytes. */
export interface ObjectChannel {
  /** LIMITS.chunkBytes unless given. */
  readonly pieceBytes?: number;
  /** @param into where the piece may be put, as long as it is of the range's length; the result is then a view of it */
  read(range: ObjectRange, signal?: AbortSignal, into?: Uint8Array): Promise<Uint8Array>;
  held(object: { readonly sha256: Sha256; readonly totalBytes: number }): Promise<number>;
  write(chunk: ObjectChunk, signal?: AbortSignal): Promise<number>;
}

/** @throws ConsiliumError `object-corrupt`, `disk-full`, `folder-not-writable`, and what the channel throws. */
export async function fetchThrough(channel: ObjectChannel, request: FetchObject): Promise<Uint8Array | undefined> {
  const { sha256, bytes, toFile, inMemory = false } = request;
  const subject = `object ${sha256.slice(0, 12)}`;
  checkSize(bytes, subject);
  const part = `${toFile}.part`;
  const whole = inMemory ? new Uint8Array(bytes) : undefined;
  const digest = await filling(subject, async () => {
    const file = await openPart(part);
    try {
      const digest = await fetchRest(channel, request, file, whole);
      await file.sync();
      return digest;
    } finally {
      await file.close();
    }
  });
  if (digest !== sha256) {
    await rm(part, { force: true });
    throw corrupt(subject, `bytes of SHA-256 ${sha256}`, digest);
  }
  await filling(subject, async () => {
    await rename(part, toFile);
    await syncFolder(dirname(toFile));
  });
  return whole;
}

/** @throws ConsiliumError what the channel throws, and `file-unreadable` for the file. */
export async function sendThrough(channel: ObjectChannel, request: SendObject): Promise<void> {
  const { sha256, fromFile, onProgress, signal } = request;
  const subject = `object ${sha256.slice(0, 12)}`;
  const file = await openToSend(fromFile, subject);
  try {
    const totalBytes = (await file.stat()).size;
    checkSize(totalBytes, subject);
    let held = await channel.held({ sha256, totalBytes });
    onProgress?.(held);
    const buffer = new Uint8Array(Math.min(pieceOf(channel), totalBytes));
    while (held < totalBytes) {
      checkNotAborted(signal, subject);
      const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, totalBytes - held), held);
      if (bytesRead === 0) throw corrupt(subject, `a file of ${totalBytes} bytes`, `one that ended at ${held}`);
      const offset = held;
      held = await channel.write({ sha256, offset, totalBytes, bytes: buffer.subarray(0, bytesRead) }, signal);
      if (held <= offset || held > totalBytes) {
        throw corrupt(subject, `more than ${offset} bytes held`, `${held}`);
      }
      onProgress?.(held);
    }
  } finally {
    await file.close();
  }
}

function pieceOf({ pieceBytes = LIMITS.chunkBytes }: ObjectChannel): number {
  return pieceBytes;
}

/** @param whole where every byte goes too, if it is given: pieces come into it. */
async function fetchRest(
  channel: ObjectChannel,
  request: FetchObject,
  file: FileHandle,
  whole: Uint8Array | undefined,
): Promise<Sha256> {
  const { sha256, bytes, onProgress, signal } = request;
  const subject = `object ${sha256.slice(0, 12)}`;
  const { hash, held } = await hashHeld(file, bytes, whole);
  let offset = held;
  onProgress?.(offset);
  const piece = Math.min(pieceOf(channel), Math.max(1, bytes - held));
  // One is hashed and written while the next piece comes into the other.
  const buffers = whole === undefined ? [new Uint8Array(piece), new Uint8Array(piece)] : [];
  const placeOf = (from: number): Uint8Array => whole?.subarray(from, from + piece) ?? buffers[asked++ % 2];
  let asked = 0;
  const ask = (from: number): Promise<Uint8Array> | undefined => {
    if (from >= bytes) return undefined;
    const into = placeOf(from).subarray(0, Math.min(piece, bytes - from));
    return channel.read({ sha256, offset: from, bytes: into.length }, signal, into);
  };
  let coming = ask(offset);
  while (coming !== undefined) {
    const came = await coming;
    checkNotAborted(signal, subject);
    if (came.length === 0 || offset + came.length > bytes) {
      throw corrupt(subject, `${bytes} bytes`, `another length, at ${offset + came.length}`);
    }
    const end = offset + came.length;
    coming = ask(end);
    // Awaited in the next turn; until then a failure of the write below must not leave it unheard.
    coming?.catch(() => undefined);
    if (whole !== undefined && came.buffer !== whole.buffer) whole.set(came, offset);
    const written = writeAll(file, came, offset);
    hash.update(came);
    await written;
    offset = end;
    onProgress?.(offset);
  }
  return hash.digest("hex");
}

async function hashHeld(
  file: FileHandle,
  bytes: number,
  whole: Uint8Array | undefined,
): Promise<{ hash: Hash; held: number }> {
  const hash = createHash("sha256");
  const { size } = await file.stat();
  if (size > bytes) {
    await file.truncate(0);
    return { hash, held: 0 };
  }
  const buffer = new Uint8Array(Math.min(LIMITS.chunkBytes, size));
  let held = 0;
  while (held < size) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, held);
    if (bytesRead === 0) break;
    hash.update(buffer.subarray(0, bytesRead));
    whole?.set(buffer.subarray(0, bytesRead), held);
    held += bytesRead;
  }
  return { hash, held };
}

/** Writes all of the bytes; `FileHandle.write` alone may write fewer. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Makes a rename in the folder last through a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function openPart(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r+");
  } catch {
    return open(path, "w+");
  }
}

async function openToSend(path: string, subject: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (cause) {
    throw new ConsiliumError("file-unreadable", {
      subject,
      expected: "the file that is to be sent",
      actual: cause instanceof Error && "code" in cause ? String(cause.code) : "none",
      hint: "It was removed or its folder is closed to this user: the work that made it must run again.",
      cause,
    });
  }
}

async function filling<T>(subject: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw writeError(cause, subject);
  }
}

function checkSize(bytes: number, subject: string): void {
  if (Number.isSafeInteger(bytes) && bytes > 0 && bytes <= LIMITS.objectBytes) return;
  throw new ConsiliumError("limit-exceeded", {
    subject,
    expected: `1 to ${LIMITS.objectBytes} bytes`,
    actual: `${bytes} bytes`,
    hint: "Choose a smaller network: one object holds all of its parameters.",
  });
}

function corrupt(subject: string, expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("object-corrupt", {
    subject,
    expected,
    actual,
    hint: "It was damaged on the way or on disk; what was held of it is dropped, and the next try starts anew.",
  });
}
