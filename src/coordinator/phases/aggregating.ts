/** The closed round's updates became a new global model, or could not. */
import { invariant } from "../../base/index.ts";
import { isEvaluated, type Study } from "../../study/index.ts";
import type { AggregationFailed, RoundAggregated } from "../events.ts";
import { isSummed } from "../masked-round.ts";
import type { LeftOut, RoundRecord, StudyRecord } from "../records.ts";
import { weightUnit } from "../round-weights.ts";
import { withRound } from "../settled-rounds.ts";
import { type Aggregating, type CoordinatorState, rulesOf } from "../state.ts";
import { accepted, discarded, type Taken } from "../verdict.ts";
import { failStudy } from "./ending.ts";
import { startEvaluation } from "./evaluating.ts";
import { goOn } from "./going-on.ts";
import { takeSummedRound } from "./summed-rounds.ts";

export function roundAggregated(state: CoordinatorState, event: RoundAggregated): Taken {
  const { phase, study } = state;
  if (phase.kind !== "aggregating" || phase.round !== event.round) return notAsked(state, event.round);
  invariant(study !== null, "a study in every phase but idle");
  const record = roundRecord(state, study, phase, event);
  if (isSummed(study)) return accepted(takeSummedRound(state, phase, event, record));
  const { clipNorm } = event;
  const after: StudyRecord = {
    ...withRound(study, record),
    ...(clipNorm !== undefined && { clipNorm }),
  };
  const next = { ...state, study: after };
  return accepted(
    isEvaluated(study.study, phase.round, rulesOf(study).rounds)
      ? startEvaluation(next, record, event.atMs)
      : goOn(next, after, event.atMs),
  );
}

function roundRecord(
  { sites }: CoordinatorState,
  study: StudyRecord,
  phase: Aggregating,
  event: RoundAggregated,
): RoundRecord {
  const { round, startedMs, global, updates, drawn } = phase;
  const { model, totalWeight, shares, atMs } = event;
  const leftOut = withSharesLost(study.study, sites, phase, totalWeight);
  const taken = { updates, ...(drawn && { drawn }), totalWeight, shares, leftOut };
  return { round, startedMs, aggregatedMs: atMs, global, model, ...taken };
}

/** What each absent site of this round would have counted for, by the cases that it reported last, had all been in. */
function withSharesLost(
  study: Study,
  sites: CoordinatorState["sites"],
  { leftOut, updates, drawn }: Aggregating,
  totalWeight: number,
): readonly LeftOut[] {
  const byCases = study.aggregation.weightBy === "cases";
  const unit = weightUnit(study, Object.values(updates));
  const weightOf = ({ siteId }: LeftOut): number => {
    if (drawn?.includes(siteId) === false) return 0;
    return unit * (byCases ? (sites[siteId]?.data?.trainingCases ?? 0) : 1);
  };
  const all = leftOut.reduce((sum, absent) => sum + weightOf(absent), totalWeight);
  return leftOut.map((absent) => {
    const weight = weightOf(absent);
    return weight === 0 ? absent : { ...absent, shareLost: weight / all };
  });
}

export function aggregationFailed(state: CoordinatorState, event: AggregationFailed): Taken {
  const { phase } = state;
  if (phase.kind !== "aggregating" || phase.round !== event.round) return notAsked(state, event.round);
  const { code, reason, round, atMs } = event;
  return accepted(failStudy(state, { code, reason: `Round ${round}: ${reason}`, round, atMs }));
}

function notAsked(state: CoordinatorState, round: number): Taken {
  return discarded(state, "update-counted", {
    subject: `aggregate of round ${round}`,
    expected: "a round that is being aggregated",
    actual: `the ${state.phase.kind} phase`,
    hint: "Nothing needs to be done.",
  });
}
