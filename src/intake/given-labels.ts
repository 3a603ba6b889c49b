/**
 * Label maps that a site has drawn already, as NIfTI files beside its studies: which study each belongs to (a table),
 * which of the scans it was drawn on (its grid says), and how it goes to the atlas's space with that scan.
 *
 * Invariants
 * - What its values mean is declared, never inferred: a value that the convention does not have is refused.
 * - It lies on the very grid of one of the scans, or is refused: nothing is shifted to fit.
 * - What lies outside the brain is cut off and its share told; much of it is refused.
 * - No message names the file: its name, or a folder's, may be a patient's.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { ConsiliumError, renamed } from "../base/index.ts";
import {
  applyAffine,
  type Grid,
  type LabelConvention,
  labelsToClasses,
  type Modality,
  readNifti,
  readTable,
  scansOf,
  spacingMmOf,
  type Triple,
  type Volume,
} from "../imaging/index.ts";
import { type Motions, motionOf } from "./align-case.ts";
import type { CaseRecord } from "./case-record.ts";
import { labelsOnto } from "./labels-onto.ts";

export interface GivenLabels {
  readonly path: string;
  readonly convention: LabelConvention;
}

/** Part of a voxel by which grids may differ and still be one. */
const GRID_TOLERANCE_VOXELS = 0.1;
const MOST_OUTSIDE_BRAIN = 0.1;
const SUBJECT = "label map";

/**
 * A table with the columns `study` (Study Instance UID) and `file` (NIfTI, relative to the table).
 * @throws ConsiliumError `dataset-invalid` and those of reading a table.
 */
export async function readLabelTable(path: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const { line, cells } of await readTable(path, { required: ["study", "file"], optional: [] })) {
    const file = resolve(dirname(path), cells.file);
    const twice = files.has(cells.study) || [...files.values()].includes(file);
    if (cells.study === "" || cells.file === "" || twice) {
      throw new ConsiliumError("dataset-invalid", {
        subject: `table of label maps, line ${line}`,
        expected: "a Study Instance UID and a file, each once",
        actual: twice ? "one of them again" : "an empty cell",
        hint: "Correct the line.",
      });
    }
    files.set(cells.study, file);
  }
  return files;
}

/** A label map for a study that is not there would be left out in silence. */
export function checkStudiesKnown(table: ReadonlyMap<string, string>, studies: ReadonlySet<string>): void {
  const unknown = [...table.keys()].filter((study) => !studies.has(study));
  if (unknown.length === 0) return;
  throw new ConsiliumError("dataset-invalid", {
    subject: "table of label maps",
    expected: "studies that are in the folder of DICOM",
    actual: `${unknown.length} of ${table.size} that are not`,
    hint: "Take the identifiers from the table that --links writes.",
  });
}

/** What decides whether a case was made with these labels. */
export async function digestOfLabels({ path, convention }: GivenLabels): Promise<string> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new ConsiliumError("file-not-found", {
      subject: SUBJECT,
      expected: "a file that can be read, as the table of label maps says",
      actual: cause.code ?? "none",
      hint: "Look at this study's line of the table; its paths are relative to the table.",
    });
  });
  return createHash("sha256").update(convention).update(bytes).digest("hex");
}

export interface PlacedLabels {
  /** On the scan's grid. */
  readonly classes: Volume<Uint8Array>;
  readonly on: Modality;
  /** Voxels with a cavity's label, which is no class: background. */
  readonly cavityMl: number;
}

/** @throws ConsiliumError `label-unknown`, `geometry-mismatch`, and those of reading. */
export async function placeLabels(
  { path, convention }: GivenLabels,
  grids: NonNullable<CaseRecord["grids"]>,
): Promise<PlacedLabels> {
  const { volume } = await readNifti(path).catch((error: unknown) => {
    throw renamed(error, SUBJECT);
  });
  const classes = labelsToClasses(volume, convention, SUBJECT);
  const scans = scansOf(grids);
  const on = [["t1ce", grids.t1ce] as const, ...scans].find(([, grid]) => isSameGrid(volume, grid))?.[0];
  if (on === undefined) {
    throw new ConsiliumError("geometry-mismatch", {
      subject: SUBJECT,
      expected: `the grid of one of the study's scans: ${scans.map(([m, { dims }]) => `${m} ${dims.join(" x ")}`).join(", ")}`,
      actual: `${volume.dims.join(" x ")} voxels ${spacingMmOf(volume.affineVoxelToRas)
        .map((side) => Number(side.toFixed(3)))
        .join(" x ")} mm, or the same elsewhere`,
      hint: "Draw it on a scan as the scanner made it, converted without another change; or draw it after intake.",
    });
  }
  let cavity = 0;
  for (let i = 0; i < volume.data.length; i++) if (volume.data[i] !== 0 && classes.data[i] === 0) cavity++;
  return { classes, on, cavityMl: voxelMl(volume) * cavity };
}

/** The same voxels in the same places, in whatever order they are stored. */
function isSameGrid(
  a: Grid,
  b: { readonly dims: readonly number[]; readonly affineVoxelToRas: readonly number[] },
): boolean {
  const cornersOf = ({ dims, affineVoxelToRas }: typeof b): Triple[] =>
    Array.from({ length: 8 }, (_, corner) =>
      applyAffine(affineVoxelToRas, dims.map((size, axis) => ((corner >> axis) & 1) * (size - 1)) as unknown as Triple),
    );
  const sorted = (dims: readonly number[]): string => [...dims].sort((x, y) => x - y).join();
  if (sorted(a.dims) !== sorted(b.dims)) return false;
  const allowed = GRID_TOLERANCE_VOXELS * Math.min(...spacingMmOf(a.affineVoxelToRas));
  const others = cornersOf(b);
  return cornersOf(a).every((p) => others.some((q) => Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]) <= allowed));
}

const voxelMl = ({ affineVoxelToRas }: Grid): number =>
  spacingMmOf(affineVoxelToRas).reduce((product, side) => product * side, 1) / 1000;

export interface AlignedLabels {
  readonly labelMap: Volume<Uint8Array>;
  /** Tumour that was drawn, and what there is of it on the atlas within the brain. */
  readonly drawnMl: number;
  readonly keptMl: number;
  readonly outsideBrain: number;
}

/** @throws ConsiliumError `geometry-mismatch` for a tumour of which much lies outside the brain. */
export function alignLabels(
  classes: Volume<Uint8Array>,
  on: Modality,
  brain: Volume<Uint8Array>,
  motionsFromAtlas: Motions,
): AlignedLabels {
  const labelMap = labelsOnto(classes, brain, motionOf(motionsFromAtlas, on));
  let [tumour, outside] = [0, 0];
  for (let i = 0; i < labelMap.data.length; i++) {
    if (labelMap.data[i] === 0) continue;
    tumour++;
    if (brain.data[i] === 1) continue;
    outside++;
    labelMap.data[i] = 0;
  }
  const outsideBrain = outside / Math.max(1, tumour);
  if (outsideBrain > MOST_OUTSIDE_BRAIN) {
    throw new ConsiliumError("geometry-mismatch", {
      subject: SUBJECT,
      expected: `a tumour of which at most ${100 * MOST_OUTSIDE_BRAIN} % lies outside the brain that was found`,
      actual: `${(100 * outsideBrain).toFixed(0)} %`,
      hint: "Look at the pictures: was the brain found whole, and was the map drawn on this study?",
    });
  }
  const drawn = classes.data.reduce((count, label) => count + (label === 0 ? 0 : 1), 0);
  return {
    labelMap,
    drawnMl: voxelMl(classes) * drawn,
    keptMl: voxelMl(brain) * (tumour - outside),
    outsideBrain,
  };
}
