/** One process at a time works in a site's home, by a lock that the kernel lets go of (`lockFolder`). */
import { mkdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { ConsiliumError } from "../base/index.ts";
import { type FolderLock, lockFolder } from "../protocol/index.ts";
import { guarded } from "./file-store.ts";

const LOCK_FILE = "site.lock";
/** A command that only looks whether somebody is at work holds the lock for a moment: that is waited for. */
const TRIES = 5;
const TRY_AGAIN_MS = 50;

/** @throws ConsiliumError `home-locked` where another process, or this one, holds it; `folder-not-writable`. */
export async function lockHome(home: string): Promise<FolderLock> {
  await guarded(home, () => mkdir(home, { recursive: true, mode: 0o700 }));
  for (let tries = 1; ; tries++) {
    try {
      return await lockFolder(home, LOCK_FILE, "site");
    } catch (error) {
      if (tries >= TRIES || !isLockedError(error)) throw error;
      await sleep(TRY_AGAIN_MS);
    }
  }
}

/** Whether some process works in the home now. */
export async function isLocked(home: string): Promise<boolean> {
  try {
    (await lockFolder(home, LOCK_FILE, "site")).release();
    return false;
  } catch (error) {
    if (isLockedError(error)) return true;
    throw error;
  }
}

function isLockedError(error: unknown): boolean {
  return error instanceof ConsiliumError && error.code === "home-locked";
}
