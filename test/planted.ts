/** Identifiers of patients, planted in names of folders and files and in NIfTI headers, and the search for them. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { expect } from "vitest";
import { createRandom } from "../src/base/index.ts";
import { createSiteTeller } from "../src/cli/site-events.ts";
import { encodeNifti } from "../src/imaging/index.ts";
import {
  type OpenSite,
  quietError,
  readRegisteredData,
  readSite,
  recordActivity,
  type SiteEvent,
} from "../src/site/index.ts";

/** A name, a number and a date in each place that an identifier may come from. */
const PLANTED = ["Mustermann", "PID4711", "19570311", "Herzog", "Ward7B"] as const;
export const CASE_NAME = (i: number): string => `Mustermann_PID4711-${i}_19570311`;
export const NIFTI_TEXT = "Herzog 19570311";
export const FOLDER = "Ward7B";

/** Bytes of the header's descrip and aux_file (NIfTI-1, offsets 148 and 228), db_name (14) and intent_name (328). */
function plantInHeader(nifti: Uint8Array): Uint8Array {
  const bytes = Buffer.from(gunzipSync(nifti));
  for (const [at, length] of [
    [148, 80],
    [228, 24],
    [14, 18],
    [328, 16],
  ]) {
    bytes.fill(0, at, at + length);
    bytes.write(NIFTI_TEXT.slice(0, length - 1), at, "latin1");
  }
  return new Uint8Array(gzipSync(bytes));
}

/** So many cases of noise, of `side` voxels along each axis. @returns the folder */
export async function plantedDataset(dataset: string, cases: number, side = 8): Promise<string> {
  for (let c = 0; c < cases; c++) {
    const id = CASE_NAME(c);
    const random = createRandom("planted", dataset, c);
    await mkdir(join(dataset, id), { recursive: true });
    for (const role of ["t1", "t1ce", "t2", "flair", "seg"]) {
      const data =
        role === "seg"
          ? Uint8Array.from({ length: side ** 3 }, () => [0, 1, 2, 4][random.integer(4)])
          : Float32Array.from({ length: side ** 3 }, () => random.between(1, 100));
      const affineVoxelToRas = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
      const plain = encodeNifti({ dims: [side, side, side], data, affineVoxelToRas });
      const bytes = plantInHeader(plain[0] === 0x1f ? plain : gzipSync(plain));
      await writeFile(join(dataset, id, `${id}_${role}.nii.gz`), bytes);
    }
  }
  return dataset;
}

export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

export function identifiersIn(bytes: Uint8Array | string): string[] {
  const text = (typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("latin1")).toLowerCase();
  return PLANTED.filter((each) => text.includes(each.toLowerCase()));
}

export interface HeardTeller {
  readonly lines: readonly string[];
  readonly onEvent: (event: SiteEvent) => void;
  readonly close: () => Promise<void>;
}

/** What `site start` says on its standard error and keeps as activity, by its own parts. */
export async function heardTeller(site: OpenSite): Promise<HeardTeller> {
  const lines: string[] = [];
  const data = await readRegisteredData(site.store);
  const activity = recordActivity(site.store);
  const progress = {
    update: ({ label, detail = "" }: { label: string; detail?: string }) => void lines.push(`${label} ${detail}`),
    note: (line: string) => void lines.push(line),
    end: () => {},
  };
  const onEvent = createSiteTeller({ progress, activity, quiet: (error) => quietError(error, data) });
  return { lines, onEvent, close: () => activity.close() };
}

/** Logs, ledger and activity name no patient; the registered data does, and never leaves. */
export async function expectQuietHome(siteHome: string): Promise<void> {
  const told = (await filesBelow(siteHome)).filter((file) => /log|ledger|activity/.test(file.slice(siteHome.length)));
  expect(told.map((file) => file.slice(siteHome.length)).join()).toMatch(/activity\.json/);
  expect(told.length).toBeGreaterThan(1);
  for (const file of told) expect([file, identifiersIn(await readFile(file))]).toEqual([file, []]);
  const { store } = await readSite(siteHome);
  // The control: the search finds what was planted where it belongs.
  expect(identifiersIn(JSON.stringify(await store.read("data")))).toEqual(
    expect.arrayContaining(["Mustermann", "PID4711", "19570311", "Ward7B"]),
  );
}
