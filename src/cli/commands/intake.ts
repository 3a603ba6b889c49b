/** `intake`: from a hospital's DICOM folders to a dataset. */
import { availableParallelism } from "node:os";
import { ConsiliumError, type Json } from "../../base/index.ts";
import type { IntakeResult } from "../../intake/index.ts";
import { defineCommand } from "../command.ts";
import { countOf, formatTable } from "../format.ts";
import { labelsOption } from "../labels-option.ts";
import { mayMissOption, parseMayMiss } from "../may-miss-option.ts";
import { option } from "../options.ts";

const BAD_INPUT = 3;

export const intake = defineCommand({
  path: ["intake"],
  summary: "Make a dataset of DICOM studies",
  description:
    "Finds studies in any folder tree, recognises T1, T1 with contrast, T2 and FLAIR, registers them to each other and " +
    "to an atlas, cuts out the brain and checks every case. Nothing of a patient's but the brain is in the dataset. A " +
    "case that cannot be taken in is explained and stops no other. Run it again after a stop, for new studies, or with a " +
    "table that corrects what a series was taken for. A study without one of the four is refused, unless --may-miss says " +
    "which may be missing; T1 with contrast may not, since the others are registered to it. The dataset keeps its " +
    "options: a later run goes by them, with what it names itself; another atlas or network is refused once a case was made.",
  options: {
    from: option.requiredText("DIR", "folder with DICOM files, however deep"),
    out: option.requiredText("DIR", "dataset to make, or to go on with"),
    series: option.text(
      "FILE",
      "table of series that overrules recognition: columns series and use (t1, t1ce, t2, flair, no)",
    ),
    mayMiss: mayMissOption,
    atlas: option.text("FILE", "skull-stripped T1 to register to (default: a template made of phantoms)"),
    brainModel: option.text("FILE", "ONNX network that finds the brain, instead of the classical way"),
    brainModelSpacing: option.numberOr("MM", "voxel size that the network expects", 2, { min: 0.5, max: 8 }),
    links: option.text("FILE", "table to write of which case is which study, outside the dataset"),
    labelMaps: option.text(
      "FILE",
      "table of label maps that were drawn already: columns study and file, with --labels",
    ),
    labels: labelsOption("how these label maps are written"),
    noHeads: option.flag("keep no picture of the head before the brain was cut out"),
    otherOptions: option.flag("go by the options of this command alone, and make anew what differs"),
    workers: option.integerOr("cases side by side", availableParallelism(), { min: 1, max: 64 }),
  },
  examples: [
    "consilium intake --from DICOM --out data/own",
    "consilium intake --from DICOM --out data/own --links links.csv",
    "consilium intake --from DICOM --out data/own --label-maps drawn.csv --labels brats2023",
    "consilium intake --from DICOM --out data/own --may-miss t2,flair",
    "consilium intake --from DICOM --out data/own --series links.csv --atlas sri24_t1_brain.nii.gz",
  ],
  async run({ options, progress, signal }) {
    const { runIntake } = await import("../../intake/index.ts");
    const { from, out, series, atlas, brainModel, brainModelSpacing, links, noHeads, workers, labelMaps, labels } =
      options;
    const { otherOptions } = options;
    if ((labelMaps === undefined) !== (labels === undefined)) throw labelsUndeclared(labelMaps);
    const mayMiss = parseMayMiss(options.mayMiss, "consilium intake");
    const result = await runIntake({
      from,
      out,
      workers,
      noHeads,
      otherOptions,
      signal,
      ...(series !== undefined && { series }),
      ...(mayMiss !== undefined && { mayMiss }),
      ...(atlas !== undefined && { atlas }),
      ...(links !== undefined && { links }),
      ...(labelMaps !== undefined && labels !== undefined && { labelMaps: { table: labelMaps, convention: labels } }),
      ...(brainModel !== undefined && { brainModel: { path: brainModel, spacingMm: brainModelSpacing } }),
      onFile: (done) => progress.update({ label: "Reading", done, unit: "files" }),
      onState: (_, __, done, total) => progress.update({ label: "Taking in", done, total, unit: "cases" }),
    });
    const failed = result.records.filter(({ failure }) => failure !== undefined).length;
    return {
      json: jsonOf(result),
      text: textOf(result),
      exitCode: failed + result.notAgain.length > 0 ? BAD_INPUT : 0,
    };
  },
});

function labelsUndeclared(labelMaps: string | undefined): ConsiliumError {
  return new ConsiliumError("usage", {
    subject: "consilium intake",
    expected: "--label-maps and --labels together",
    actual: labelMaps === undefined ? "--labels alone" : "--label-maps alone",
    hint: "What 3 and 4 mean in a label map is never inferred: see docs/DATASETS.md.",
  });
}

function jsonOf({ records, notAgain, casesInDataset, atlas, scan, page }: IntakeResult): Json {
  return {
    cases: records.map(({ caseId, subject, state, failure, missing, checks, labels }) => ({
      case: caseId,
      subject,
      state,
      failure: failure ?? null,
      missing: missing ?? [],
      checks: checks ?? null,
      labels: labels ?? null,
    })),
    notAgain: notAgain.map(({ caseId, error }) => ({ case: caseId, ...error.toJSON() })),
    casesInDataset,
    atlas,
    files: scan.files,
    passedOver: { ...scan.passedOver },
    copies: scan.copies,
    unreadable: scan.unreadable,
    page,
  };
}

function textOf({ records, notAgain, casesInDataset, scan, page }: IntakeResult): string {
  const rows = records.map(({ caseId, subject, state, failure, checks }) => [
    caseId,
    subject,
    failure === undefined ? state : `failed towards ${failure.towards}`,
    failure?.code ?? "",
    checks === undefined ? "" : `${checks.brainMl.toFixed(0)} ml`,
  ]);
  const without = records.flatMap(({ caseId, missing = [] }) =>
    missing.length === 0 ? [] : [`${caseId}: without ${missing.join(", ")}, as --may-miss allows.`],
  );
  const { encrypted, other, noImage } = scan.passedOver;
  const aside = [
    other > 0 ? `${other} no DICOM` : "",
    noImage > 0 ? `${noImage} without an image` : "",
    encrypted > 0 ? `${encrypted} encrypted` : "",
    scan.copies > 0 ? `copies of ${countOf(scan.copies, "file")}` : "",
    scan.unreadable > 0 ? `${scan.unreadable} broken` : "",
  ].filter((part) => part !== "");
  const explained = records.flatMap(({ caseId, failure }) =>
    failure === undefined
      ? []
      : [`${caseId}: ${failure.subject}: expected ${failure.expected}, got ${failure.actual}. ${failure.hint}`],
  );
  const kept = notAgain.map(
    ({ caseId, error }) =>
      `${caseId} stays as it was done; its study now: expected ${error.expected}, got ${error.actual}. ${error.hint}`,
  );
  return [
    formatTable(["Case", "Patient", "State", "Error", "Brain"], rows),
    "",
    ...explained,
    ...kept,
    ...without,
    ...(explained.length + kept.length + without.length > 0 ? [""] : []),
    `${countOf(scan.files, "file")} read${aside.length > 0 ? `; left aside: ${aside.join(", ")}` : ""}.`,
    `${countOf(casesInDataset, "case")} in the dataset. Look at the pictures: ${page}`,
  ].join("\n");
}
