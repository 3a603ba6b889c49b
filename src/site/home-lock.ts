/**
 * One process at a time works in a home. The lock is SQLite's write lock on an empty file, held in an open
 * transaction: the kernel lets go of it when the process ends, however it ends, so no lock outlives a SIGKILL and
 * none has to be removed by hand. (Node itself offers no file locks; a file with a process id is stale after a crash
 * and wrong once the id is used again.)
 */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { createClient } from "@libsql/client";
import { ConsiliumError } from "../base/index.ts";

export interface HomeLock {
  release(): Promise<void>;
}

/** @throws ConsiliumError `home-locked` where another process, or this one, holds it; `folder-not-writable`. */
export async function lockHome(home: string): Promise<HomeLock> {
  await mkdir(home, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw notWritable(cause);
  });
  const client = createClient({ url: pathToFileURL(join(resolve(home), "site.lock")).href });
  try {
    const transaction = await client.transaction("write");
    return {
      async release() {
        transaction.close();
        client.close();
      },
    };
  } catch (cause) {
    client.close();
    throw (cause as { code?: unknown }).code === "SQLITE_BUSY" ? locked(cause) : notWritable(cause);
  }
}

/** Whether some process works in the home now. */
export async function isLocked(home: string): Promise<boolean> {
  try {
    await (await lockHome(home)).release();
    return false;
  } catch (error) {
    if (error instanceof ConsiliumError && error.code === "home-locked") return true;
    throw error;
  }
}

function locked(cause: unknown): ConsiliumError {
  return new ConsiliumError("home-locked", {
    subject: "the site's home",
    expected: "no other process at work in it",
    actual: "one that holds its lock",
    hint: "Stop the running `consilium site` of this home first, or let it do the work.",
    cause,
  });
}

function notWritable(cause: unknown): ConsiliumError {
  return new ConsiliumError("folder-not-writable", {
    subject: "the site's home",
    expected: "a folder that this account may write to",
    actual: (cause as { code?: string }).code ?? "a failed write",
    hint: "Check the folder and its owner.",
    cause,
  });
}
