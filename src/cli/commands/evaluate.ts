/** `evaluate`: scores one label map file against another, region by region. */
import { basename } from "node:path";
import type { Json } from "../../base/index.ts";
import type { RegionMeasures } from "../../segmentation/index.ts";
import { defineCommand } from "../command.ts";
import { formatFigure, formatTable } from "../format.ts";
import { checkOneGrid, conventionOf } from "../label-maps.ts";
import { labelsOption } from "../labels-option.ts";
import { measureOptions, measuresFrom } from "../measure-options.ts";
import { option } from "../options.ts";

export const evaluate = defineCommand({
  path: ["evaluate"],
  summary: "Score a segmentation against a reference",
  description:
    "Prints Dice, HD95 (mm), sensitivity and specificity of whole tumour (WT), tumour core (TC) and enhancing tumour " +
    "(ET), the share of the surfaces within the tolerance of each other (NSD), volumes, and the scores by lesion of " +
    "BraTS 2023. A figure is undefined where a region is in neither label map. Both files must lie on one grid. " +
    "docs/METRICS.md defines each figure.",
  options: {
    prediction: option.requiredText("FILE", "label map to be judged, .nii or .nii.gz"),
    reference: option.requiredText("FILE", "label map to be compared with"),
    labels: labelsOption("how labels are written, where the files do not tell"),
    ...measureOptions,
  },
  examples: ["consilium evaluate --prediction seg.nii.gz --reference DIR/BraTS2021_00006/BraTS2021_00006_seg.nii.gz"],
  async run({ options }) {
    const { labelsToClasses, readNifti, spacingMmOf } = await import("../../imaging/index.ts");
    const { measureLabelMaps } = await import("../../segmentation/index.ts");
    const { studySchema } = await import("../../study/index.ts");
    const [{ volume: prediction }, { volume: reference }] = await Promise.all([
      readNifti(options.prediction),
      readNifti(options.reference),
    ]);
    await checkOneGrid(prediction, reference, basename(options.prediction));
    const files = [
      { name: basename(options.prediction), volume: prediction },
      { name: basename(options.reference), volume: reference },
    ];
    const convention = options.labels ?? (await conventionOf(files));
    const { rules, ...measureBy } = await measuresFrom(options);
    const regions = measureLabelMaps(
      labelsToClasses(prediction, convention, basename(options.prediction)).data,
      labelsToClasses(reference, convention, basename(options.reference)).data,
      reference.dims,
      spacingMmOf(reference.affineVoxelToRas),
      studySchema.shape.task.parse({}).regions,
      measureBy,
    );
    return { json: jsonOf(regions, measureBy.toleranceMm, rules), text: textOf(regions, measureBy.toleranceMm, rules) };
  },
});

type Regions = Readonly<Record<string, RegionMeasures>>;

function jsonOf(regions: Regions, toleranceMm: number, rules: string): Json {
  const byRegion = <T>(pick: (measures: RegionMeasures) => T): Record<string, T> =>
    Object.fromEntries(Object.entries(regions).map(([name, measures]) => [name, pick(measures)]));
  return {
    regions: byRegion(({ dice, sensitivity, specificity, hd95 }) => ({ dice, sensitivity, specificity, hd95 })),
    surfaceDistance: { toleranceMm, regions: byRegion(({ nsd }) => nsd) },
    volumesMl: byRegion(({ volumeMl: { prediction, reference } }) => ({ prediction, reference })),
    lesionWise: { rules, regions: byRegion(({ lesionWise }) => ({ ...lesionWise })) },
  };
}

function textOf(regions: Regions, toleranceMm: number, rules: string): string {
  const whole = Object.entries(regions).map(([name, { dice, hd95, sensitivity, specificity, nsd, volumeMl }]) => [
    name,
    formatFigure(dice),
    formatFigure(hd95, 1),
    formatFigure(sensitivity),
    formatFigure(specificity),
    formatFigure(nsd),
    formatFigure(volumeMl.prediction, 2),
    formatFigure(volumeMl.reference, 2),
  ]);
  const lesions = Object.entries(regions).map(([name, { lesionWise }]) => [
    name,
    formatFigure(lesionWise.dice),
    formatFigure(lesionWise.hd95, 1),
    lesionWise.found,
    lesionWise.missed,
    lesionWise.falseFindings,
  ]);
  return [
    formatTable(
      [
        "Region",
        "Dice",
        "HD95, mm",
        "Sensitivity",
        "Specificity",
        `NSD ${toleranceMm} mm`,
        "Volume, ml",
        "Reference, ml",
      ],
      whole,
    ),
    "",
    `By lesion, as BraTS 2023 (${rules}):`,
    formatTable(["Region", "Dice", "HD95, mm", "Found", "Missed", "False"], lesions),
  ].join("\n");
}
