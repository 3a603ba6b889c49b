/**
 * Hospitals' dataset folders for a simulation: each holds links to the files of the cases that were dealt to it, so
 * that a simulated site registers its data by the code of a real one, and no image is copied.
 */
import { mkdir, symlink } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { ConsiliumError } from "../base/index.ts";
import type { CaseFiles, Dataset } from "../imaging/index.ts";
import { partitionSubjects, type SiteSizes } from "./partition.ts";

export interface SiteFolder {
  readonly id: string;
  readonly dir: string;
}

export interface Deal {
  readonly sites: number;
  readonly sizes: SiteSizes;
  readonly seed: number;
  /** Case or subject identifiers that no site gets. */
  readonly holdOut: readonly string[];
}

export interface DealtCases {
  readonly sites: readonly { readonly id: string; readonly cases: readonly CaseFiles[] }[];
  readonly heldOut: readonly CaseFiles[];
}

/** @throws ConsiliumError `usage` for a held-out case that is not in the dataset, and what `partitionSubjects` throws. */
export function dealCases(dataset: Dataset, { sites, sizes, seed, holdOut }: Deal): DealtCases {
  for (const wanted of holdOut) {
    if (dataset.cases.some(({ id, subject }) => id === wanted || subject === wanted)) continue;
    throw new ConsiliumError("usage", {
      subject: "--hold-out",
      expected: "identifiers of cases in the dataset",
      actual: wanted,
      hint: "List them with: consilium cohort check DIR",
    });
  }
  const heldSubjects = new Set(
    dataset.cases.flatMap(({ id, subject }) => (holdOut.includes(id) || holdOut.includes(subject) ? [subject] : [])),
  );
  const heldOut = dataset.cases.filter(({ subject }) => heldSubjects.has(subject));
  const rest = dataset.cases.filter(({ subject }) => !heldSubjects.has(subject));
  const subjects = [...new Set(rest.map(({ subject }) => subject))];
  const parts = partitionSubjects(subjects, sites, sizes, seed);
  const digits = String(sites).length;
  return {
    heldOut,
    sites: parts.map((part, i) => ({
      id: `site-${String(i + 1).padStart(Math.max(2, digits), "0")}`,
      cases: rest.filter(({ subject }) => part.includes(subject)),
    })),
  };
}

export async function linkSiteFolders(deal: DealtCases, into: string): Promise<SiteFolder[]> {
  const folders: SiteFolder[] = [];
  for (const { id, cases } of deal.sites) {
    const dir = join(into, id);
    for (const files of cases) {
      const folder = join(dir, files.id);
      await mkdir(folder, { recursive: true });
      const paths = [...Object.values(files.images), ...(files.labelMap === undefined ? [] : [files.labelMap])];
      for (const path of paths) await symlink(resolve(path), join(folder, basename(path)));
    }
    folders.push({ id, dir });
  }
  return folders;
}
