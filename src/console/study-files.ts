/**
 * Files that a study names (an ONNX network, weights to start from), brought by browsers piece by piece, and kept until
 * the study is submitted.
 *
 * `FOLDER/<session>/files/<name>` holds whole files, `FOLDER/<session>/<upload>.part` what is not whole.
 *
 * Invariants
 * - A file under its name is whole and synced, of pieces that each came with its digest; a piece of another upload of the
 *   same name is refused, so that two never mix.
 * - Number and bytes are bounded for a session and for all together; bytes count as they were declared, before they came.
 * - Files end with their session, after LIMITS.consoleStudyFileIdleMs without a piece or a use, and with the console; what
 *   a killed console left is removed by the next.
 */
import { createHash, type Hash, randomUUID } from "node:crypto";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, ConsiliumError, createTurns, LIMITS, type Sha256, sha256, sumBy } from "../base/index.ts";
import { syncFolder, writeAll, writeError } from "../protocol/index.ts";
import type { Session } from "./sessions.ts";

const FILES = "files";

export interface StudyFilePiece {
  readonly name: string;
  /** Which upload it goes on; undefined for the first piece, which begins the file anew. */
  readonly upload: string | undefined;
  readonly offset: number;
  readonly totalBytes: number;
  /** Of this piece. */
  readonly sha256: string;
}

export interface StudyFileView {
  readonly name: string;
  readonly upload: string;
  readonly bytes: number;
  readonly held: number;
  /** Of the whole file; null while it is not whole. */
  readonly sha256: Sha256 | null;
}

export interface StudyFilesThere {
  readonly files: readonly StudyFileView[];
  /** The most in one piece, and in one file. */
  readonly pieceBytes: number;
  readonly fileBytes: number;
}

export interface StudyFiles {
  list(owner: Session): readonly StudyFileView[];
  /**
   * Adds a piece where the last one ended.
   * @param read gives its bytes, at most LIMITS.chunkBytes: asked for only where they would be taken
   * @throws ConsiliumError `message-invalid`, `limit-exceeded`, `object-refused`, `object-corrupt`, `disk-full`
   */
  add(owner: Session, piece: StudyFilePiece, read: () => Promise<Uint8Array>): Promise<StudyFileView>;
  remove(owner: Session, name: string): Promise<void>;
  removeAll(owner: Session): Promise<void>;
  /** A whole file; undefined where there is none of that name. */
  find(owner: Session, name: string): StudyFileView | undefined;
  /** Of a session's files: beside a study file in it they have the names `files/<name>`. */
  folderOf(owner: Session): string | undefined;
  /** Removes what has ended. */
  removeEnded(isOver: (owner: Session) => boolean): Promise<void>;
  close(): Promise<void>;
}

interface Kept {
  readonly name: string;
  readonly upload: string;
  readonly bytes: number;
  readonly part: string;
  readonly hash: Hash;
  held: number;
  sha256: Sha256 | null;
  lastMs: number;
}

interface Owned {
  readonly folder: string;
  readonly files: Map<string, Kept>;
}

/** @param folder is emptied: what is in it was left by a console that was killed */
export async function openStudyFiles(folder: string, clock: Clock): Promise<StudyFiles> {
  const owned = new Map<Session, Owned>();
  const inTurn = createTurns();
  let reading = 0;
  await writing("", () => rm(folder, { recursive: true, force: true }));

  const all = (): readonly Kept[] => [...owned.values()].flatMap(({ files }) => [...files.values()]);

  async function begin(owner: Session, { name, totalBytes }: StudyFilePiece): Promise<Kept> {
    const replaced = owned.get(owner)?.files.get(name);
    const others = all().filter((each) => each !== replaced);
    checkRoom(others, (owned.get(owner)?.files.size ?? 0) - (replaced === undefined ? 0 : 1), totalBytes);
    await remove(owner, name);
    const { folder: own, files } = owned.get(owner) ?? { folder: join(folder, randomUUID()), files: new Map() };
    const upload = randomUUID();
    const part = join(own, `${upload}.part`);
    await writing(name, async () => {
      await mkdir(join(own, FILES), { recursive: true, mode: 0o700 });
      await (await open(part, "wx", 0o600)).close();
    });
    const kept = { name, upload, bytes: totalBytes, part, hash: createHash("sha256"), held: 0, sha256: null };
    const begun: Kept = { ...kept, lastMs: clock.nowMs() };
    owned.set(owner, { folder: own, files: files.set(name, begun) });
    return begun;
  }

  async function write(owner: Session, piece: StudyFilePiece, bytes: Uint8Array): Promise<StudyFileView> {
    checkPiece(piece, bytes);
    const kept = piece.upload === undefined ? await begin(owner, piece) : goingOn(owned.get(owner), piece);
    const { name, part, hash } = kept;
    try {
      await writing(name, async () => {
        const file = await open(part, "r+");
        try {
          await writeAll(file, bytes, kept.held);
          if (kept.held + bytes.length === kept.bytes) await file.sync();
        } finally {
          await file.close();
        }
      });
      hash.update(bytes);
      kept.held += bytes.length;
      kept.lastMs = clock.nowMs();
      if (kept.held === kept.bytes) await finish(owner, kept);
      return viewOf(kept);
    } catch (error) {
      await remove(owner, name);
      throw error;
    }
  }

  async function finish(owner: Session, kept: Kept): Promise<void> {
    const files = join(owned.get(owner)?.folder ?? "", FILES);
    await writing(kept.name, async () => {
      await rename(kept.part, join(files, kept.name));
      await syncFolder(files);
    });
    kept.sha256 = kept.hash.digest("hex");
  }

  async function remove(owner: Session, name: string): Promise<void> {
    const own = owned.get(owner);
    const kept = own?.files.get(name);
    if (own === undefined || kept === undefined) return;
    own.files.delete(name);
    await rm(kept.part, { force: true });
    await rm(join(own.folder, FILES, name), { force: true });
  }

  async function removeAll(owner: Session): Promise<void> {
    const own = owned.get(owner);
    owned.delete(owner);
    if (own !== undefined) await rm(own.folder, { recursive: true, force: true });
  }

  async function removeEnded(isOver: (owner: Session) => boolean): Promise<void> {
    const nowMs = clock.nowMs();
    for (const [owner, { files }] of [...owned]) {
      for (const { name, lastMs } of [...files.values()]) {
        if (nowMs - lastMs >= LIMITS.consoleStudyFileIdleMs) await remove(owner, name);
      }
      if (isOver(owner) || files.size === 0) await removeAll(owner);
    }
  }

  return {
    list: (owner) => [...(owned.get(owner)?.files.values() ?? [])].map(viewOf),
    async add(owner, piece, read) {
      checkDeclared(piece);
      if (piece.upload !== undefined) goingOn(owned.get(owner), piece);
      if (reading >= LIMITS.consoleStudyPieces)
        throw tooMany("pieces of files", LIMITS.consoleStudyPieces, "at a time");
      reading++;
      try {
        const bytes = await read();
        return await inTurn(() => write(owner, piece, bytes));
      } finally {
        reading--;
      }
    },
    remove: (owner, name) => inTurn(() => remove(owner, name)),
    removeAll: (owner) => inTurn(() => removeAll(owner)),
    find(owner, name) {
      const kept = owned.get(owner)?.files.get(name);
      if (kept === undefined || kept.sha256 === null) return undefined;
      kept.lastMs = clock.nowMs();
      return viewOf(kept);
    },
    folderOf: (owner) => owned.get(owner)?.folder,
    removeEnded: (isOver) => inTurn(() => removeEnded(isOver)),
    close: () =>
      inTurn(async () => {
        owned.clear();
        await rm(folder, { recursive: true, force: true });
      }),
  };
}

function viewOf({ name, upload, bytes, held, sha256 }: Kept): StudyFileView {
  return { name, upload, bytes, held, sha256 };
}

/** What can be judged before the bytes are read. */
function checkDeclared({ name, upload, offset, totalBytes }: StudyFilePiece): void {
  if (!isPlainName(name)) {
    throw misunderstood(
      `a file's name without folders, of at most ${LIMITS.consoleStudyFileChars} characters`,
      "another",
    );
  }
  if (!Number.isSafeInteger(totalBytes) || totalBytes < 1) throw misunderstood("a file of at least 1 byte", "another");
  if (totalBytes > LIMITS.consoleStudyFileBytes) {
    throw new ConsiliumError("limit-exceeded", {
      subject: name,
      expected: `at most ${LIMITS.consoleStudyFileBytes} bytes`,
      actual: `${totalBytes} bytes`,
      hint: "Use a smaller file.",
    });
  }
  if ((upload === undefined) !== (offset === 0)) throw misunderstood("an upload from its first piece on", "another");
}

/** Names that people give to files: none that leads elsewhere, none that is hidden or that a terminal would not show. */
function isPlainName(name: string): boolean {
  return name.length <= LIMITS.consoleStudyFileChars && /^[\p{L}\p{N}_][\p{L}\p{N}\p{M} ._()+=@,-]*$/u.test(name);
}

function checkPiece({ name, offset, totalBytes, sha256: declared }: StudyFilePiece, bytes: Uint8Array): void {
  if (bytes.length === 0 || offset + bytes.length > totalBytes) {
    throw misunderstood(`a piece that ends by byte ${totalBytes}`, `${bytes.length} bytes from ${offset}`);
  }
  const came = sha256(bytes);
  if (came === declared) return;
  throw new ConsiliumError("object-corrupt", {
    subject: `${name}, from byte ${offset}`,
    expected: `bytes of SHA-256 ${declared.slice(0, 64)}`,
    actual: came,
    hint: "Choose the file again: it was damaged on its way.",
  });
}

function goingOn(owned: Owned | undefined, { name, upload, offset, totalBytes }: StudyFilePiece): Kept {
  const kept = owned?.files.get(name);
  const asked = `the piece of this upload from byte ${kept?.held ?? 0}`;
  if (kept === undefined || kept.upload !== upload) throw outOfOrder(name, "an upload that is kept here", "another");
  if (kept.held !== offset || kept.bytes !== totalBytes) throw outOfOrder(name, asked, `one from ${offset}`);
  return kept;
}

function checkRoom(all: readonly Kept[], ofSession: number, bytes: number): void {
  if (ofSession >= LIMITS.consoleStudyFilesOfSession) {
    throw tooMany("files for a study", LIMITS.consoleStudyFilesOfSession, "of one session");
  }
  if (all.length >= LIMITS.consoleStudyFiles) throw tooMany("files for studies", LIMITS.consoleStudyFiles, "in all");
  const held = sumBy(all, (each) => each.bytes);
  if (held + bytes > LIMITS.consoleStudyFilesBytes) {
    throw tooMany("bytes of files for studies", LIMITS.consoleStudyFilesBytes, "in all");
  }
}

function tooMany(subject: string, atMost: number, of: string): ConsiliumError {
  return new ConsiliumError("limit-exceeded", {
    subject,
    expected: `at most ${atMost} ${of}`,
    actual: "more",
    hint: "Remove files that no study needs, or wait until others have submitted theirs.",
  });
}

function outOfOrder(subject: string, expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("object-refused", { subject, expected, actual, hint: "Choose the file again." });
}

function misunderstood(expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("message-invalid", {
    subject: "file for a study",
    expected,
    actual,
    hint: "Rename the file if its name is unusual; otherwise reload the page, and choose it again.",
  });
}

async function writing<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw writeError(error, name === "" ? "folder of files for studies" : name);
  }
}
