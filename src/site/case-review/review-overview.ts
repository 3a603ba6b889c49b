/** Where the cases of a review are, counted, and which corrected maps wait to be taken back. */
import { existsSync } from "node:fs";
import { correctedPath } from "./review-folder.ts";
import type { Review, ReviewState } from "./review-state.ts";

export interface ReviewOverview {
  /** Sorted by id. */
  readonly cases: readonly { readonly id: string; readonly state: ReviewState; readonly corrected: boolean }[];
  readonly done: number;
  /** Of those that are done: drafts that a reader found right as they were. */
  readonly unchanged: number;
  readonly drafted: number;
  readonly failed: number;
  /** Drafted cases whose corrected map lies in the folder. */
  readonly returning: readonly string[];
}

/** @param dir the review's folder */
export function reviewOverview(dir: string, review: Review): ReviewOverview {
  const cases = Object.entries(review.cases)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, state]) => ({
      id,
      state,
      corrected: state.kind === "drafted" && existsSync(correctedPath(dir, id)),
    }));
  const count = (kind: ReviewState["kind"]): number => cases.filter(({ state }) => state.kind === kind).length;
  return {
    cases,
    done: count("done"),
    unchanged: cases.filter(({ state }) => state.kind === "done" && state.change.voxels === 0).length,
    drafted: count("drafted"),
    failed: count("failed"),
    returning: cases.filter(({ corrected }) => corrected).map(({ id }) => id),
  };
}
