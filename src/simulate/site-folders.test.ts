import { lstat, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { MANIFEST_NAME, scanDataset } from "../imaging/index.ts";
import { dealCases, linkSiteFolders } from "./site-folders.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "consilium-deal-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const ROLES = ["t1", "t1ce", "t2", "flair", "seg"];

/** Twelve cases of four patients, of whom their names say nothing; files have the same names for every image. */
async function describedDataset(): Promise<string> {
  const dir = join(root, "dataset");
  const rows: string[] = [];
  for (let i = 0; i < 12; i++) {
    const id = `scan${i}`;
    for (const role of ROLES) {
      await mkdir(join(dir, role), { recursive: true });
      await writeFile(join(dir, role, `${id}.nii.gz`), role);
    }
    rows.push([id, `patient-${i % 4}`, i, ...ROLES.map((role) => `${role}/${id}.nii.gz`)].join(","));
  }
  await writeFile(join(dir, MANIFEST_NAME), ["case,subject,timepoint,t1,t1ce,t2,flair,seg", ...rows].join("\n"));
  return dir;
}

it.each(["brats2021", "brats2023"] as const)(
  "gives a patient's time points to one site, whose folder says the same of them (%s)",
  async (labels) => {
    const dataset = await scanDataset(await describedDataset(), { labels });
    expect(dataset.problems).toEqual([]);
    const deal = dealCases(dataset, { sites: 3, sizes: "even", seed: 1, holdOut: ["scan0"] });
    expect(deal.heldOut.map(({ id }) => id)).toEqual(["scan0", "scan4", "scan8"]);
    const subjects: string[] = [];
    for (const { dir } of await linkSiteFolders(deal, join(root, "sites"))) {
      // As a simulated site registers it: no option says how labels are written.
      const { cases, problems, convention } = await scanDataset(dir);
      expect(problems).toEqual([]);
      expect(convention).toBe(labels);
      expect(cases.length % 3).toBe(0);
      for (const { images, labelMap } of cases) {
        for (const path of [...Object.values(images), labelMap]) {
          expect((await lstat(path as string)).isSymbolicLink()).toBe(true);
        }
      }
      subjects.push(...new Set(cases.map(({ subject }) => subject)));
    }
    expect(subjects.sort()).toEqual(["patient-1", "patient-2", "patient-3"]);
  },
);
