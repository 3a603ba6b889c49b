/** `review`: drafts for readers, and corrected label maps back from them. */
import { ConsiliumError, type Json } from "../../base/index.ts";
import type { OpenReview, Review, ReviewState } from "../../site/index.ts";
import { type CommandResult, defineCommand } from "../command.ts";
import { countOf, formatFigure, formatTable } from "../format.ts";
import { labelsOption } from "../labels-option.ts";
import { option } from "../options.ts";

const review = option.requiredText("DIR", "folder of the review");

export const reviewDraft = defineCommand({
  path: ["review", "draft"],
  summary: "Draw drafts of label maps for readers to correct",
  description:
    "Checks every case of a dataset and drafts those that have no draft yet; run it again after a stop or for new " +
    "cases. A reader opens the scans and ID_draft.nii.gz in REVIEW/cases/ID, in ITK-SNAP or Slicer, and saves " +
    "ID_corrected.nii.gz beside them.",
  options: {
    data: option.requiredText("DIR", "dataset"),
    model: option.requiredList("DIRS", "model folder; several vote, with commas between"),
    review,
    labels: labelsOption("how labels are written, where file names do not tell"),
    threads: option.integerOr("processor threads", 2, { min: 1, max: 256 }),
  },
  examples: ["consilium review draft --data data/new --model model --review review"],
  async run({ options, progress, signal }) {
    const { openSegmenter, readModelFolder } = await import("../../segmentation/index.ts");
    const { draftCases, openReview } = await import("../../site/index.ts");
    const models = await Promise.all(options.model.map(readModelFolder));
    const { mayMiss } = models[0].description.study.task;
    const opened = await openReview(options.review, options.data, {
      ...(options.labels && { labels: options.labels }),
      ...(mayMiss && { mayMiss }),
    });
    const segmenter = await openSegmenter(models, { threads: options.threads });
    try {
      const drafted = await draftCases(opened, {
        segmenter,
        models: models.map(({ description }) => description.modelSha256),
        onCase: (done, total) => {
          signal.throwIfAborted();
          progress.update({ label: "Drafting", done, total, unit: "cases" });
        },
      });
      return await statusOf(options.review, drafted.review);
    } finally {
      await segmenter.close();
    }
  },
});

export const reviewReturn = defineCommand({
  path: ["review", "return"],
  summary: "Take corrected label maps back",
  description:
    "Without --case, every case whose ID_corrected.nii.gz is there. A map must lie on the case's grid; what changed " +
    "against the draft is told, and where nothing changed the case is refused unless the draft is said to be right. " +
    "Cases that are done stand as a dataset in REVIEW/reviewed.",
  options: {
    review,
    case: option.text("ID", "one case"),
    map: option.text("FILE", "its corrected label map, where it is not in the case's folder"),
    rightAsItIs: option.flag("an unchanged draft is right as it is"),
  },
  examples: [
    "consilium review return --review review",
    "consilium review return --review review --case A1 --map a1.nii.gz",
  ],
  async run({ options }) {
    const { openReview, returnCase, reviewOverview } = await import("../../site/index.ts");
    const { studySchema } = await import("../../study/index.ts");
    const { MODALITIES } = await import("../../imaging/index.ts");
    const known = await begun(options.review);
    if (options.map !== undefined && options.case === undefined) throw mapWithoutCase();
    let opened: OpenReview = await openReview(options.review, known.dataset, {
      labels: known.convention,
      mayMiss: MODALITIES,
    });
    const ids = options.case === undefined ? reviewOverview(options.review, opened.review).returning : [options.case];
    const { regions } = studySchema.shape.task.parse({});
    const rows: (string | number | null)[][] = [];
    const changes: Record<string, Json> = {};
    for (const caseId of ids) {
      const { rightAsItIs, map } = options;
      const returned = await returnCase(opened, { caseId, map, rightAsItIs, regions });
      opened = returned.opened;
      const { voxels, regions: byRegion } = returned.change;
      changes[caseId] = returned.change;
      rows.push([
        caseId,
        voxels === 0 ? "nothing changed" : `${countOf(voxels, "voxel")} changed`,
        ...Object.values(byRegion).map(({ dice }) => formatFigure(dice)),
      ]);
    }
    const head = ["Case", "Against the draft", ...Object.keys(regions).map((region) => `Dice ${region}`)];
    const status = await statusOf(options.review, opened.review);
    const text = rows.length === 0 ? "No corrected map was there." : formatTable(head, rows);
    return { json: { returned: changes, ...(status.json as object) }, text: `${text}\n\n${status.text}` };
  },
});

export const reviewStatus = defineCommand({
  path: ["review", "status"],
  summary: "Show where every case of a review is",
  options: { review },
  examples: ["consilium review status --review review"],
  run: async ({ options }) => statusOf(options.review, await begun(options.review)),
});

async function begun(dir: string): Promise<Review> {
  const { readReview } = await import("../../site/index.ts");
  const known = await readReview(dir);
  if (known !== undefined) return known;
  throw new ConsiliumError("file-not-found", {
    subject: dir,
    expected: "a review's folder",
    actual: "one without review.json",
    hint: "Begin with `consilium review draft`.",
  });
}

async function statusOf(dir: string, review: Review): Promise<CommandResult> {
  const { reviewOverview } = await import("../../site/index.ts");
  const { cases, done, unchanged, drafted, failed } = reviewOverview(dir, review);
  const rows = cases.map(({ id, state }) => [id, state.kind.toUpperCase(), detailOf(state)]);
  const text = `${formatTable(["Case", "State", ""], rows)}\n\n${done} of ${countOf(cases.length, "case")} done (${unchanged} unchanged), ${drafted} with a reader, ${failed} failed.`;
  return { json: { cases: review.cases, unchanged }, text };
}

function detailOf(state: ReviewState): string {
  switch (state.kind) {
    case "done":
      return state.change.voxels === 0
        ? "nothing changed; said to be right"
        : `${countOf(state.change.voxels, "voxel")} changed`;
    case "failed":
      return `${state.during}: ${state.code}. ${state.hint}`;
    default:
      return "";
  }
}

function mapWithoutCase(): ConsiliumError {
  return new ConsiliumError("usage", {
    subject: "consilium review return --map",
    expected: "the case that it belongs to, by --case",
    actual: "none",
    hint: "See `consilium review return --help`.",
  });
}
