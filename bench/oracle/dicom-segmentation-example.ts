/** Writes an example of a DICOM Segmentation and what is in it, for `dicom_segmentation.py`: `tsx FILE OUT-DIR`. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeSegmentation } from "../../src/imaging/index.ts";
import { exampleLabelMap, exampleSeries } from "../../src/imaging/testing/example-series.ts";

const out = process.argv[2] ?? "segmentation-example";
mkdirSync(out, { recursive: true });
const labelMap = exampleLabelMap();
const about = { algorithmName: "Example model", softwareVersion: "0", madeAtMs: 0 };
writeFileSync(join(out, "seg.dcm"), encodeSegmentation(labelMap, exampleSeries(), about));
writeFileSync(
  join(out, "expected.json"),
  JSON.stringify({
    dims: labelMap.dims,
    data: [...labelMap.data],
    affine: labelMap.affineVoxelToRas,
    series: exampleSeries(),
  }),
);
