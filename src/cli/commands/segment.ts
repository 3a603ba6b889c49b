/** `segment`: trained models applied to one patient's scan. */
import { resolve } from "node:path";
import { ConsiliumError, type Json } from "../../base/index.ts";
import type { CaseFiles, Dataset } from "../../imaging/index.ts";
import type { Model, Segmentation } from "../../segmentation/index.ts";
import { defineCommand } from "../command.ts";
import { countOf, formatTable } from "../format.ts";
import { labelsOption } from "../labels-option.ts";
import { option } from "../options.ts";

export const segment = defineCommand({
  path: ["segment"],
  summary: "Outline the tumour in a new patient's scan",
  description:
    "Needs T1, T1 with contrast, T2 and FLAIR of one patient, skull-stripped and registered, in a BraTS layout; a scan " +
    "may be missing where the model was trained for that. Writes the label map on the very grid of the scan. With " +
    "flips or several models their opinions are averaged, and how far they lie apart is told as the volumes' " +
    "uncertainty. For research: not a medical device.",
  options: {
    model: option.requiredList("DIRS", "model folder, as training writes it; several vote, with commas between"),
    case: option.requiredText("DIR", "folder of the case"),
    out: option.requiredText("FILE", "label map to write, .nii or .nii.gz"),
    report: option.text("FILE", "one-page report to write, .html"),
    flips: option.flag("look at the scan in every mirror that training showed as well: up to eight times the work"),
    federation: option.text("FINGERPRINT", "refuse a model that no member of this federation signed"),
    labels: labelsOption("how to write labels, where file names do not tell"),
    threads: option.integerOr("processor threads", 2, { min: 1, max: 256 }),
  },
  examples: [
    "consilium segment --model run/model --case DIR/BraTS2021_00006 --out seg.nii.gz",
    "consilium segment --model a/model,b/model --flips --case DIR/BraTS2021_00006 --out seg.nii.gz --report report.html",
  ],
  async run({ options, progress, signal, version }) {
    const { scanDataset, writeFileAtomically, writeLabelMap } = await import("../../imaging/index.ts");
    const { openSegmenter, readModelFolder, renderCaseReport } = await import("../../segmentation/index.ts");
    const { flips, threads, labels, federation } = options;
    const models: Model[] = [];
    for (const dir of options.model) models.push(checkedSigner(await readModelFolder(dir), dir, federation));
    const { mayMiss } = models[0].description.study.task;
    const dataset = await scanDataset(options.case, { ...(labels && { labels }), ...(mayMiss && { mayMiss }) });
    const { labelMap: _, ...scan } = onlyCase(dataset);
    const segmenter = await openSegmenter(models, { threads, flips });
    try {
      const segmentation = await segmenter.segment(scan, dataset.convention, (done, total) => {
        signal.throwIfAborted();
        progress.update({ label: "Segmenting", done, total, unit: "windows" });
      });
      await writeLabelMap(options.out, segmentation.labelMap, dataset.convention);
      if (options.report !== undefined) {
        const about = { caseId: scan.id, segmentation, models, productVersion: version, madeAtMs: Date.now() };
        await writeFileAtomically(options.report, Buffer.from(renderCaseReport(about)));
      }
      const { out, report } = options;
      return {
        json: jsonOf(scan.id, segmentation, models, { out, report, labels: dataset.convention }),
        text: textOf(segmentation, { out, report, labels: dataset.convention }),
      };
    } finally {
      await segmenter.close();
    }
  },
});

interface Written {
  readonly out: string;
  readonly report: string | undefined;
  readonly labels: string;
}

function jsonOf(caseId: string, segmentation: Segmentation, models: readonly Model[], written: Written): Json {
  const { volumesMl, spread, opinions, missing } = segmentation;
  return {
    case: caseId,
    out: resolve(written.out),
    report: written.report === undefined ? null : resolve(written.report),
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

function textOf({ volumesMl, spread, opinions, missing }: Segmentation, { out, report, labels }: Written): string {
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
    ...(report === undefined ? [] : [`Report ${report}`]),
  ].join("\n");
}

function checkedSigner(model: Model, dir: string, federation: string | undefined): Model {
  if (federation === undefined || model.signer?.federationId === federation) return model;
  throw new ConsiliumError("signature-invalid", {
    subject: dir,
    expected: `a model signed by a member of federation ${federation}`,
    actual: model.signer === null ? "one without a signature" : `one of federation ${model.signer.federationId}`,
    hint: "Take the model from the federation's coordinator, or check the fingerprint.",
  });
}

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
