/**
 * Pairs of label map files for the commands that judge: both on one grid, both under one convention, or refused.
 *
 * Invariant: no map is resampled or shifted to fit; a figure belongs to the files as they are.
 */
import { basename } from "node:path";
import { ConsiliumError } from "../base/index.ts";
import type { LabelConvention, Volume } from "../imaging/index.ts";

/** Part of a voxel by which two grids may differ and still be one: rounding in headers. */
const GRID_TOLERANCE_VOXELS = 0.1;

/**
 * A prediction's classes on the grid of a reference.
 * @throws ConsiliumError `geometry-mismatch`, `label-unknown`, and those of `readNifti`.
 */
export async function readPrediction(
  path: string,
  reference: Volume,
  convention: LabelConvention,
): Promise<Volume<Uint8Array>> {
  const { labelsToClasses, readNifti } = await import("../imaging/index.ts");
  const { volume } = await readNifti(path);
  await checkOneGrid(volume, reference, basename(path));
  return labelsToClasses(volume, convention, basename(path));
}

/** @throws ConsiliumError `geometry-mismatch` where a prediction lies elsewhere than its reference. */
export async function checkOneGrid(prediction: Volume, reference: Volume, subject: string): Promise<void> {
  const { cornerDistanceMm, spacingMmOf } = await import("../imaging/index.ts");
  const sameDims = prediction.dims.every((n, axis) => n === reference.dims[axis]);
  if (!sameDims) {
    throw gridMismatch(
      subject,
      `${reference.dims.join(" x ")} voxels, as in the reference`,
      `${prediction.dims.join(" x ")}`,
    );
  }
  const distanceMm = cornerDistanceMm(prediction.affineVoxelToRas, reference.affineVoxelToRas, reference.dims);
  const toleranceMm = GRID_TOLERANCE_VOXELS * Math.min(...spacingMmOf(reference.affineVoxelToRas));
  if (distanceMm <= toleranceMm) return;
  throw gridMismatch(
    subject,
    "the reference's place and orientation",
    `a grid that lies ${distanceMm.toFixed(2)} mm off`,
  );
}

function gridMismatch(subject: string, expected: string, actual: string): ConsiliumError {
  const hint = "Bring both to one grid first (`consilium segment` writes on the grid of the case).";
  return new ConsiliumError("geometry-mismatch", { subject, expected, actual, hint });
}

interface NamedVolume {
  readonly name: string;
  readonly volume: Volume;
}

/**
 * The convention of a pair by the value that enhancing tumour has, 4 or 3; without any, both conventions read the
 * files alike. 4 is not taken for enhancing tumour where it may be a resection cavity: beside 3, or in a file that is
 * named as BraTS names them since enhancing tumour is 3, whose reader refuses it.
 * @throws ConsiliumError `label-convention-unknown`.
 */
export async function conventionOf(files: readonly NamedVolume[]): Promise<LabelConvention> {
  const { parseCaseFileName } = await import("../imaging/index.ts");
  const [with3, with4] = [3, 4].map((value) => files.filter(({ volume }) => volume.data.includes(value)));
  const both = with3.find((file) => with4.includes(file));
  if (both !== undefined) {
    throw new ConsiliumError("label-convention-unknown", {
      subject: both.name,
      expected: "labels 0, 1, 2, 4 (brats2021) or 0, 1, 2, 3 (brats2023)",
      actual: "labels 3 and 4 in one file",
      hint: "If 4 is a resection cavity here, say --labels brats2024.",
    });
  }
  if (with4.some(({ name }) => parseCaseFileName(name)?.convention === "brats2023")) return "brats2023";
  if (with3.length === 0 || with4.length === 0) return with3.length > 0 ? "brats2023" : "brats2021";
  throw new ConsiliumError("label-convention-unknown", {
    subject: files[0].name,
    expected: "prediction and reference with labels 0, 1, 2, 4 (brats2021), or both with 0, 1, 2, 3 (brats2023)",
    actual: "labels 3 and 4 in the two files",
    hint: "Write both in one convention; which one, say with --labels.",
  });
}
