/**
 * Where maps that the site's model drew lie in its home, and which of them are still of what is registered.
 *
 * Invariant: a map's name holds a digest of all that it was drawn from (paths, sizes and times of the scans, the
 * convention its labels are written in), below its model's: where one of them changed, the map is none of that case.
 */
import { existsSync } from "node:fs";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Sha256, sha256 } from "../base/index.ts";
import { type CaseFiles, MODALITIES } from "../imaging/index.ts";
import type { RegisteredData } from "../site/index.ts";

const folderOf = (home: string): string => join(home, "predictions");

/** Whether it was drawn already or not. */
export async function predictionPath(
  home: string,
  model: Sha256,
  { id, images }: CaseFiles,
  convention: RegisteredData["convention"],
): Promise<string> {
  const scans = await Promise.all(
    MODALITIES.map(async (modality) => {
      const path = images[modality];
      if (path === undefined) return [modality];
      const found = await stat(path).catch(() => undefined);
      return [modality, path, found?.size ?? null, found?.mtimeMs ?? null];
    }),
  );
  const identity = sha256(JSON.stringify([id, convention, scans]));
  return join(folderOf(home), model.slice(0, 16), `${identity.slice(0, 32)}.nii.gz`);
}

/** Removes maps of other models, of cases that are gone and of scans that changed. */
export async function dropStalePredictions(home: string, model: Sha256, data: RegisteredData): Promise<void> {
  if (!existsSync(folderOf(home))) return;
  const paths = data.cases.map((files) => predictionPath(home, model, files, data.convention));
  const current = new Set(await Promise.all(paths));
  for (const entry of await readdir(folderOf(home), { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && !current.has(path)) await rm(path, { force: true });
  }
}
