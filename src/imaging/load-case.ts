/**
 * One case read into memory on its own grid, checked. What `checkCase` lists, `loadCase` refuses: both run the same
 * rules, and a case that loads is one that can be trained on.
 *
 * A modality must be a three-dimensional image of finite values, some positive, not all equal, on a grid whose left
 * and right are known; all modalities and the label map must share one grid to within a tenth of a voxel.
 */
import { basename } from "node:path";
import { ConsiliumError } from "../base/index.ts";
import { MODALITIES, type Modality } from "../study/index.ts";
import { cornerDistanceMm } from "./affine.ts";
import type { CaseFiles, CaseProblem } from "./dataset.ts";
import { type LabelConvention, labelsToClasses } from "./label-convention.ts";
import { type CaseMeasures, measureCase } from "./measure-case.ts";
import { type NegativeVoxels, negativeVoxels } from "./negative-voxels.ts";
import type { NiftiImage } from "./nifti-codec.ts";
import { readNifti } from "./nifti-file.ts";
import { spacingMmOf, type Volume } from "./volume.ts";

export interface LoadedCase {
  readonly id: string;
  /** What `channels` holds, in that order. */
  readonly modalities: readonly Modality[];
  /** Intensities as scanned, on the grid of the files. */
  readonly channels: readonly Volume<Float32Array>[];
  /** Classes 0 to 3, on the same grid. */
  readonly labelMap?: Volume<Uint8Array>;
}

/** Part of a voxel by which two grids may differ and still be one: rounding in headers, not another position. */
const GRID_TOLERANCE_VOXELS = 0.1;

/**
 * Reads a case; its modalities come in the order t1, t1ce, t2, flair, without those that it lacks.
 * @throws ConsiliumError the first of the problems that checkCase would list.
 */
export async function loadCase(files: CaseFiles, convention: LabelConvention): Promise<LoadedCase> {
  const { loaded, errors } = await examine(files, convention);
  if (loaded === undefined) throw errors[0];
  return loaded;
}

/**
 * Everything that is wrong with a case: one problem does not hide another.
 * @returns none for a case that can be used.
 */
export async function checkCase(files: CaseFiles, convention: LabelConvention): Promise<CaseProblem[]> {
  const { errors } = await examine(files, convention);
  return errors.map((error) => ({ caseId: files.id, error }));
}

/** What is wrong with a case, and, where nothing is, the figures by which it is compared with others. */
export async function inspectCase(
  files: CaseFiles,
  convention: LabelConvention,
): Promise<{
  readonly problems: readonly CaseProblem[];
  readonly measures: CaseMeasures | undefined;
  readonly negative: readonly NegativeVoxels[];
}> {
  const { loaded, errors } = await examine(files, convention);
  const problems = errors.map((error) => ({ caseId: files.id, error }));
  const negative = loaded === undefined ? [] : negativeVoxels(loaded.modalities, loaded.channels);
  return { problems, measures: loaded && measureCase(loaded), negative };
}

interface Examination {
  /** Defined where `errors` is empty. */
  readonly loaded: LoadedCase | undefined;
  readonly errors: readonly ConsiliumError[];
}

async function examine(files: CaseFiles, convention: LabelConvention): Promise<Examination> {
  const errors: ConsiliumError[] = [];
  const attempt = <T>(rule: () => T): T | undefined => {
    try {
      return rule();
    } catch (error) {
      if (!(error instanceof ConsiliumError)) throw error;
      errors.push(error);
      return undefined;
    }
  };
  const present = MODALITIES.filter((modality) => files.images[modality] !== undefined);
  const paths = [
    ...present.map((modality) => files.images[modality] as string),
    ...(files.labelMap ? [files.labelMap] : []),
  ];
  const reads = await Promise.allSettled(paths.map(readNifti));
  const images = reads.map((read) => attempt(() => imageOf(read)));
  checkSameGrid(images, paths, attempt);

  const channels: Volume<Float32Array>[] = [];
  for (const [i] of present.entries()) {
    const image = images[i];
    if (image === undefined) continue;
    attempt(() => checkPlacement(image, basename(paths[i])));
    const channel = attempt(() => channelOf(image.volume, basename(paths[i])));
    if (channel !== undefined) channels.push(channel);
  }
  const labels = images[present.length];
  const labelMap = labels && attempt(() => labelsToClasses(labels.volume, convention, basename(files.labelMap ?? "")));
  if (errors.length > 0) return { loaded: undefined, errors };
  const loaded = { id: files.id, modalities: present, channels };
  return { loaded: labelMap === undefined ? loaded : { ...loaded, labelMap }, errors };
}

function imageOf(read: PromiseSettledResult<NiftiImage>): NiftiImage {
  if (read.status === "rejected") throw read.reason;
  return read.value;
}

function checkSameGrid(
  images: readonly (NiftiImage | undefined)[],
  paths: readonly string[],
  attempt: (rule: () => void) => void,
): void {
  const first = images.findIndex((image) => image !== undefined);
  const reference = images[first]?.volume;
  if (reference === undefined) return;
  for (const [i, image] of images.entries()) {
    if (image === undefined || i === first) continue;
    attempt(() => checkGridsAgree(reference, image.volume, basename(paths[first]), basename(paths[i])));
  }
}

function checkGridsAgree(reference: Volume, volume: Volume, referenceName: string, subject: string): void {
  const hint = "Register the images of a case to one grid, or leave the case out.";
  if (reference.dims.some((size, axis) => size !== volume.dims[axis])) {
    throw new ConsiliumError("geometry-mismatch", {
      subject,
      expected: `${reference.dims.join(" x ")} voxels, as in ${referenceName}`,
      actual: volume.dims.join(" x "),
      hint,
    });
  }
  const apart = cornerDistanceMm(reference.affineVoxelToRas, volume.affineVoxelToRas, volume.dims);
  const allowed = GRID_TOLERANCE_VOXELS * Math.min(...spacingMmOf(reference.affineVoxelToRas));
  if (apart > allowed) {
    throw new ConsiliumError("geometry-mismatch", {
      subject,
      expected: `the position of ${referenceName}, to within ${allowed.toPrecision(3)} mm`,
      actual: `a corner ${apart.toPrecision(3)} mm away`,
      hint,
    });
  }
}

/** Label maps are placed by their images, which they must match anyway. */
function checkPlacement({ header }: NiftiImage, subject: string): void {
  if (header.affineSource !== "voxelSizes") return;
  throw new ConsiliumError("geometry-invalid", {
    subject,
    expected: "a sform or qform, which tells left from right",
    actual: "neither (both codes are 0)",
    hint: "Set the orientation from the source of the image; it cannot be guessed.",
  });
}

function channelOf({ dims, data, affineVoxelToRas }: Volume, subject: string): Volume<Float32Array> {
  const values = data instanceof Float32Array ? data : new Float32Array(data);
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  let notFinite = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    // The difference is NaN for NaN and for infinities.
    if (value - value !== 0) notFinite++;
    else if (value !== 0) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  const refuse = (expected: string, actual: string, hint: string): never => {
    throw new ConsiliumError("intensity-invalid", { subject, expected, actual, hint });
  };
  if (notFinite > 0) {
    refuse("finite intensities", `${notFinite} voxels of NaN or infinity`, "Export the image again without them.");
  }
  if (high < low)
    refuse("a brain of non-zero intensities", "an image of zeros", "Check that the right file was exported.");
  if (high < 0)
    refuse("some positive intensities", `none over ${high}`, "Check the scaling (scl_slope, scl_inter) of the file.");
  if (high === low)
    refuse("intensities that differ", `${high} in every non-zero voxel`, "Is this a mask rather than a scan?");
  return { dims, data: values, affineVoxelToRas };
}
