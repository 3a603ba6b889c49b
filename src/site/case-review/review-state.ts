/**
 * Where a case is on its way from scans to a label map that a person stands behind, after the states that FL-PoST
 * walks every case through: identified -> validated -> drafted -> done, and failed with a code from wherever it was.
 *
 * Invariants
 * - A transition is a pure function; what is not in the table is refused with the state that the case is in.
 * - A draft that came back unchanged becomes `done` only where the reviewer says that it is right as it is: such a case
 *   is counted apart for ever, because "reviewed" and "not looked at" leave the same bytes.
 * - `done` is final but for a new correction; a failed case may be tried again from its start.
 */
import { z } from "zod";
import { ConsiliumError } from "../../base/index.ts";

const changeSchema = z.strictObject({
  /** Voxels whose class differs from the draft's. */
  voxels: z.number().int(),
  /** By region: Dice of draft and returned map (null where in neither), and millilitres of both. */
  regions: z.record(
    z.string(),
    z.strictObject({ dice: z.number().nullable(), draftMl: z.number(), returnedMl: z.number() }),
  ),
});

const draftSchema = z.strictObject({
  /** Of the draft's file, as it was handed out. */
  draftSha256: z.string(),
  /** The models that drew it. */
  models: z.array(z.string()),
});

const stateSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("identified") }),
  z.strictObject({ kind: z.literal("validated") }),
  z.strictObject({ kind: z.literal("drafted"), draft: draftSchema }),
  z.strictObject({
    kind: z.literal("done"),
    draft: draftSchema,
    change: changeSchema,
    /** Of the label map that the reviewer stands behind. */
    labelMapSha256: z.string(),
  }),
  z.strictObject({
    kind: z.literal("failed"),
    during: z.enum(["validation", "drafting"]),
    code: z.string(),
    hint: z.string(),
  }),
]);

export const reviewSchema = z.strictObject({
  schema: z.literal("consilium.review/1"),
  /** The dataset's folder. */
  dataset: z.string(),
  convention: z.enum(["brats2021", "brats2023", "brats2024"]),
  /** By case. */
  cases: z.record(z.string(), stateSchema),
});

export type ReviewState = z.infer<typeof stateSchema>;
export type Draft = z.infer<typeof draftSchema>;
export type Change = z.infer<typeof changeSchema>;
export type Review = z.infer<typeof reviewSchema>;

export type ReviewStep =
  | { readonly kind: "validated" }
  | { readonly kind: "drafted"; readonly draft: Draft }
  | {
      readonly kind: "returned";
      readonly change: Change;
      readonly labelMapSha256: string;
      readonly rightAsItIs: boolean;
    }
  | { readonly kind: "failed"; readonly during: "validation" | "drafting"; readonly error: ConsiliumError };

/** @throws ConsiliumError `review-state` for a step that the state does not allow, `review-unchanged`. */
export function stepReview(caseId: string, state: ReviewState, step: ReviewStep): ReviewState {
  switch (step.kind) {
    case "failed":
      if (state.kind === "done" || state.kind === "drafted") throw wrongState(caseId, state, "a case without a draft");
      return { kind: "failed", during: step.during, code: step.error.code, hint: step.error.hint };
    case "validated":
      if (state.kind !== "identified" && state.kind !== "failed") throw wrongState(caseId, state, "a new case");
      return { kind: "validated" };
    case "drafted":
      if (state.kind !== "validated") throw wrongState(caseId, state, "a validated case");
      return { kind: "drafted", draft: step.draft };
    case "returned": {
      if (state.kind !== "drafted" && state.kind !== "done") throw wrongState(caseId, state, "a case with a draft");
      const { change, labelMapSha256, rightAsItIs } = step;
      if (change.voxels === 0 && !rightAsItIs) throw unchanged(caseId);
      return { kind: "done", draft: state.draft, change, labelMapSha256 };
    }
    default:
      return step satisfies never;
  }
}

function wrongState(caseId: string, { kind }: ReviewState, expected: string): ConsiliumError {
  return new ConsiliumError("review-state", {
    subject: `case ${caseId}`,
    expected,
    actual: `one that is ${kind}`,
    hint: "See where every case is: `consilium review status`.",
  });
}

function unchanged(caseId: string): ConsiliumError {
  return new ConsiliumError("review-unchanged", {
    subject: `case ${caseId}`,
    expected: "a label map that was corrected",
    actual: "nothing changed: the draft, voxel by voxel",
    hint: "Check that the corrected map was saved; if the draft is right, say so with --right-as-it-is.",
  });
}
