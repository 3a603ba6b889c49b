/** The ends of a study: its final model, or the reason why there is none. Both are phases, and both are told to sites. */
import { type ErrorCode, invariant } from "../../base/index.ts";
import type { StudyStopped } from "../events.ts";
import { isClosing } from "../masked-round.ts";
import type { DoneEnd, RoundRecord, StudyRecord } from "../records.ts";
import type { CoordinatorState } from "../state.ts";
import { accepted, discarded, type Taken } from "../verdict.ts";

export function finishStudy(state: CoordinatorState, study: StudyRecord, atMs: number): CoordinatorState {
  const last = study.rounds.at(-1);
  invariant(last !== undefined, "a finished study with at least one round");
  const best = bestOf(study.rounds) ?? last;
  const end: DoneEnd = {
    kind: "done",
    atMs,
    final: last.model,
    finalRound: last.round,
    best: best.model,
    bestRound: best.round,
  };
  return { ...state, study, phase: end };
}

/** The round of the highest mean Dice, the earliest of equals; none where no site has figures. */
export function bestOf(rounds: readonly RoundRecord[]): RoundRecord | undefined {
  let best: RoundRecord | undefined;
  for (const round of rounds) {
    const dice = round.evaluation?.meanDice ?? null;
    if (dice !== null && dice > (best?.evaluation?.meanDice ?? Number.NEGATIVE_INFINITY)) best = round;
  }
  return best;
}

/** The study has failed; or is done, where it was in the round that closes one with summed figures. */
export function failStudy(
  state: CoordinatorState,
  failure: { readonly code: ErrorCode; readonly reason: string; readonly round: number; readonly atMs: number },
): CoordinatorState {
  const { phase, study } = state;
  const closing = study !== null && study.rounds.length > 0 && isClosing(study, failure.round);
  // Only figures of the last model are missing.
  if (closing) return finishStudy(state, study, failure.atMs);
  const collected = "updates" in phase ? Object.values(phase.updates) : [];
  return { ...state, phase: { kind: "failed", ...failure, unused: collected.map(({ sha256 }) => sha256) } };
}

export function stopStudy(state: CoordinatorState, event: StudyStopped): Taken {
  const { phase } = state;
  if (phase.kind === "idle" || phase.kind === "done" || phase.kind === "failed") {
    return discarded(state, "study-unknown", {
      subject: "study",
      expected: "a study underway",
      actual: phase.kind === "idle" ? "none" : "one that has ended",
      hint: "Nothing needs to be stopped.",
    });
  }
  const round = "round" in phase ? phase.round : 0;
  const reason = `The study lead stopped it: ${event.reason}`;
  return accepted(failStudy(state, { code: "interrupted", reason, round, atMs: event.atMs }));
}
