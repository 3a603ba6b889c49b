/**
 * A phantom's T2 as an oblique DICOM series, and its true label map as a DICOM Segmentation, an RT Structure Set and
 * NIfTI, for `ohif-viewer.ts`: `npx tsx bench/oracle/ohif-study.ts OUT` writes OUT/series, seg.dcm, rtstruct.dcm and
 * labels.nii.gz.
 */
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  encodeSegmentation,
  encodeStructures,
  MODALITIES,
  readSourceSeries,
  scanDicomFolder,
  stackFrames,
  writeNifti,
} from "../../src/imaging/index.ts";
import { CLASS_COLOURS, structuresOf } from "../../src/segmentation/index.ts";
import { parseStudy } from "../../src/study/index.ts";
import { writePatient } from "../../test/made/dicom-patients.ts";

const UID = "1.2.840.98.2";

const out = process.argv[2] ?? "ohif-study";
const { labelMapInT2: labelMap } = await writePatient({
  dir: out,
  index: 0,
  patientId: "P-1",
  study: UID,
  without: MODALITIES.filter((modality) => modality !== "t2"),
  tags: { "00080020": "20240102", "00100010": "Phantom^Example", "00200052": `${UID}.77` },
});
renameSync(join(out, "t2"), join(out, "series"));
const { studies } = await scanDicomFolder(join(out, "series"));
const source = await readSourceSeries(stackFrames(studies[0].series[0].frames, "series"));
const about = { algorithmName: "The phantom's own", softwareVersion: "0", madeAtMs: 0 };
const { task } = parseStudy({
  schema: "consilium.study/1",
  name: "Example",
  network: { kind: "unet3d" },
  training: { optimiser: { kind: "sgd", learningRate: 0.1 }, patch: [32, 32, 32], stepsPerRound: 1 },
  rounds: { count: 1 },
});
writeFileSync(join(out, "seg.dcm"), encodeSegmentation(labelMap, source, about, CLASS_COLOURS));
writeFileSync(join(out, "rtstruct.dcm"), encodeStructures(labelMap, structuresOf(task), source, about));
await writeNifti(join(out, "labels.nii.gz"), labelMap);
