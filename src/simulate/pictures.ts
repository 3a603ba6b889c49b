/** Slices of patients that the model never saw: the scan, the experts' outline and the model's, side by side. */
import { type CaseFiles, encodePng, type LabelConvention, loadCase } from "../imaging/index.ts";
import { drawSlices, fullestSlice, type Model, openSegmenter } from "../segmentation/index.ts";
import type { ReportPicture } from "./report.ts";

const SHOWN = ["flair", "t1ce"] as const;

/** One picture for each case: FLAIR and contrast-enhanced T1, each with the reference's and the model's outline. */
export async function heldOutPictures(
  model: Model,
  cases: readonly CaseFiles[],
  convention: LabelConvention,
  threads: number,
): Promise<ReportPicture[]> {
  const segmenter = await openSegmenter([model], { threads });
  const pictures: ReportPicture[] = [];
  try {
    for (const files of cases) {
      const loaded = await loadCase(files, convention);
      const { labelMap } = await segmenter.segment(files, convention);
      const reference = loaded.labelMap?.data;
      const slice = fullestSlice(reference ?? labelMap.data, labelMap.dims);
      const views = SHOWN.flatMap((modality) => {
        const image = loaded.channels[loaded.modalities.indexOf(modality)].data;
        const view = { image, dims: labelMap.dims, slice };
        return [
          ...(reference === undefined ? [] : [{ ...view, labelMap: reference }]),
          { ...view, labelMap: labelMap.data },
        ];
      });
      const { width, height, pixels } = drawSlices(views);
      const order = reference === undefined ? "the model's outline" : "reference, then the model's outline";
      pictures.push({
        caption: `${files.id}, slice ${slice + 1}: FLAIR and contrast-enhanced T1, each with ${order} (core red, oedema green, enhancing blue)`,
        png: encodePng(width, height, pixels),
      });
    }
  } finally {
    await segmenter.close();
  }
  return pictures;
}
