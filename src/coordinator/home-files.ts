/** Files of the coordinator's home: readable by their owner only, and written whole or not at all. */
import { randomUUID } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { ConsiliumError } from "../base/index.ts";
import { syncFolder, systemCode, writeAll, writeError } from "../protocol/index.ts";

/** Writes a file that only its owner reads, whole or not at all. */
export async function writePrivately(path: string, content: Uint8Array | string): Promise<void> {
  const temporary = `${path}.${randomUUID()}.part`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await writeAll(file, typeof content === "string" ? Buffer.from(content) : content, 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

export async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (["ENOENT", "ENOTDIR"].includes(systemCode(cause) ?? "")) return undefined;
    throw new ConsiliumError("file-unreadable", {
      subject: "home of the coordinator",
      expected: "a folder that this user may read",
      actual: systemCode(cause) ?? "a failed read",
      hint: "Check whose folder it is.",
      cause,
    });
  }
}

/** Work on the home's files, with what the disk says in words. */
export async function writing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw writeError(error, "home of the coordinator");
  }
}
