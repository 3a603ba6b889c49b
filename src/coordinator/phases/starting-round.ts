/** A round begins: with the model on offer, or, where sums are masked, with an exchange of keys before it. */
import { invariant } from "../../base/index.ts";
import { openMaskedRound } from "../../privacy/index.ts";
import { drawnFor } from "../draw-sites.ts";
import { isMasked, type MaskingText, maskingText, roundContext } from "../masked-round.ts";
import type { ObjectRef } from "../records.ts";
import {
  type Agreeing,
  type Collecting,
  type CoordinatorState,
  deadlineMsOf,
  maskingStepMsOf,
  participantsOf,
  trainersAmong,
} from "../state.ts";

export function startRound(
  state: CoordinatorState,
  { round, global, atMs }: { readonly round: number; readonly global: ObjectRef; readonly atMs: number },
): CoordinatorState {
  invariant(state.study !== null, "a study whose round starts");
  if (isMasked(state.study)) {
    const masking = maskingText(openMaskedRound(roundContext(state.study, round)));
    const deadlineMs = atMs + maskingStepMsOf(state.study);
    return { ...state, phase: { kind: "agreeing", round, startedMs: atMs, deadlineMs, global, masking } };
  }
  const deadlineMs = atMs + deadlineMsOf(state.study);
  const { study } = state;
  const drawn = drawnFor(study, round, trainersAmong(study, participantsOf(study)));
  const phase: Collecting = {
    kind: "collecting",
    round,
    startedMs: atMs,
    deadlineMs,
    global,
    updates: {},
    failures: {},
    ...(drawn && { drawn }),
  };
  return { ...state, phase };
}

/** Keys and shares are exchanged: the sites that shared train, and send masked updates. */
export function collectMasked(
  state: CoordinatorState,
  { round, startedMs, global }: Agreeing,
  masking: MaskingText,
  atMs: number,
): CoordinatorState {
  invariant(state.study !== null, "a study whose round starts");
  const deadlineMs = atMs + deadlineMsOf(state.study);
  const phase: Collecting = {
    kind: "collecting",
    round,
    startedMs,
    deadlineMs,
    global,
    updates: {},
    failures: {},
    masking,
  };
  return { ...state, phase };
}
