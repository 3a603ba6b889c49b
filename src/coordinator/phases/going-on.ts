/** What follows a round that is through: its cross-site matrix, the next one from its model, or the study's end. */
import { invariant } from "../../base/index.ts";
import { hasMatrix } from "../../study/index.ts";
import type { RoundRecord, StudyRecord } from "../records.ts";
import { type CoordinatorState, type Crossing, deadlineMsOf, rulesOf } from "../state.ts";
import { finishStudy, stopsEarly } from "./ending.ts";
import { startRound } from "./starting-round.ts";

export function goOn(state: CoordinatorState, study: StudyRecord, atMs: number): CoordinatorState {
  const last = study.lastRound;
  invariant(last !== undefined, "a round that went before");
  const isLast = last.round >= rulesOf(study).rounds;
  const early = isLast ? undefined : stopsEarly(study);
  const ends = isLast || early !== undefined;
  if (hasMatrix(study.study, last.round, ends) && study.matrices?.at(-1)?.round !== last.round) {
    return { ...state, study, phase: crossing(study, last, atMs) };
  }
  if (ends) return finishStudy(state, study, atMs, early);
  return startRound({ ...state, study }, { round: last.round + 1, global: last.model, atMs });
}

/** Of sites that left after the round was summed no model is shown. */
function crossing(study: StudyRecord, { round, updates }: RoundRecord, atMs: number): Crossing {
  const models = Object.keys(updates).filter((siteId) => study.approvals[siteId]?.approved === true);
  return {
    kind: "crossing",
    round,
    startedMs: atMs,
    deadlineMs: atMs + deadlineMsOf(study),
    models: models.sort(),
    cells: {},
    failures: {},
  };
}
