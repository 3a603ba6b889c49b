/** `segment`: trained models applied to one patient's scan. */
import { resolve } from "node:path";
import { ConsiliumError, type Json } from "../../base/index.ts";
import type { LabelConvention, Modality, Volume } from "../../imaging/index.ts";
import type { StudySource } from "../../intake/index.ts";
import type { Model, Segmentation } from "../../segmentation/index.ts";
import { checkedSigner } from "../checked-signer.ts";
import { defineCommand } from "../command.ts";
import { countOf, formatTable } from "../format.ts";
import { labelsOption } from "../labels-option.ts";
import { option } from "../options.ts";
import { type OpenedScan, openCase, openStudy, parseImages } from "../segment-source.ts";

export const segment = defineCommand({
  path: ["segment"],
  summary: "Outline the tumour in a new patient's scan",
  description:
    "Takes T1, T1 with contrast, T2 and FLAIR of one patient: a case in a BraTS layout, skull-stripped and registered " +
    "(--case), a DICOM study (--dicom), or NIfTI files as they were scanned (--images); the last two go through intake " +
    "first. A scan may be missing where the model was trained for that, but for T1 with contrast, which intake needs. Writes the label map on the very grid of the " +
    "case, or of T1 with contrast; of a DICOM study also as DICOM Segmentation and as RT Structure Set. With " +
    "flips or several models their opinions are averaged, and how far they lie apart is told as the volumes' " +
    "uncertainty. For research: not a medical device.",
  options: {
    model: option.requiredList("DIRS", "model folder, as training writes it; several vote, with commas between"),
    case: option.text("DIR", "folder of the case"),
    dicom: option.text("DIR", "folder of one DICOM study"),
    images: option.list("FILES", "t1=FILE,t1ce=FILE,t2=FILE,flair=FILE"),
    out: option.requiredText("FILE", "label map to write, .nii or .nii.gz"),
    dicomSeg: option.text("FILE", "DICOM Segmentation to write, with --dicom"),
    rtstruct: option.text("FILE", "RT Structure Set to write, with --dicom"),
    series: option.text("FILE", "table of series that overrules recognition, with --dicom"),
    atlas: option.text("FILE", "skull-stripped T1 that the model's cases were registered to (default: of phantoms)"),
    brainModel: option.text("FILE", "ONNX network that finds the brain"),
    brainModelSpacing: option.numberOr("MM", "voxel size that this network expects", 2, { min: 0.5, max: 8 }),
    report: option.text("FILE", "one-page report to write, .html"),
    flips: option.flag("look at the scan in every mirror that training showed as well: up to eight times the work"),
    federation: option.text("FINGERPRINT", "refuse a model that no member of this federation signed"),
    labels: labelsOption("how to write labels, where file names do not tell"),
    threads: option.integerOr("processor threads", 2, { min: 1, max: 256 }),
  },
  examples: [
    "consilium segment --model run/model --case DIR/BraTS2021_00006 --out seg.nii.gz",
    "consilium segment --model run/model --dicom STUDY --out seg.nii.gz --dicom-seg seg.dcm --rtstruct rt.dcm",
    "consilium segment --model a/model,b/model --flips --case DIR/BraTS2021_00006 --out seg.nii.gz --report report.html",
  ],
  async run({ options, progress, signal, version }) {
    const { writeFileAtomically, writeLabelMap } = await import("../../imaging/index.ts");
    const { openSegmenter, readModelFolder, renderCaseReport } = await import("../../segmentation/index.ts");
    const { flips, threads, federation, out, report, dicomSeg, rtstruct } = options;
    checkSources(options);
    const models: Model[] = [];
    for (const dir of options.model) models.push(checkedSigner(await readModelFolder(dir), dir, federation));
    const scan = await openScan(options, models[0].description.study.task.mayMiss, (state) => {
      signal.throwIfAborted();
      progress.note(`Intake: ${state}.`);
    });
    try {
      const segmenter = await openSegmenter(models, { threads, flips });
      try {
        const segmentation = await segmenter.segment(scan.files, scan.convention, (done, total) => {
          signal.throwIfAborted();
          progress.update({ label: "Segmenting", done, total, unit: "windows" });
        });
        const onScan = scan.restore(segmentation.labelMap);
        await writeLabelMap(out, onScan, scan.convention);
        await writeObjects(onScan, scan, models, { dicomSeg, rtstruct, version });
        const caseId = scan.files.id;
        if (report !== undefined) {
          const about = { caseId, segmentation, models, productVersion: version, madeAtMs: Date.now() };
          await writeFileAtomically(report, Buffer.from(renderCaseReport(about)));
        }
        const written: Written = { out, report, dicomSeg, rtstruct, labels: scan.convention };
        return { json: jsonOf(caseId, segmentation, models, written), text: textOf(segmentation, written) };
      } finally {
        await segmenter.close();
      }
    } finally {
      await scan.close();
    }
  },
});

interface SourceOptions {
  readonly case: string | undefined;
  readonly dicom: string | undefined;
  readonly images: readonly string[] | undefined;
  readonly series: string | undefined;
  readonly dicomSeg: string | undefined;
  readonly rtstruct: string | undefined;
  readonly labels: LabelConvention | undefined;
  readonly atlas: string | undefined;
  readonly brainModel: string | undefined;
  readonly brainModelSpacing: number;
  readonly threads: number;
}

function checkSources({ case: folder, dicom, images, dicomSeg, rtstruct, series }: SourceOptions): void {
  const refuse = (expected: string, actual: string): never => {
    throw new ConsiliumError("usage", {
      subject: "consilium segment",
      expected,
      actual,
      hint: "See `consilium segment --help`.",
    });
  };
  const given = [folder, dicom, images].filter((source) => source !== undefined).length;
  if (given !== 1) refuse("one of --case, --dicom and --images", given === 0 ? "none" : `${given} of them`);
  if (dicom !== undefined) return;
  const alone = [dicomSeg && "--dicom-seg", rtstruct && "--rtstruct", series && "--series"].find(Boolean);
  if (alone) refuse(`--dicom beside ${alone}`, "another source");
}

async function openScan(
  options: SourceOptions,
  mayMiss: readonly Modality[] | undefined,
  onState: (state: string) => void,
): Promise<OpenedScan> {
  const { labels, atlas, brainModel, brainModelSpacing, threads, dicom, images, series } = options;
  if (options.case !== undefined) {
    return openCase(options.case, { ...(labels && { labels }), ...(mayMiss && { mayMiss }) });
  }
  const source: StudySource =
    dicom === undefined
      ? { kind: "nifti", images: parseImages(images ?? [], mayMiss) }
      : { kind: "dicom", dir: dicom, ...(series !== undefined && { series }) };
  return openStudy(source, labels, {
    threads,
    onState,
    ...(mayMiss && { mayMiss }),
    ...(atlas !== undefined && { atlas }),
    ...(brainModel !== undefined && { brainModel: { path: brainModel, spacingMm: brainModelSpacing } }),
  });
}

async function writeObjects(
  labelMap: Volume<Uint8Array>,
  { source }: OpenedScan,
  models: readonly Model[],
  { dicomSeg, rtstruct, version }: { dicomSeg: string | undefined; rtstruct: string | undefined; version: string },
): Promise<void> {
  if (source === undefined) return;
  const { encodeSegmentation, encodeStructures, writeFileAtomically } = await import("../../imaging/index.ts");
  const { CLASS_COLOURS, structuresOf } = await import("../../segmentation/index.ts");
  const { study, name } = models[0].description;
  const about = { algorithmName: name.slice(0, 64), softwareVersion: version, madeAtMs: Date.now() };
  if (dicomSeg !== undefined) {
    await writeFileAtomically(dicomSeg, encodeSegmentation(labelMap, source, about, CLASS_COLOURS));
  }
  if (rtstruct !== undefined) {
    await writeFileAtomically(rtstruct, encodeStructures(labelMap, structuresOf(study.task), source, about));
  }
}

interface Written {
  readonly out: string;
  readonly report: string | undefined;
  readonly dicomSeg: string | undefined;
  readonly rtstruct: string | undefined;
  readonly labels: string;
}

function jsonOf(caseId: string, segmentation: Segmentation, models: readonly Model[], written: Written): Json {
  const { volumesMl, spread, opinions, missing } = segmentation;
  return {
    case: caseId,
    out: resolve(written.out),
    report: pathOf(written.report),
    dicomSeg: pathOf(written.dicomSeg),
    rtstruct: pathOf(written.rtstruct),
    labels: written.labels,
    volumesMl,
    uncertaintyMl: spread as Json,
    opinions,
    missing,
    modelSha256: models[0].description.modelSha256,
    models: models.map(({ description, signer }) => ({
      modelSha256: description.modelSha256,
      signedBy: signer === null ? null : { role: signer.role, federationId: signer.federationId },
    })),
  };
}

function pathOf(path: string | undefined): string | null {
  return path === undefined ? null : resolve(path);
}

function textOf(
  { volumesMl, spread, opinions, missing }: Segmentation,
  { out, report, dicomSeg, rtstruct, labels }: Written,
): string {
  const rows = Object.entries(volumesMl).map(([region, ml]) => {
    const own = spread?.[region];
    const uncertain =
      own === undefined
        ? []
        : [`${own.deviationMl.toFixed(1)}`, `${own.leastMl.toFixed(1)} to ${own.mostMl.toFixed(1)}`];
    return [region, ml.toFixed(1), ...uncertain];
  });
  const head = spread === null ? ["Region", "Volume, ml"] : ["Region", "Volume, ml", "Deviation, ml", "Range, ml"];
  return [
    formatTable(head, rows),
    "",
    ...(spread === null ? [] : [`Deviation and range over ${countOf(opinions, "opinion")}.`]),
    ...(missing.length === 0 ? [] : [`Without ${missing.join(", ")}: the model was trained for that; expect less.`]),
    `Wrote ${out} (labels as in ${labels}).`,
    ...(dicomSeg === undefined ? [] : [`DICOM Segmentation ${dicomSeg}`]),
    ...(rtstruct === undefined ? [] : [`RT Structure Set ${rtstruct}`]),
    ...(report === undefined ? [] : [`Report ${report}`]),
  ].join("\n");
}
