/** Writes an example of a DICOM Segmentation, of an RT Structure Set, and what is in it, for `dicom_segmentation.py`: `tsx FILE OUT-DIR`. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeSegmentation, encodeStructures } from "../../src/imaging/index.ts";
import { exampleLabelMap, exampleSeries } from "../../src/imaging/testing/example-series.ts";
import { CLASS_COLOURS } from "../../src/segmentation/index.ts";

const out = process.argv[2] ?? "segmentation-example";
mkdirSync(out, { recursive: true });
const labelMap = exampleLabelMap();
const about = { algorithmName: "Example model", softwareVersion: "0", madeAtMs: 0 };
writeFileSync(join(out, "seg.dcm"), encodeSegmentation(labelMap, exampleSeries(), about, CLASS_COLOURS));
const structures = [
  { name: "WT", colour: [70, 170, 80] as const, classes: [1, 2, 3] },
  { name: "TC", colour: [220, 60, 60] as const, classes: [1, 3] },
  { name: "ET", colour: [240, 210, 70] as const, classes: [3] },
];
writeFileSync(join(out, "rtstruct.dcm"), encodeStructures(labelMap, structures, exampleSeries(), about));
writeFileSync(
  join(out, "expected.json"),
  JSON.stringify({
    dims: labelMap.dims,
    data: [...labelMap.data],
    affine: labelMap.affineVoxelToRas,
    series: exampleSeries(),
  }),
);
