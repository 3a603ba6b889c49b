/**
 * What a study leaves at a site once it has ended: its models (their network and the site's own running
 * statistics with them), the reviewer's decision and the records of what left.
 * Everything else of it goes: updates, moments, residuals, what was fetched in part, secrets of masked rounds, and the
 * prepared cases of the cache.
 *
 * Invariants: nothing is erased before the end is on disk; the site's log says what was erased, in the chain of what
 * left; a site that is killed in between erases when it starts again, and says so once.
 */

import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { sumBy } from "../base/index.ts";
import { eraseMaskingSecrets } from "./masking-document.ts";
import type { Shift } from "./shift.ts";
import { isErasureNoted } from "./site-log.ts";
import type { Erased } from "./site-store.ts";
import { dropUnneededObjects, knownStudies, readEnd } from "./study-progress.ts";

/** Where a site keeps prepared cases while a study runs. */
export function caseCacheFolder(home: string): string {
  return join(home, "cache");
}

/** Removes the prepared cases of a home: they are made again from the dataset where a study needs them. */
export async function eraseCaseCache(home: string): Promise<Erased> {
  const folder = caseCacheFolder(home);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(({ parentPath, name }) =>
      stat(join(parentPath, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  await rm(folder, { recursive: true, force: true });
  return { files: files.length, bytes: sumBy(sizes, (size) => size) };
}

/** Erases what studies that ended left here, once for each. */
export async function eraseEndedStudies(shift: Shift): Promise<void> {
  const { store } = shift.site;
  for (const studyHash of await knownStudies(store)) {
    const name = `study/${studyHash}/erased`;
    if ((await readEnd(store, studyHash)) === undefined) continue;
    const secrets = await eraseMaskingSecrets(store, studyHash);
    if (secrets.files === 0 && (await store.read(name)) !== undefined) continue;
    await shift.engine.drop();
    const objects = await dropUnneededObjects(store);
    const cases = await shift.eraseCaches();
    const parts = [secrets, objects, cases];
    const erased = { files: sumBy(parts, ({ files }) => files), bytes: sumBy(parts, ({ bytes }) => bytes) };
    const isNoted = await isErasureNoted(store, studyHash);
    if (!isNoted) await shift.out.noteErasure(studyHash, erased);
    await store.write(name, { ...erased, atMs: shift.clock.nowMs() });
    if (!isNoted) await shift.emit({ kind: "erased", studyHash, ...erased });
  }
}
