/**
 * Intake of one patient for one use: from a DICOM study, or NIfTI files as they came from the scanner, to the case
 * that a model takes, and the model's labels back onto the grid of T1 with contrast. Everything in between lies in a
 * folder of its own that only this user can read, and is gone when it is closed.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConsiliumError } from "../base/index.ts";
import {
  type ByScan,
  type CaseFiles,
  caseFileName,
  chooseSeries,
  type Grid,
  invertRigid,
  type Modality,
  readSeriesOverrules,
  readSourceSeries,
  type SourceSeries,
  scanDicomFolder,
  scansOf,
  type Volume,
} from "../imaging/index.ts";
import { classicalBrain } from "./align-case.ts";
import { ownAtlas, readAtlas } from "./atlas.ts";
import { openBrainNetwork } from "./brain-network.ts";
import { type CaseRecord, type CaseState, newRecord } from "./case-record.ts";
import { labelsOnto } from "./labels-onto.ts";
import { type CaseOrder, runCase, sourcesOf } from "./run-case.ts";

export type StudySource =
  | { readonly kind: "dicom"; readonly dir: string; readonly series?: string }
  | { readonly kind: "nifti"; readonly images: ByScan<string> };

export interface StudyOptions {
  readonly atlas?: string;
  readonly brainModel?: { readonly path: string; readonly spacingMm: number };
  /** Scans that a DICOM study may lack; T1 with contrast is needed whatever it says. */
  readonly mayMiss?: readonly Modality[];
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
  const { sources, series } = await openSources(source, options.mayMiss);
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
      files: filesOf(out, sources),
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
  mayMiss: readonly Modality[] | undefined,
): Promise<{ sources: CaseOrder["sources"]; series: SourceSeries | undefined }> {
  if (source.kind === "nifti") {
    const entries = scansOf(source.images).map(([modality, path]) => [modality, { kind: "nifti", path }]);
    return { sources: Object.fromEntries(entries) as CaseOrder["sources"], series: undefined };
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
  const { stacks } = chooseSeries(studies[0], overrules, "study", mayMiss);
  return { sources: sourcesOf(stacks), series: await readSourceSeries(stacks.t1ce) };
}

function filesOf(out: string, sources: CaseOrder["sources"]): CaseFiles {
  const folder = join(out, CASE);
  const images = Object.fromEntries(
    scansOf(sources).map(([modality]) => [modality, join(folder, caseFileName(CASE, modality, "brats2021"))]),
  );
  return { id: CASE, subject: CASE, folder, images };
}

function gridOf({ grids }: CaseRecord): Grid {
  const { dims, affineVoxelToRas } = (grids as NonNullable<CaseRecord["grids"]>).t1ce;
  return { dims, affineVoxelToRas };
}
