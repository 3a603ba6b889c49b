/** What an examination finds: one line for each thing looked at, in words and in figures. */
import { ConsiliumError, type Json } from "../../base/index.ts";
import { type ErrorRecord, errorRecord } from "../../protocol/index.ts";

export type FindingOutcome = "good" | "warning" | "failed" | "skipped";

export interface Finding {
  readonly check: string;
  readonly outcome: FindingOutcome;
  readonly words: string;
  /** What to do about it. */
  readonly hint?: string;
  readonly code?: string;
  readonly figures?: Readonly<Record<string, Json>>;
}

type Found = Omit<Finding, "check">;

export function good(words: string, figures?: Finding["figures"]): Found {
  return { outcome: "good", words, ...(figures && { figures }) };
}

export function bad(outcome: "warning" | "failed", words: string, hint: string, figures?: Finding["figures"]): Found {
  return { outcome, words, hint, ...(figures && { figures }) };
}

export function skipped(words: string): Found {
  return { outcome: "skipped", words };
}

export type OnFinding = ((finding: Finding) => void) | undefined;

/** Runs one check and tells what it found. What it throws is what was found; defects of the product are thrown on. */
export async function find(check: string, look: () => Promise<Found>, tell: OnFinding): Promise<Finding> {
  const finding = await found(check, look);
  tell?.(finding);
  return finding;
}

async function found(check: string, look: () => Promise<Found>): Promise<Finding> {
  try {
    return { check, ...(await look()) };
  } catch (error) {
    if (!(error instanceof ConsiliumError) || error.code === "interrupted") throw error;
    const { subject, expected, actual, hint, code }: ErrorRecord = errorRecord(error);
    return { check, outcome: "failed", words: `${subject}: expected ${expected}, got ${actual}`, hint, code };
  }
}
