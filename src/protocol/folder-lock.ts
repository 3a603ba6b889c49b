/**
 * One process at a time works in a folder. The lock is SQLite's write lock on an empty file, held in an open
 * transaction: the kernel lets go of it when the process ends, however it ends, so nothing outlives a SIGKILL and
 * nothing is ever removed by hand. (Node has no file locks of its own; a file with a process id is stale after a crash
 * and wrong once the id is used again.)
 */
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { createClient, LibsqlError } from "@libsql/client";
import { ConsiliumError } from "../base/index.ts";

export interface FolderLock {
  release(): void;
}

/**
 * @param file name of the lock file in the folder
 * @param owner what holds such a lock, for messages: "coordinator", "site"
 * @throws ConsiliumError `home-locked` where another process, or this one, holds it; `folder-not-writable`.
 */
export async function lockFolder(folder: string, file: string, owner: string): Promise<FolderLock> {
  const subject = `home of the ${owner}`;
  try {
    const client = createClient({ url: pathToFileURL(join(resolve(folder), file)).href, concurrency: 1 });
    try {
      const transaction = await client.transaction("write");
      return {
        release() {
          transaction.close();
          client.close();
        },
      };
    } catch (error) {
      client.close();
      throw error;
    }
  } catch (cause) {
    if (cause instanceof LibsqlError && cause.code.startsWith("SQLITE_BUSY")) {
      throw new ConsiliumError("home-locked", {
        subject,
        expected: "no other process at work in it",
        actual: "one that holds its lock",
        hint: `Stop the ${owner} that runs there, or use another home.`,
        cause,
      });
    }
    throw new ConsiliumError("folder-not-writable", {
      subject,
      expected: "a folder that this user may write to",
      actual: cause instanceof LibsqlError ? cause.code : "a failed write",
      hint: "Check that the folder exists, whose it is, and that the disk has room.",
      cause,
    });
  }
}
