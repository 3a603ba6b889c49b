/** What a gradient is taken of, and what is said where it cannot be. */
import { ConsiliumError } from "../base/index.ts";

export interface Batch {
  /** [N, C, ...]; read during the step only. */
  readonly image: Float32Array;
  /** Classes, [N, ...]. */
  readonly labels: Uint8Array;
  /** Where it comes from, for messages. */
  readonly cases?: readonly string[];
}

/** How messages name a batch. @param step, batch counted from 1. */
export function describeBatch(step: number, batch: number, { cases }: Batch): string {
  const from = cases === undefined || cases.length === 0 ? "" : ` (${cases.join(", ")})`;
  return `step ${step}, batch ${batch}${from}`;
}

/** @throws ConsiliumError `training-diverged` for a loss that is no number. */
export function checkLoss(loss: number, subject: string): void {
  if (Number.isFinite(loss)) return;
  throw new ConsiliumError("training-diverged", {
    subject,
    expected: "a finite loss",
    actual: String(loss),
    hint: "Lower the learning rate, and look for intensities out of range in the batch's cases.",
  });
}
