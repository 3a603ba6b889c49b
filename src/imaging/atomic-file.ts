/**
 * Files that are whole or absent: written under another name in the same folder, flushed to the disk, then renamed.
 * A crash or a full disk never leaves half a file under its final name.
 */
import { randomBytes } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ConsiliumError } from "../base/index.ts";

/** @throws ConsiliumError `disk-full` or `folder-not-writable`; then nothing is left and an older file still stands. */
export async function writeFileAtomically(path: string, bytes: Uint8Array): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    const file = await open(temporary, "wx");
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(folder);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw writeError(cause, path);
  }
}

/** Makes the rename itself last; not every file system lets a folder be opened, and those that do not need none. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  if (handle === undefined) return;
  await handle.sync().catch(() => undefined);
  await handle.close();
}

function writeError(cause: unknown, path: string): unknown {
  const code = (cause as NodeJS.ErrnoException).code;
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return new ConsiliumError("disk-full", {
        subject: path,
        expected: "room for the file",
        actual: code === "EDQUOT" ? "a quota that is used up" : "a full disk",
        hint: "Free some space and run the command again; nothing was left half-written.",
        cause,
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
    case "ENOENT":
    case "ENOTDIR":
    case "EISDIR":
    case "ELOOP":
    case "ENAMETOOLONG":
      return new ConsiliumError("folder-not-writable", {
        subject: path,
        expected: "a folder that exists and may be written to",
        actual: code,
        hint: "Create the folder, correct its permissions or choose another.",
        cause,
      });
    default:
      return cause;
  }
}
