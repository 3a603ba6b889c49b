/** One question to either accountant: what epsilon do these events amount to at this delta? */
import { ConsiliumError } from "../../base/index.ts";
import type { DpEvent } from "./dp-event.ts";
import { pldEpsilon } from "./pld-accountant.ts";
import { rdpEpsilon } from "./rdp-accountant.ts";

export const ACCOUNTANTS = ["rdp", "pld"] as const;
export type Accountant = (typeof ACCOUNTANTS)[number];

export interface PrivacySpent {
  /** Infinity where nothing is guaranteed. */
  readonly epsilon: number;
  readonly delta: number;
  readonly accountant: Accountant;
  /** Rényi's order that gave epsilon; null for loss distributions, which have none. */
  readonly order: number | null;
}

/** @throws ConsiliumError `privacy-delta-invalid`, and what the accountants throw. */
export function privacySpent(event: DpEvent, delta: number, accountant: Accountant): PrivacySpent {
  if (!(delta > 0 && delta < 1)) {
    throw new ConsiliumError("privacy-delta-invalid", {
      subject: "privacy account",
      expected: "a delta above 0 and below 1",
      actual: String(delta),
      hint: "Take a delta well below one over the number of patients, such as 1e-5.",
    });
  }
  switch (accountant) {
    case "rdp":
      return { ...rdpEpsilon(event, delta), delta, accountant };
    case "pld":
      return { epsilon: pldEpsilon(event, delta), order: null, delta, accountant };
    default:
      return accountant satisfies never;
  }
}
