/**
 * One case from its series to a checked case of the dataset, state by state; each state is on disk before the next
 * begins, and a state that is there already is not made again.
 *
 *   found -> recognised -> converted -> registered -> extracted -> aligned -> done
 *
 * Between states whole-head volumes lie in the dataset's folder for intake's work; they are removed when the case is
 * done. Wherever a state cannot be reached the record says which, under the code of the error.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { ConsiliumError } from "../base/index.ts";
import {
  type ByScan,
  caseFileName,
  type FrameStack,
  type Modality,
  readNifti,
  readStack,
  scansOf,
  type Volume,
  writeFileAtomically,
  writeLabelMap,
  writeNifti,
} from "../imaging/index.ts";
import {
  type BrainFinder,
  findBrain,
  type Motions,
  maskOnto,
  motionOf,
  motionsFromAtlas,
  onAtlas,
  registerScans,
  registerToAtlas,
  type Scans,
  UNMOVED,
  workingCopy,
} from "./align-case.ts";
import type { Atlas } from "./atlas.ts";
import { type CaseRecord, type CaseState, intakeFolder, STATES, writeRecord } from "./case-record.ts";
import { checkIntensities, checkPlacement } from "./check-aligned.ts";
import { contactSheet, middleOf, type SheetColumn } from "./contact-sheet.ts";
import { type AlignedLabels, alignLabels, type GivenLabels, placeLabels } from "./given-labels.ts";
import { identifyingElements } from "./identifying-elements.ts";
import { sheetFolder } from "./sheet-files.ts";

/** Where a scan comes from: a series of DICOM, or a NIfTI file. */
export type ScanSource =
  | { readonly kind: "series"; readonly stack: FrameStack }
  | { readonly kind: "nifti"; readonly path: string };

export interface CaseOrder {
  /** The dataset's folder. */
  readonly out: string;
  readonly sources: ByScan<ScanSource>;
  readonly record: CaseRecord;
  /** Drawn by the site before. */
  readonly labels?: GivenLabels;
  /** No pictures of the head before the brain was cut out. */
  readonly noHeads: boolean;
}

/** The series that were chosen, as sources. */
export function sourcesOf(stacks: ByScan<FrameStack>): CaseOrder["sources"] {
  const entries = scansOf(stacks).map(([modality, stack]) => [modality, { kind: "series", stack }]);
  return Object.fromEntries(entries) as CaseOrder["sources"];
}

export interface Tools {
  readonly atlas: Atlas;
  readonly findBrain: BrainFinder;
}

/** How the dataset writes its files and labels, whatever was given. */
export const DATASET_LABELS = "brats2021";

type Step = (order: CaseOrder, record: CaseRecord, tools: Tools) => Promise<CaseRecord>;

/** How to reach each state from the one before. */
const STEPS: Readonly<Record<Exclude<CaseState, "found" | "recognised">, Step>> = {
  converted: convert,
  registered: register,
  extracted: extract,
  aligned: align,
  done: finish,
};

/**
 * @param order whose record is at "recognised" or beyond.
 * @returns the record of a case that is done or failed; it is on disk.
 */
export async function runCase(
  order: CaseOrder,
  tools: Tools,
  onState: (state: CaseState) => void = () => undefined,
): Promise<CaseRecord> {
  const { failure: _, ...earlier } = order.record;
  let record: CaseRecord = earlier;
  for (const folder of [
    workFolder(order),
    sheetFolder(order.out, order.record.caseId),
    join(intakeFolder(order.out), "cases"),
  ]) {
    await mkdir(folder, { recursive: true });
  }
  for (const state of STATES.slice(STATES.indexOf(record.state) + 1) as (keyof typeof STEPS)[]) {
    const startedMs = performance.now();
    try {
      record = await STEPS[state](order, record, tools);
    } catch (cause) {
      record = { ...record, failure: { towards: state, ...asConsiliumError(cause).toJSON() } };
      await writeRecord(order.out, record);
      return record;
    }
    const took = Number(((performance.now() - startedMs) / 1000).toFixed(2));
    record = { ...record, state, seconds: { ...record.seconds, [state]: took } };
    await writeRecord(order.out, record);
    onState(state);
  }
  await rm(workFolder(order), { recursive: true, force: true });
  return record;
}

function asConsiliumError(cause: unknown): ConsiliumError {
  if (cause instanceof ConsiliumError) return cause;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return new ConsiliumError("internal", {
    subject: "intake",
    expected: "work to its end",
    // Text of an error of the file system may hold a path, and a path a name.
    actual: code ?? (cause instanceof Error ? cause.name : "an unknown failure"),
    hint: "Run the command again; where it comes back, please report it.",
    cause,
  });
}

const workFolder = ({ out, record }: CaseOrder): string => join(intakeFolder(out), "work", record.caseId);
const scanPath = (order: CaseOrder, modality: Modality): string => join(workFolder(order), `${modality}.nii`);
const labelsPath = (order: CaseOrder): string => join(workFolder(order), "labels.nii");
const brainPath = (order: CaseOrder): string => join(workFolder(order), "brain.nii");

async function convert(order: CaseOrder, record: CaseRecord): Promise<CaseRecord> {
  const grids: Partial<NonNullable<CaseRecord["grids"]>> = {};
  const columns: SheetColumn[] = [];
  for (const [modality, source] of scansOf(order.sources)) {
    const scan = await readSource(source, modality);
    const [x, y, z] = scan.dims;
    grids[modality] = { dims: [x, y, z], affineVoxelToRas: [...scan.affineVoxelToRas] };
    await writeNifti(scanPath(order, modality), scan);
    columns.push({ scan, motion: UNMOVED, centre: middleOf(scan) });
  }
  await writeSheet(order, "converted", columns, true);
  const paths = scansOf(order.sources).flatMap(([, source]) =>
    source.kind === "series" ? source.stack.frames.map(({ image }) => image.path) : [],
  );
  const identifying = await identifyingElements([...new Set(paths)]);
  const converted = { ...record, grids: grids as NonNullable<CaseRecord["grids"]>, identifying };
  if (order.labels === undefined) return converted;
  const { classes, on, cavityMl } = await placeLabels(order.labels, converted.grids);
  await writeNifti(labelsPath(order), classes);
  return { ...converted, labels: { convention: order.labels.convention, on, cavityMl } };
}

async function readSource(source: ScanSource, subject: string): Promise<Volume<Float32Array>> {
  if (source.kind === "series") return readStack(source.stack, subject);
  const { volume } = await readNifti(source.path);
  return { ...volume, data: Float32Array.from(volume.data) };
}

async function readScan(order: CaseOrder, modality: Modality): Promise<Volume<Float32Array>> {
  const { volume } = await readNifti(scanPath(order, modality));
  return volume as Volume<Float32Array>;
}

/** Read one after another: whole-head scans may be large, their working copies are not. */
async function workingCopies(order: CaseOrder): Promise<Scans> {
  const copies: Partial<Record<Modality, Volume<Float32Array>>> = {};
  for (const [modality] of scansOf(order.sources)) copies[modality] = workingCopy(await readScan(order, modality));
  return copies as Scans;
}

async function register(order: CaseOrder, record: CaseRecord): Promise<CaseRecord> {
  const copies = await workingCopies(order);
  const { motions, information } = registerScans(copies, scansApart(order));
  const centre = middleOf(copies.t1ce);
  const columns = scansOf(copies).map(([modality, scan]) => ({ scan, motion: motionOf(motions, modality), centre }));
  await writeSheet(order, "registered", columns, true);
  return { ...record, motions: mutable(motions), information: { ...record.information, ...information } };
}

const mutable = (motions: Motions): NonNullable<CaseRecord["motions"]> =>
  Object.fromEntries(scansOf(motions).map(([modality, motion]) => [modality, [...motion]])) as NonNullable<
    CaseRecord["motions"]
  >;

/** Scans of another frame of reference than T1 with contrast: their positions say nothing of each other. */
function scansApart({ sources }: CaseOrder): ReadonlySet<Modality> {
  const frameOf = (source: ScanSource): string | undefined =>
    source.kind === "series" ? source.stack.frames[0].image.frameOfReference : undefined;
  const apart = scansOf(sources).filter(([, source]) => frameOf(source) !== frameOf(sources.t1ce));
  return new Set(apart.map(([modality]) => modality));
}

async function extract(order: CaseOrder, record: CaseRecord, tools: Tools): Promise<CaseRecord> {
  const copies = await workingCopies(order);
  const motions = record.motions as Motions;
  const brain = await findBrain(copies, motions, tools.findBrain);
  await writeNifti(brainPath(order), brain);
  const outline = { mask: { ...brain, data: Float32Array.from(brain.data) }, motion: UNMOVED };
  const centre = centreOfMask(brain);
  const columns = scansOf(copies).map(([modality, scan]) => ({
    scan,
    motion: motionOf(motions, modality),
    centre,
    outline,
  }));
  await writeSheet(order, "extracted", columns, true);
  return { ...record, headRemoved: removedShare(copies.t1ce, brain) };
}

function centreOfMask({ dims, data, affineVoxelToRas }: Volume<Uint8Array>): readonly [number, number, number] {
  const sums = [0, 0, 0];
  let count = 0;
  for (let i = 0; i < data.length; i++) {
    if (data[i] === 0) continue;
    sums[0] += i % dims[0];
    sums[1] += Math.floor(i / dims[0]) % dims[1];
    sums[2] += Math.floor(i / (dims[0] * dims[1]));
    count++;
  }
  const [x, y, z] = sums.map((sum) => sum / Math.max(1, count));
  const m = affineVoxelToRas;
  return [0, 4, 8].map((r) => m[r] * x + m[r + 1] * y + m[r + 2] * z + m[r + 3]) as unknown as [number, number, number];
}

function removedShare({ data }: Volume<Float32Array>, brain: Volume<Uint8Array>): number {
  const bright = data.filter((value) => value > 0);
  const air = (0.3 * bright.reduce((sum, value) => sum + value, 0)) / Math.max(1, bright.length);
  let [head, removed] = [0, 0];
  for (let i = 0; i < data.length; i++) {
    if (data[i] <= air) continue;
    head++;
    if (brain.data[i] === 0) removed++;
  }
  return Number((removed / Math.max(1, head)).toFixed(3));
}

async function align(order: CaseOrder, record: CaseRecord, { atlas }: Tools): Promise<CaseRecord> {
  const { volume } = await readNifti(brainPath(order));
  const brain = { ...volume, data: Uint8Array.from(volume.data) };
  const reference = workingCopy(await readScan(order, "t1ce"));
  const { atlasToReference, information } = registerToAtlas(reference, brain, atlas);
  return {
    ...record,
    atlasToReference: [...atlasToReference],
    information: { ...record.information, atlas: information },
  };
}

async function finish(order: CaseOrder, record: CaseRecord, { atlas }: Tools): Promise<CaseRecord> {
  const atlasToReference = record.atlasToReference as readonly number[];
  const motions = motionsFromAtlas(record.motions as Motions, atlasToReference);
  const { volume } = await readNifti(brainPath(order));
  const brain = maskOnto({ ...volume, data: Float32Array.from(volume.data) }, atlas.grid, atlasToReference);
  const checks = checkPlacement(brain, atlas, motions, record.grids as NonNullable<CaseRecord["grids"]>);
  const placed: Partial<Record<Modality, Volume<Float32Array>>> = {};
  for (const [modality, motion] of scansOf(motions)) {
    placed[modality] = onAtlas(await readScan(order, modality), motion, brain);
  }
  const scans = placed as Scans;
  checkIntensities(scans);
  const drawn = record.labels && (await drawnOnAtlas(order, record.labels.on, brain, motions));
  const folder = join(order.out, record.caseId);
  await mkdir(folder, { recursive: true });
  for (const [modality, scan] of scansOf(scans)) {
    await writeNifti(join(folder, caseFileName(record.caseId, modality, DATASET_LABELS)), scan);
  }
  if (drawn !== undefined) {
    const path = join(folder, caseFileName(record.caseId, "labelMap", DATASET_LABELS));
    await writeLabelMap(path, drawn.labelMap, DATASET_LABELS);
  }
  const inAtlas = { ...atlas.brain, data: Float32Array.from(atlas.brain.data, (value) => (value > 0 ? 1 : 0)) };
  const columns = scansOf(scans).map(([, scan]) => ({
    scan,
    motion: UNMOVED,
    centre: middleOf(atlas.grid),
    outline: { mask: inAtlas, motion: UNMOVED },
    ...(drawn && { tumour: drawn.labelMap }),
  }));
  await writeSheet(order, "done", columns, false);
  if (drawn === undefined || record.labels === undefined) return { ...record, checks };
  const { drawnMl, keptMl, outsideBrain } = drawn;
  return { ...record, checks, labels: { ...record.labels, drawnMl, keptMl, outsideBrain } };
}

async function drawnOnAtlas(
  order: CaseOrder,
  on: Modality,
  brain: Volume<Uint8Array>,
  motions: Motions,
): Promise<AlignedLabels> {
  const { volume } = await readNifti(labelsPath(order));
  return alignLabels({ ...volume, data: Uint8Array.from(volume.data) }, on, brain, motions);
}

async function writeSheet(
  order: CaseOrder,
  state: CaseState,
  columns: readonly SheetColumn[],
  showsHead: boolean,
): Promise<void> {
  if (showsHead && order.noHeads) return;
  await writeFileAtomically(join(sheetFolder(order.out, order.record.caseId), `${state}.png`), contactSheet(columns));
}
