/** One file of a model's folder, as `model export` writes it: for downloads of a console. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DownloadName, WantedModel } from "../console/index.ts";
import { exportModel } from "./export-model.ts";

interface Wanted extends WantedModel {
  readonly home: string;
  readonly name: Exclude<DownloadName, "report.html">;
  readonly version: string;
}

/** @throws ConsiliumError `study-unknown` where no study has ended, or for a region that it does not have */
export async function modelFile({ home, name, which, study, version }: Wanted): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "consilium-model-"));
  try {
    await exportModel(home, { which, study }, join(folder, "model"), version);
    return await readFile(join(folder, "model", name));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
