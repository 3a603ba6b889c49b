/**
 * Review of drafts as a folder that can be handed to a reader and taken back:
 *
 * ```
 * review/review.json                  where every case is
 * review/cases/ID/                    the scans (links), ID_draft.nii.gz, and ID_corrected.nii.gz once it was drawn
 * review/reviewed/dataset.csv, ID/    cases that are done, as a dataset for `site data` or `train`
 * ```
 *
 * Invariants
 * - State is on disk after every case: a kill loses the case underway at most, and running again goes on.
 * - A draft is never written over; a returned map is compared with the draft whose digest the state holds.
 * - A case that fails carries its code, and the others go on.
 * - Subjects go into the reviewed dataset's table, so that the split keeps a patient's time points together.
 */
import { mkdir, readFile, rm, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ConsiliumError, type Json, sha256 } from "../../base/index.ts";
import {
  type CaseFiles,
  checkCase,
  type Dataset,
  type LabelConvention,
  labelsToClasses,
  loadCase,
  MANIFEST_NAME,
  type ManifestRow,
  manifestText,
  readNifti,
  type ScanOptions,
  scanDataset,
  spacingMmOf,
  writeFileAtomically,
  writeLabelMap,
} from "../../imaging/index.ts";
import { measureLabelMaps, type Regions, type Segmenter } from "../../segmentation/index.ts";
import {
  type Change,
  type Review,
  type ReviewState,
  type ReviewStep,
  reviewSchema,
  stepReview,
} from "./review-state.ts";

export interface OpenReview {
  readonly dir: string;
  readonly review: Review;
  readonly dataset: Dataset;
}

export interface DraftOptions {
  readonly segmenter: Segmenter;
  /** Digests of its models. */
  readonly models: readonly string[];
  readonly onCase?: (done: number, total: number) => void;
}

/**
 * Opens a review, or begins one; cases that are new in the dataset are added as identified.
 * @throws ConsiliumError `home-invalid` for a folder of something else, and what `scanDataset` throws.
 */
export async function openReview(dir: string, dataset: string, options: ScanOptions = {}): Promise<OpenReview> {
  const found = await scanDataset(dataset, options);
  const known = await readReview(dir);
  if (known !== undefined && known.dataset !== resolve(dataset)) throw otherDataset(known.dataset);
  const cases: Record<string, ReviewState> = { ...known?.cases };
  for (const { id } of found.cases) cases[id] ??= { kind: "identified" };
  for (const { caseId, error } of found.problems) {
    // A case that was drafted keeps its state: what a reader has in hand is not taken away.
    if (["drafted", "done"].includes(cases[caseId]?.kind)) continue;
    cases[caseId] = stepReview(caseId, cases[caseId] ?? { kind: "identified" }, {
      kind: "failed",
      during: "validation",
      error,
    });
  }
  const review: Review = {
    schema: "consilium.review/1",
    dataset: resolve(dataset),
    convention: found.convention,
    cases,
  };
  const opened = { dir, review, dataset: found };
  await keep(opened);
  return opened;
}

/** @returns undefined where no review was begun. @throws ConsiliumError `home-invalid` */
export async function readReview(dir: string): Promise<Review | undefined> {
  let text: string;
  try {
    text = await readFile(join(dir, "review.json"), "utf8");
  } catch {
    return undefined;
  }
  const parsed = reviewSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new ConsiliumError("home-invalid", {
    subject: "review.json",
    expected: "what this version of Consilium writes",
    actual: parsed.error.issues[0].message,
    hint: "The file was edited or damaged: restore the review's folder from a backup.",
  });
}

/** Validates and drafts every case that has no draft yet; failures are kept with the case. */
export async function draftCases(opened: OpenReview, options: DraftOptions): Promise<OpenReview> {
  const { segmenter, models, onCase } = options;
  let current = opened;
  const { cases, convention } = opened.dataset;
  for (const [i, files] of cases.entries()) {
    onCase?.(i, cases.length);
    const { kind } = current.review.cases[files.id];
    if (kind === "drafted" || kind === "done") continue;
    if (kind !== "validated") {
      const [problem] = await checkCase(files, convention);
      current = await taken(
        current,
        files.id,
        problem === undefined ? { kind: "validated" } : { kind: "failed", during: "validation", error: problem.error },
      );
      if (problem !== undefined) continue;
    }
    current = await taken(current, files.id, await drafted(current, files, segmenter, models));
  }
  onCase?.(cases.length, cases.length);
  return current;
}

async function drafted(
  { dir, dataset: { convention } }: OpenReview,
  files: CaseFiles,
  segmenter: Segmenter,
  models: readonly string[],
): Promise<ReviewStep> {
  try {
    const { labelMap: _, ...scans } = files;
    const { labelMap } = await segmenter.segment(scans, convention);
    const folder = caseFolder(dir, files.id);
    await mkdir(folder, { recursive: true });
    for (const [role, path] of Object.entries(files.images))
      await link(path, join(folder, `${files.id}_${role}.nii.gz`));
    const path = draftPath(dir, files.id);
    await writeLabelMap(path, labelMap, convention);
    return { kind: "drafted", draft: { draftSha256: sha256(await readFile(path)), models: [...models] } };
  } catch (error) {
    if (error instanceof ConsiliumError) return { kind: "failed", during: "drafting", error };
    throw error;
  }
}

export interface ReturnOptions {
  readonly caseId: string;
  /** The map that came back; the file in the case's folder unless given. */
  readonly map?: string | undefined;
  /** The reviewer says that an unchanged draft is right. */
  readonly rightAsItIs: boolean;
  readonly regions: Regions;
}

/**
 * Takes a corrected map back: it must lie on the case's grid and hold the dataset's labels only. Then the case is done,
 * and stands in the reviewed dataset.
 * @throws ConsiliumError `review-state`, `review-unchanged`, `object-corrupt` for a draft that was altered,
 *   `file-not-found`, and what `loadCase` refuses.
 */
export async function returnCase(
  opened: OpenReview,
  { caseId, map, rightAsItIs, regions }: ReturnOptions,
): Promise<{ readonly opened: OpenReview; readonly change: Change }> {
  const { dir, dataset, review } = opened;
  const files = dataset.cases.find(({ id }) => id === caseId);
  const state = review.cases[caseId];
  if (files === undefined || state === undefined) throw unknownCase(caseId);
  const source = map ?? correctedPath(dir, caseId);
  const returned = (await loadCase({ ...files, labelMap: source }, dataset.convention)).labelMap;
  if (returned === undefined) throw unknownCase(caseId);
  const before =
    state.kind === "drafted" || state.kind === "done"
      ? await draftOf(dir, caseId, state.draft.draftSha256, dataset.convention)
      : returned;
  const change = changeOf(before.data, returned.data, returned, regions);
  const labelMapSha256 = sha256(await readFile(source));
  const next = stepReview(caseId, state, { kind: "returned", change, labelMapSha256, rightAsItIs });
  const folder = join(dir, "reviewed", caseId);
  await mkdir(folder, { recursive: true });
  for (const [role, path] of Object.entries(files.images)) await link(path, join(folder, `${caseId}_${role}.nii.gz`));
  await writeLabelMap(join(folder, `${caseId}_seg.nii.gz`), returned, dataset.convention);
  const done = { ...opened, review: { ...review, cases: { ...review.cases, [caseId]: next } } };
  await writeReviewedTable(done);
  await keep(done);
  return { opened: done, change };
}

type Grid = Parameters<typeof spacingMmOf>[0];

function changeOf(
  draft: Uint8Array,
  returned: Uint8Array,
  { dims, affineVoxelToRas }: { readonly dims: readonly [number, number, number]; readonly affineVoxelToRas: Grid },
  regions: Regions,
): Change {
  const voxels = draft.reduce((sum, label, i) => sum + (label === returned[i] ? 0 : 1), 0);
  const measures = measureLabelMaps(draft, returned, dims, spacingMmOf(affineVoxelToRas), regions);
  return {
    voxels,
    regions: Object.fromEntries(
      Object.entries(measures).map(([region, { dice, volumeMl }]) => [
        region,
        { dice, draftMl: volumeMl.prediction, returnedMl: volumeMl.reference },
      ]),
    ),
  };
}

async function draftOf(
  dir: string,
  caseId: string,
  expected: string,
  convention: LabelConvention,
): Promise<{ data: Uint8Array }> {
  const path = draftPath(dir, caseId);
  const actual = sha256(await readFile(path));
  if (actual === expected) return labelsToClasses((await readNifti(path)).volume, convention, path);
  throw new ConsiliumError("object-corrupt", {
    subject: path,
    expected: `the draft as it was handed out (SHA-256 ${expected.slice(0, 12)})`,
    actual: actual.slice(0, 12),
    hint: "Save corrections under a name of their own (ID_corrected.nii.gz), and restore the draft from a backup.",
  });
}

async function writeReviewedTable({ dir, dataset, review }: OpenReview): Promise<void> {
  const rows = dataset.cases.flatMap(({ id, subject, images }): ManifestRow[] => {
    if (review.cases[id]?.kind !== "done") return [];
    const own = Object.fromEntries(Object.keys(images).map((role) => [role, `${id}/${id}_${role}.nii.gz`]));
    return [{ id, subject, images: own, labelMap: `${id}/${id}_seg.nii.gz` }];
  });
  await writeFileAtomically(join(dir, "reviewed", MANIFEST_NAME), Buffer.from(manifestText(rows)));
}

async function taken(opened: OpenReview, caseId: string, step: ReviewStep): Promise<OpenReview> {
  const { review } = opened;
  const cases = { ...review.cases, [caseId]: stepReview(caseId, review.cases[caseId], step) };
  const next = { ...opened, review: { ...review, cases } };
  await keep(next);
  return next;
}

async function keep({ dir, review }: OpenReview): Promise<void> {
  await mkdir(dir, { recursive: true });
  await writeFileAtomically(join(dir, "review.json"), Buffer.from(`${JSON.stringify(review as Json, null, 2)}\n`));
}

async function link(target: string, path: string): Promise<void> {
  await rm(path, { force: true });
  await symlink(resolve(target), path);
}

function caseFolder(dir: string, id: string): string {
  return join(dir, "cases", id);
}

function draftPath(dir: string, id: string): string {
  return join(caseFolder(dir, id), `${id}_draft.nii.gz`);
}

/** Where a reader saves the corrected map. */
export function correctedPath(dir: string, id: string): string {
  return join(caseFolder(dir, id), `${id}_corrected.nii.gz`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unknownCase(caseId: string): ConsiliumError {
  return new ConsiliumError("review-state", {
    subject: `case ${caseId}`,
    expected: "a complete case of the dataset under review",
    actual: "none of that name",
    hint: "See where every case is: `consilium review status`.",
  });
}

function otherDataset(dataset: string): ConsiliumError {
  return new ConsiliumError("home-invalid", {
    subject: "review",
    expected: `the dataset that it was begun with, ${dataset}`,
    actual: "another",
    hint: "Give another --review folder for another dataset.",
  });
}
