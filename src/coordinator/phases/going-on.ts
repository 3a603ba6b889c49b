/** What follows a round that is through: the next one from its model, or the study's end. */
import { invariant } from "../../base/index.ts";
import type { StudyRecord } from "../records.ts";
import { type CoordinatorState, rulesOf } from "../state.ts";
import { finishStudy, stopsEarly } from "./ending.ts";
import { startRound } from "./starting-round.ts";

export function goOn(state: CoordinatorState, study: StudyRecord, atMs: number): CoordinatorState {
  const last = study.rounds.at(-1);
  invariant(last !== undefined, "a round that went before");
  if (last.round >= rulesOf(study).rounds) return finishStudy(state, study, atMs);
  const early = stopsEarly(study);
  if (early !== undefined) return finishStudy(state, study, atMs, early);
  return startRound({ ...state, study }, { round: last.round + 1, global: last.model, atMs });
}
