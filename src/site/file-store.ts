/**
 * A site's store, in files of its home folder.
 *
 * ```
 * home/<name>.json     documents, by temporary file, fsync and rename
 * home/objects/<hash>  objects, the same way
 * home/<log>.jsonl     logs, by append and fsync; a torn last line is cut off before the next is appended
 * home/<log>-000001.jsonl  what the log held before, put aside whole when it was full
 * ```
 * Source of the order of calls: POSIX rename(2) is atomic; the content must reach the disk before the name does, and
 * the folder's own entry after it (fsync of file, rename, fsync of folder).
 */
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ConsiliumError, canonicalJson, type Json, LIMITS, sha256 } from "../base/index.ts";
import { checkName, corruptObject, missingObject, type SiteStore } from "./site-store.ts";

/** Bytes read at a time when the end of a log is looked for. */
const TAIL_BYTES = 64 << 10;

let temporaryNames = 0;

/** The folder is made, readable by its owner only, where it does not exist. */
export async function openFileStore(
  folder: string,
  { logFileBytes = LIMITS.siteLogFileBytes }: { readonly logFileBytes?: number } = {},
): Promise<SiteStore> {
  const objects = join(folder, "objects");
  await guarded(folder, () => mkdir(objects, { recursive: true, mode: 0o700 }));
  await removeLeftovers(folder);
  const documentPath = (name: string): string => join(folder, `${checkName(name)}.json`);
  const logPath = (log: string): string => join(folder, `${checkName(log)}.jsonl`);
  const checkedLogs = new Set<string>();
  /** Files that a log filled, the oldest first. */
  const fullFiles = async (log: string): Promise<string[]> => {
    const pattern = new RegExp(`^${checkName(log)}-\\d{6}[.]jsonl$`);
    return (await readdir(folder))
      .filter((name) => pattern.test(name))
      .sort()
      .map((name) => join(folder, name));
  };
  const putAsideWhenFull = async (log: string): Promise<void> => {
    const path = logPath(log);
    const { size } = await stat(path);
    if (size < logFileBytes) return;
    const number = (await fullFiles(log)).length + 1;
    await rename(path, join(folder, `${log}-${String(number).padStart(6, "0")}.jsonl`));
    await withFile(folder, "r", 0, (handle) => handle.sync());
  };
  return {
    read: async (name) => readDocument(documentPath(name)),
    write: async (name, value) => writeFileDurably(documentPath(name), `${canonicalJson(value)}\n`),
    list: async (prefix) => (await documentNames(folder)).filter((name) => name.startsWith(prefix)).sort(),
    async keepObject(bytes) {
      const hash = sha256(bytes);
      if (!(await exists(join(objects, hash)))) await writeFileDurably(join(objects, hash), bytes);
      return hash;
    },
    async objectBytes(hash) {
      const found = await stat(join(objects, hash)).catch(() => undefined);
      if (found === undefined) throw missingObject(hash);
      return found.size;
    },
    hasObject: (hash) => exists(join(objects, hash)),
    async object(hash) {
      const bytes = await readIfThere(join(objects, hash));
      if (bytes === undefined) throw missingObject(hash);
      const actual = sha256(bytes);
      if (actual !== hash) throw corruptObject(hash, actual);
      return bytes;
    },
    objectPath: (hash) => join(objects, hash),
    async retainObjects(hashes) {
      let files = 0;
      let bytes = 0;
      for (const name of await readdir(objects)) {
        if (hashes.has(name.slice(0, 64))) continue;
        const found = await stat(join(objects, name)).catch(() => undefined);
        await rm(join(objects, name), { force: true });
        files += 1;
        bytes += found?.size ?? 0;
      }
      return { files, bytes };
    },
    async append(log, line) {
      const path = logPath(log);
      if (!checkedLogs.has(log)) await cutTornLine(path);
      checkedLogs.add(log);
      await guarded(path, async () => {
        await appendDurably(path, `${line}\n`);
        await putAsideWhenFull(log);
      });
    },
    async lines(log) {
      const lines: string[] = [];
      for (const path of [...(await fullFiles(log)), logPath(log)]) {
        const text = Buffer.from((await readIfThere(path)) ?? new Uint8Array()).toString("utf8");
        for (const line of text.split("\n").slice(0, -1)) lines.push(line);
      }
      return lines;
    },
    async lastLine(log) {
      const before = (await fullFiles(log)).at(-1);
      return (await lastWholeLine(logPath(log))) ?? (before && lastWholeLine(before));
    },
  };
}

/**
 * Content under a final name, whole or not at all.
 *
 * @throws ConsiliumError `disk-full` or `folder-not-writable`
 */
export async function writeFileDurably(path: string, content: Uint8Array | string, mode = 0o600): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${temporaryNames++}.tmp`);
  await guarded(path, async () => {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    try {
      await withFile(temporary, "wx", mode, async (handle) => {
        await handle.writeFile(content);
        await handle.sync();
      });
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await withFile(dirname(path), "r", 0, (handle) => handle.sync());
  });
}

async function withFile<T>(
  path: string,
  flags: string,
  mode: number,
  work: (handle: FileHandle) => Promise<T>,
): Promise<T> {
  const handle = await open(path, flags, mode);
  try {
    return await work(handle);
  } finally {
    await handle.close();
  }
}

async function appendDurably(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await withFile(path, "a", 0o600, async (handle) => {
    await handle.appendFile(text);
    await handle.sync();
  });
}

async function readDocument(path: string): Promise<Json | undefined> {
  const bytes = await readIfThere(path);
  if (bytes === undefined) return undefined;
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8")) as Json;
  } catch (cause) {
    throw new ConsiliumError("home-invalid", {
      subject: basename(path),
      expected: "JSON, as the site wrote it",
      actual: "something else",
      hint: "The site's home was damaged or edited: restore it whole from a backup.",
      cause,
    });
  }
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw storeError(path, error);
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Documents of the folder and of its sub-folders, without `.json`. */
async function documentNames(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(".json") && !entry.name.startsWith("."))
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1, -".json".length));
}

/** Temporary files of a process that was killed; those of a process that lives are younger than a minute. */
async function removeLeftovers(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isFile() || !/^\..*\.tmp$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (age > 60_000) await rm(path, { force: true });
  }
}

async function cutTornLine(path: string): Promise<void> {
  if (!(await exists(path))) return;
  await guarded(path, () =>
    withFile(path, "r+", 0, async (handle) => {
      const { size } = await handle.stat();
      const end = await endOfLastLine(handle, size);
      if (end < size) await handle.truncate(end);
    }),
  );
}

async function lastWholeLine(path: string): Promise<string | undefined> {
  if (!(await exists(path))) return undefined;
  return withFile(path, "r", 0, async (handle) => {
    const end = await endOfLastLine(handle, (await handle.stat()).size);
    if (end === 0) return undefined;
    const start = await endOfLastLine(handle, end - 1);
    const bytes = Buffer.alloc(end - 1 - start);
    await handle.read(bytes, 0, bytes.length, start);
    return bytes.toString("utf8");
  });
}

/** The offset just after the last line feed before `before`; 0 where there is none. */
async function endOfLastLine(handle: FileHandle, before: number): Promise<number> {
  for (let end = before; end > 0; ) {
    const start = Math.max(0, end - TAIL_BYTES);
    const bytes = Buffer.alloc(end - start);
    await handle.read(bytes, 0, bytes.length, start);
    const found = bytes.lastIndexOf(0x0a);
    if (found >= 0) return start + found + 1;
    end = start;
  }
  return 0;
}

/** Runs what touches the disk. @throws ConsiliumError `disk-full` or `folder-not-writable` */
export async function guarded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storeError(path, error);
  }
}

function storeError(path: string, cause: unknown): unknown {
  const errno = errnoOf(cause);
  if (errno === undefined) return cause;
  const full = errno === "ENOSPC" || errno === "EDQUOT";
  return new ConsiliumError(full ? "disk-full" : "folder-not-writable", {
    subject: `the site's home (${basename(path)})`,
    expected: full ? "room on the disk" : "a folder that this account may read and write",
    actual: errno,
    hint: full ? "Make room and start the site again: it goes on where it was." : "Check the folder and its owner.",
    cause,
  });
}

function errnoOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" && /^E[A-Z]+$/.test(code) ? code : undefined;
}
