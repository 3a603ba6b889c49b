/**
 * Hospitals' dataset folders for a simulation: each holds links to the files of the cases that were dealt to it, so
 * that a simulated site registers its data by the code of a real one, and no image is copied. A table beside the links
 * says whose scans they are, so that subjects stay what they were in the dataset, whatever its cases are called.
 */
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ConsiliumError } from "../base/index.ts";
import {
  type CaseFileRole,
  type CaseFiles,
  caseFileName,
  type Dataset,
  type LabelConvention,
  MANIFEST_NAME,
  type ManifestRow,
  MODALITIES,
  manifestText,
} from "../imaging/index.ts";
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
  /** How the cases' labels are written. */
  readonly convention: LabelConvention;
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
    convention: dataset.convention,
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
    const rows = await Promise.all(cases.map((files) => linkCase(dir, files, deal.convention)));
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, MANIFEST_NAME), manifestText(rows));
    folders.push({ id, dir });
  }
  return folders;
}

/**
 * Links a case's files under the names that its convention has for them, whatever they were called, and says where
 * they are, relative to the site's folder.
 */
async function linkCase(
  dir: string,
  { id, subject, images, labelMap }: CaseFiles,
  convention: LabelConvention,
): Promise<ManifestRow> {
  await mkdir(join(dir, id), { recursive: true });
  const link = async (role: CaseFileRole, path: string): Promise<string> => {
    const name = `${id}/${caseFileName(id, role, convention)}`;
    await symlink(resolve(path), join(dir, name));
    return name;
  };
  const linked = await Promise.all(
    MODALITIES.flatMap((modality) => {
      const path = images[modality];
      return path === undefined ? [] : [link(modality, path).then((name) => [modality, name] as const)];
    }),
  );
  return {
    id,
    subject,
    images: Object.fromEntries(linked),
    ...(labelMap !== undefined && { labelMap: await link("labelMap", labelMap) }),
  };
}
