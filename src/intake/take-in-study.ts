/**
 * Intake of one patient for one use: from a DICOM study, or four NIfTI files as they came from the scanner, to the case
 * that a model takes, and the model's labels back onto the grid of T1 with contrast. Everything in between lies in a
 * folder of its own that only this user can read, and is gone when it is closed.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConsiliumError } from "../base/index.ts";
import {
  type CaseFiles,
  caseFileName,
  chooseSeries,
  type Grid,
  invertRigid,
  MODALITIES,
  type Modality,
  readSeriesOverrules,
  readSourceSeries,
  type SourceSeries,
  scanDicomFolder,
  type Volume,
} from "../imaging/index.ts";
import { classicalBrain } from "./align-case.ts";
import { ownAtlas, readAtlas } from "./atlas.ts";
import { openBrainNetwork } from "./brain-network.ts";
import { type CaseRecord, type CaseState, newRecord } from "./case-record.ts";
import { labelsOnto } from "./labels-onto.ts";
import { runCase, type ScanSource } from "./run-case.ts";

export type StudySource =
  | { readonly kind: "dicom"; readonly dir: string; readonly series?: string }
  | { readonly kind: "nifti"; readonly images: Readonly<Record<Modality, string>> };

export interface StudyOptions {
  readonly atlas?: string;
  readonly brainModel?: { readonly path: string; readonly spacingMm: number };
  readonly threads: number;
  readonly onState?: (state: CaseState) => void;
}

export interface TakenStudy {
  /** In the atlas's space, skull-stripped. */
  readonly files: CaseFiles;
  /** What the result's DICOM objects refer to; undefined for NIfTI. */
  readonly source: SourceSeries | undefined;
  /** Labels in the atlas's space as they lie in the patient's T1 with contrast, on its own grid. */
  restore(labelMap: Volume<Uint8Array>): Volume<Uint8Array>;
  close(): Promise<void>;
}

const CASE = "study";

/** @throws ConsiliumError the failure of the state that could not be reached; `dataset-empty`, `usage`. */
export async function takeInStudy(source: StudySource, options: StudyOptions): Promise<TakenStudy> {
  const { sources, series } = await openSources(source);
  const atlas = options.atlas === undefined ? ownAtlas() : await readAtlas(options.atlas);
  const { brainModel, threads, onState } = options;
  const network = brainModel && (await openBrainNetwork(brainModel.path, brainModel.spacingMm, threads));
  const out = await mkdtemp(join(tmpdir(), "consilium-study-"));
  const close = (): Promise<void> => rm(out, { recursive: true, force: true });
  try {
    const record: CaseRecord = { ...newRecord(CASE, CASE, ""), state: "recognised" };
    const tools = { atlas, findBrain: network?.find ?? classicalBrain };
    const ended = await runCase({ out, sources, record, noHeads: true }, tools, onState);
    if (ended.failure !== undefined) throw new ConsiliumError(ended.failure.code, ended.failure);
    return {
      files: filesOf(out),
      source: series,
      restore: (labelMap) => labelsOnto(labelMap, gridOf(ended), invertRigid(ended.atlasToReference ?? [])),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  } finally {
    await network?.close();
  }
}

async function openSources(
  source: StudySource,
): Promise<{ sources: Record<Modality, ScanSource>; series: SourceSeries | undefined }> {
  const each = (of: (modality: Modality) => ScanSource): Record<Modality, ScanSource> => ({
    t1: of("t1"),
    t1ce: of("t1ce"),
    t2: of("t2"),
    flair: of("flair"),
  });
  if (source.kind === "nifti") {
    return { sources: each((modality) => ({ kind: "nifti", path: source.images[modality] })), series: undefined };
  }
  const overrules = source.series === undefined ? new Map() : await readSeriesOverrules(source.series);
  const { studies } = await scanDicomFolder(source.dir);
  if (studies.length !== 1) {
    throw new ConsiliumError("usage", {
      subject: "folder of DICOM",
      expected: "one study",
      actual: String(studies.length),
      hint: "Name the folder of one study; `consilium intake` takes many.",
    });
  }
  const { stacks } = chooseSeries(studies[0], overrules, "study");
  return {
    sources: each((modality) => ({ kind: "series", stack: stacks[modality] })),
    series: await readSourceSeries(stacks.t1ce),
  };
}

function filesOf(out: string): CaseFiles {
  const folder = join(out, CASE);
  const images = Object.fromEntries(
    MODALITIES.map((modality) => [modality, join(folder, caseFileName(CASE, modality, "brats2021"))]),
  );
  return { id: CASE, subject: CASE, folder, images };
}

function gridOf({ grids }: CaseRecord): Grid {
  const { dims, affineVoxelToRas } = (grids as NonNullable<CaseRecord["grids"]>).t1ce;
  return { dims, affineVoxelToRas };
}
