/**
 * Results on the working grid brought back to the very grid of a case's files: dims, orientation and affine. Outside
 * the crop, where there is no brain, everything is background.
 */
import { ConsiliumError } from "../base/index.ts";
import { type Decision, decidePlane } from "./decide-classes.ts";
import { classesToLabels, type LabelConvention } from "./label-convention.ts";
import { writeNifti } from "./nifti-file.ts";
import { reorientOnto } from "./orientation.ts";
import { axesToCrop, type PreparedGeometry } from "./prepared-geometry.ts";
import { createResampler } from "./resample.ts";
import { type Volume, voxelCount } from "./volume.ts";

function checkLength(actual: number, expected: number, what: string): void {
  if (actual === expected) return;
  throw new ConsiliumError("geometry-mismatch", {
    subject: what,
    expected: `${expected} values, as the prepared case has`,
    actual: String(actual),
    hint: "Restore a result with the geometry of the case that it was made from.",
  });
}

/** Copies rows of the crop into LPS order of the whole, then turns it to the files' orientation. */
function placed(geometry: PreparedGeometry, planeOf: (z: number) => Uint8Array): Volume<Uint8Array> {
  const { lpsDims, cropStart, cropDims, original } = geometry;
  const whole = new Uint8Array(voxelCount(lpsDims));
  for (let z = 0; z < cropDims[2]; z++) {
    const plane = planeOf(z);
    for (let y = 0; y < cropDims[1]; y++) {
      const to = ((cropStart[2] + z) * lpsDims[1] + cropStart[1] + y) * lpsDims[0] + cropStart[0];
      whole.set(plane.subarray(y * cropDims[0], (y + 1) * cropDims[0]), to);
    }
  }
  return reorientOnto(whole, "LPS", lpsDims, original);
}

/**
 * Nearest neighbour; where two working voxels are equally near, the upper one.
 * @param labels [D, H, W] on the working grid.
 * @throws ConsiliumError `geometry-mismatch` for labels of another size.
 */
export function restoreLabelMap(labels: Uint8Array, geometry: PreparedGeometry): Volume<Uint8Array> {
  const { dims, cropDims, ratio } = geometry;
  checkLength(labels.length, voxelCount(dims), "label map");
  const nearest = [0, 1, 2].map((axis) =>
    Int32Array.from({ length: cropDims[axis] }, (_, i) =>
      Math.min(dims[axis] - 1, Math.floor((i + 0.5) / ratio[axis])),
    ),
  );
  const plane = new Uint8Array(cropDims[0] * cropDims[1]);
  return placed(geometry, (z) => {
    for (let y = 0, at = 0; y < cropDims[1]; y++) {
      const row = (nearest[2][z] * dims[1] + nearest[1][y]) * dims[0];
      for (let x = 0; x < cropDims[0]; x++) plane[at++] = labels[row + nearest[0][x]];
    }
    return plane;
  });
}

/**
 * Probabilities are interpolated, then classes decided: borders come out finer than the working grid.
 * @param probabilities [K, D, H, W] on the working grid; any scores that may be averaged do.
 * @throws ConsiliumError `geometry-mismatch` for probabilities of another size.
 */
export function restoreProbabilities(
  probabilities: Float32Array,
  channels: number,
  geometry: PreparedGeometry,
  decision: Decision,
): Volume<Uint8Array> {
  const volume = voxelCount(geometry.dims);
  checkLength(probabilities.length, channels * volume, "probabilities");
  const resampler = createResampler(geometry.dims, axesToCrop(geometry));
  const area = geometry.cropDims[0] * geometry.cropDims[1];
  return placed(geometry, (z) =>
    decidePlane(area, channels, decision, (k) =>
      resampler.plane(probabilities.subarray(k * volume, (k + 1) * volume), z),
    ),
  );
}

/**
 * Writes classes under a dataset's label values; gzipped where the name ends in .gz.
 * @throws ConsiliumError `label-unknown`, `disk-full`, `folder-not-writable`.
 */
export async function writeLabelMap(path: string, map: Volume<Uint8Array>, convention: LabelConvention): Promise<void> {
  await writeNifti(path, { ...map, data: classesToLabels(map.data, convention) });
}
