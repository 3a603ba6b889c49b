/**
 * Rounds of a study with `metrics: summed`: figures come out of the masked sum, a round late. Each site evaluates the
 * model that a round starts from and puts its scores into that round's masked input; after the last round, also one that
 * is the last because the study ends early, a closing one brings the scores of the last model and nothing else.
 *
 * Invariants: no figure of one site is in the state; the closing round makes no model, and whatever becomes of it, the
 * study ends with the models that it has.
 */
import { invariant } from "../../base/index.ts";
import { meanDiceOfFigures, type SummedFigures } from "../../privacy/index.ts";
import { isEvaluated } from "../../study/index.ts";
import type { RoundAggregated } from "../events.ts";
import { isClosing, isSummed } from "../masked-round.ts";
import type { RoundRecord, StudyRecord, ToldFigures } from "../records.ts";
import { withEvaluation, withRound } from "../settled-rounds.ts";
import { type Aggregating, type CoordinatorState, rulesOf } from "../state.ts";
import { finishStudy, stopsEarly } from "./ending.ts";
import { startRound } from "./starting-round.ts";

/** @param record the round that became a model; that of a closing round is left aside. */
export function takeSummedRound(
  state: CoordinatorState,
  { round, updates }: Aggregating,
  { figures, clipNorm, atMs }: RoundAggregated,
  record: RoundRecord,
): CoordinatorState {
  const { study } = state;
  invariant(study !== null && figures !== undefined, "figures of a study that sums them");
  const lastFigures: ToldFigures = { round, sites: Object.keys(updates).sort(), figures };
  const evaluated: StudyRecord = { ...withScores(study, round, figures), lastFigures };
  if (isClosing(study, round)) return finishStudy(state, evaluated, atMs, study.early);
  const isLast = round >= rulesOf(study).rounds;
  const early = isLast ? undefined : stopsEarly(evaluated);
  const after: StudyRecord = {
    ...withRound(evaluated, { ...record, figures }),
    ...(clipNorm !== undefined && { clipNorm }),
    ...(early !== undefined && { early }),
  };
  // Numbers beyond what the reviewers approved name the closing round, however many rounds are run.
  const next = isLast || early !== undefined ? study.study.rounds.count + 1 : round + 1;
  return startRound({ ...state, study: after }, { round: next, global: record.model, atMs });
}

/** Whether sites score the model that a round starts from. */
export function evaluatesFirst(study: StudyRecord, round: number): boolean {
  const last = study.lastRound;
  if (!isSummed(study) || last === undefined) return false;
  return isClosing(study, round) || isEvaluated(study.study, last.round, rulesOf(study).rounds);
}

/** The study, the round that made the evaluated model with its scores. */
function withScores(study: StudyRecord, round: number, figures: SummedFigures): StudyRecord {
  if (!evaluatesFirst(study, round)) return study;
  return withEvaluation(study, {
    sites: {},
    leftOut: [],
    regions: figures.regions,
    meanDice: meanDiceOfFigures(figures),
    summedCases: figures.evaluatedCases,
  });
}
