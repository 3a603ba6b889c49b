/** Messages that are not about the study underway, or not from a site of it. */
import type { SiteEventKind } from "../events.ts";
import { type CoordinatorState, hasRosterKey } from "../state.ts";
import { discarded, rejected, type Taken } from "../verdict.ts";

/** The answer to such a message, or undefined where the message fits. */
export function studyMismatch(state: CoordinatorState, event: SiteEventKind): Taken | undefined {
  const { siteId, studyHash } = event;
  const subject = `message of ${siteId}`;
  if (state.past.some(({ record }) => record.hash === studyHash)) {
    return discarded(state, "study-unknown", {
      subject,
      expected: `study ${state.study?.hash.slice(0, 12)}`,
      actual: `study ${studyHash.slice(0, 12)}, which has ended`,
      hint: "Ask for the next order.",
    });
  }
  if (state.study === null || state.study.hash !== studyHash) {
    return rejected(state, "study-unknown", {
      subject,
      expected: state.study === null ? "no study: none was submitted" : `study ${state.study.hash.slice(0, 12)}`,
      actual: `study ${studyHash.slice(0, 12)}`,
      hint: "Ask for the next order.",
    });
  }
  if (!hasRosterKey(state, siteId)) {
    return rejected(state, "roster-mismatch", {
      subject,
      expected: "a site of the study's roster, by the key that was approved",
      actual: `${siteId} by its present key`,
      hint: "The roster is fixed when a study is submitted: take part in the next one.",
    });
  }
  return undefined;
}
