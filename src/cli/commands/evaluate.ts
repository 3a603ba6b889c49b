/** `evaluate`: scores one label map file against another, region by region. */
import { basename } from "node:path";
import { ConsiliumError } from "../../base/index.ts";
import type { LabelConvention, Volume } from "../../imaging/index.ts";
import { defineCommand } from "../command.ts";
import { formatFigure, formatTable } from "../format.ts";
import { option } from "../options.ts";

/** Part of a voxel by which two grids may differ and still be one: rounding in headers. */
const GRID_TOLERANCE_VOXELS = 0.1;

export const evaluate = defineCommand({
  path: ["evaluate"],
  summary: "Score a segmentation against a reference",
  description:
    "Prints Dice, HD95 (mm), sensitivity and specificity of whole tumour (WT), tumour core (TC) and enhancing tumour " +
    "(ET). A figure is undefined where a region is in neither label map. Both files must lie on one grid.",
  options: {
    prediction: option.requiredText("FILE", "label map to be judged, .nii or .nii.gz"),
    reference: option.requiredText("FILE", "label map to be compared with"),
    labels: option.oneOf("how labels are written, where the files do not tell", ["brats2021", "brats2023"]),
  },
  examples: ["consilium evaluate --prediction seg.nii.gz --reference DIR/BraTS2021_00006/BraTS2021_00006_seg.nii.gz"],
  async run({ options }) {
    const { labelsToClasses, readNifti, spacingMmOf } = await import("../../imaging/index.ts");
    const { evaluateLabelMaps } = await import("../../segmentation/index.ts");
    const { studySchema } = await import("../../study/index.ts");
    const [{ volume: prediction }, { volume: reference }] = await Promise.all([
      readNifti(options.prediction),
      readNifti(options.reference),
    ]);
    await checkOneGrid(prediction, reference, basename(options.prediction));
    const convention = options.labels ?? conventionOf([prediction, reference], basename(options.prediction));
    const regions = evaluateLabelMaps(
      labelsToClasses(prediction, convention, basename(options.prediction)).data,
      labelsToClasses(reference, convention, basename(options.reference)).data,
      reference.dims,
      spacingMmOf(reference.affineVoxelToRas),
      studySchema.shape.task.parse({}).regions,
    );
    const rows = Object.entries(regions).map(([name, { dice, hd95, sensitivity, specificity }]) => [
      name,
      formatFigure(dice),
      formatFigure(hd95, 1),
      formatFigure(sensitivity),
      formatFigure(specificity),
    ]);
    const text = formatTable(["Region", "Dice", "HD95, mm", "Sensitivity", "Specificity"], rows);
    return { json: { regions: { ...regions } } as never, text };
  },
});

async function checkOneGrid(prediction: Volume, reference: Volume, subject: string): Promise<void> {
  const { cornerDistanceMm, spacingMmOf } = await import("../../imaging/index.ts");
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

/** Enhancing tumour is 4 or 3; without any, both conventions read the files alike. */
function conventionOf(volumes: readonly Volume[], subject: string): LabelConvention {
  const [with3, with4] = [3, 4].map((value) => volumes.filter(({ data }) => data.includes(value)));
  // A file with both is no label map, which is told when its labels are read.
  if (with3.length === 0 || with4.length === 0 || with3.some((volume) => with4.includes(volume))) {
    return with4.length === 0 && with3.length > 0 ? "brats2023" : "brats2021";
  }
  throw new ConsiliumError("label-convention-unknown", {
    subject,
    expected: "prediction and reference with labels 0, 1, 2, 4 (brats2021), or both with 0, 1, 2, 3 (brats2023)",
    actual: "labels 3 and 4 in the two files",
    hint: "Write both in one convention; which one, say with --labels.",
  });
}
