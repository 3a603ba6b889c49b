/**
 * The coordinator was away. Sites could not be heard meanwhile, so a deadline that passed, or is about to, is put off:
 * by the round's own time, at most LIMITS.restartGraceMs. While a study is paused no deadline passes.
 */
import { invariant, LIMITS } from "../../base/index.ts";
import { type CoordinatorState, deadlineMsOf, pauseOf } from "../state.ts";
import { accepted, discarded, type Taken } from "../verdict.ts";

export function putOffDeadlines(state: CoordinatorState, atMs: number): Taken {
  const { phase, study } = state;
  if ("deadlineMs" in phase && pauseOf(study) === undefined) {
    invariant(study !== null, "a study in every phase but idle");
    const graceMs = Math.min(LIMITS.restartGraceMs, deadlineMsOf(study));
    if (phase.deadlineMs < atMs + graceMs) {
      return accepted({ ...state, phase: { ...phase, deadlineMs: atMs + graceMs } });
    }
  }
  return discarded(state, "usage", {
    subject: "start of the coordinator",
    expected: "a deadline to put off",
    actual: "none",
    hint: "Nothing needs to be done.",
  });
}
