/** `segment`: a trained model applied to one patient's scan. */
import { resolve } from "node:path";
import { ConsiliumError } from "../../base/index.ts";
import type { CaseFiles, Dataset } from "../../imaging/index.ts";
import { defineCommand } from "../command.ts";
import { formatTable } from "../format.ts";
import { labelsOption } from "../labels-option.ts";
import { option } from "../options.ts";

export const segment = defineCommand({
  path: ["segment"],
  summary: "Outline the tumour in a new patient's scan",
  description:
    "Needs T1, T1 with contrast, T2 and FLAIR of one patient, skull-stripped and registered, in a BraTS layout. " +
    "Writes the label map on the very grid of the scan. For research: not a medical device.",
  options: {
    model: option.requiredText("DIR", "model folder, as training writes it"),
    case: option.requiredText("DIR", "folder of the case"),
    out: option.requiredText("FILE", "label map to write, .nii or .nii.gz"),
    labels: labelsOption("how to write labels, where file names do not tell"),
    threads: option.integerOr("processor threads", 2, { min: 1, max: 256 }),
  },
  examples: ["consilium segment --model run/model --case DIR/BraTS2021_00006 --out seg.nii.gz"],
  async run({ options, progress, signal }) {
    const { scanDataset, writeLabelMap } = await import("../../imaging/index.ts");
    const { openSegmenter, readModelFolder } = await import("../../segmentation/index.ts");
    const dataset = await scanDataset(options.case, options.labels === undefined ? {} : { labels: options.labels });
    const { labelMap: _, ...scan } = onlyCase(dataset);
    const model = await readModelFolder(options.model);
    const segmenter = await openSegmenter(model, options.threads);
    try {
      const { labelMap, volumesMl } = await segmenter.segment(scan, dataset.convention, (done, total) => {
        signal.throwIfAborted();
        progress.update({ label: "Segmenting", done, total, unit: "windows" });
      });
      await writeLabelMap(options.out, labelMap, dataset.convention);
      const out = resolve(options.out);
      const { modelSha256 } = model.description;
      const rows = Object.entries(volumesMl).map(([region, ml]) => [region, ml.toFixed(1)]);
      return {
        json: { case: scan.id, out, labels: dataset.convention, volumesMl: { ...volumesMl }, modelSha256 },
        text: `${formatTable(["Region", "Volume, ml"], rows)}\n\nWrote ${options.out} (labels as in ${dataset.convention}).`,
      };
    } finally {
      await segmenter.close();
    }
  },
});

function onlyCase({ cases, problems }: Dataset): CaseFiles {
  if (problems.length > 0) throw problems[0].error;
  if (cases.length === 1) return cases[0];
  throw new ConsiliumError("usage", {
    subject: "consilium segment --case",
    expected: "the folder of one case",
    actual: `a folder with ${cases.length} cases`,
    hint: `Name one of them, such as ${cases[0].id}.`,
  });
}
