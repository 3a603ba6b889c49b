/** The ends of a study: its final model, or the reason why there is none. Both are phases, and both are told to sites. */
import { type ErrorCode, invariant } from "../../base/index.ts";
import { inRegionOrder } from "../../study/index.ts";
import type { StudyStopped } from "../events.ts";
import { isClosing } from "../masked-round.ts";
import type { DoneEnd, RegionBest, StudyRecord } from "../records.ts";
import { type RoundSummary, summariesOf } from "../settled-rounds.ts";
import type { CoordinatorState } from "../state.ts";
import { accepted, discarded, type Taken } from "../verdict.ts";

/** @param early why the study ends before its last round, where it does */
export function finishStudy(
  state: CoordinatorState,
  study: StudyRecord,
  atMs: number,
  early?: string,
): CoordinatorState {
  const last = study.lastRound;
  invariant(last !== undefined, "a finished study with at least one round");
  const best = bestOf(study) ?? last;
  const byRegion = bestByRegion(study);
  const end: DoneEnd = {
    kind: "done",
    atMs,
    final: last.model,
    finalRound: last.round,
    best: best.model,
    bestRound: best.round,
    ...(Object.keys(byRegion).length > 0 && { bestByRegion: byRegion }),
    ...(early !== undefined && { early }),
  };
  return { ...state, study, phase: end };
}

/** The round of the highest mean Dice, the earliest of equals; none where no site has figures. */
export function bestOf(study: StudyRecord): RoundSummary | undefined {
  let best: RoundSummary | undefined;
  for (const round of summariesOf(study)) {
    const dice = round.evaluation?.meanDice ?? null;
    if (dice !== null && dice > (best?.evaluation?.meanDice ?? Number.NEGATIVE_INFINITY)) best = round;
  }
  return best;
}

/** For each region the round of its highest mean Dice over cases, the earliest of equals: FeTS's triplet of models. */
export function bestByRegion(study: StudyRecord): Record<string, RegionBest> {
  const best: Record<string, RegionBest> = {};
  for (const { round, model, evaluation } of summariesOf(study)) {
    for (const [region, { diceSum, diceCases }] of Object.entries(evaluation?.regions ?? {})) {
      const dice = diceSum / diceCases;
      if (diceCases > 0 && !(best[region]?.dice >= dice)) best[region] = { round, model, dice };
    }
  }
  return inRegionOrder(study.study, best);
}

/**
 * Why the study has gone on long enough: so many evaluations in a row, after the best one before them, whose mean Dice
 * is not higher than its by more than the declared gain.
 */
export function stopsEarly(record: StudyRecord): string | undefined {
  const { stopEarly } = record.study.rounds;
  if (stopEarly === undefined) return undefined;
  const { patience, gain } = stopEarly;
  let highest = Number.NEGATIVE_INFINITY;
  let highestRound = 0;
  let without = 0;
  for (const { round, evaluation } of summariesOf(record)) {
    const dice = evaluation?.meanDice ?? null;
    if (dice === null) continue;
    if (dice > highest + gain) [highest, highestRound, without] = [dice, round, 0];
    else without++;
  }
  if (without < patience) return undefined;
  return `no gain of more than ${gain} in ${without} evaluation(s) since round ${highestRound}`;
}

/** The study has failed; or is done, where it was in the round that closes one with summed figures. */
export function failStudy(
  state: CoordinatorState,
  failure: { readonly code: ErrorCode; readonly reason: string; readonly round: number; readonly atMs: number },
): CoordinatorState {
  const { phase, study } = state;
  const closing = study?.lastRound !== undefined && isClosing(study, failure.round);
  // Only figures of the last model are missing.
  if (closing) return finishStudy(state, study, failure.atMs, study.early);
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
