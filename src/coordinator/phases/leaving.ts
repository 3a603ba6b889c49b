/**
 * A site leaves a study that is underway, by its own reviewer's word or because the study lead revoked it, or comes
 * (back) to it.
 *
 * Invariants: what a leaver gave to the open round is taken out, unless it is masked and cannot be told apart; rounds
 * that are summed stay as they are, but in an open matrix a leaver's model is shown to nobody any more; who comes takes part in whatever is open, in a masked round from the next one on, in
 * a drawn round where it is short of sites.
 */
import type { Decision, StudyRecord } from "../records.ts";
import { type CoordinatorState, trainersPerRound, trains } from "../state.ts";
import { closeCollectingWhenComplete } from "./collecting.ts";
import { closeCrossingWhenComplete, withoutModelOf } from "./crossing.ts";
import { closeWhenComplete } from "./evaluating.ts";
import { closeSurveyWhenComplete } from "./surveying.ts";

/** The study with a site's decision in it, and the state that follows from it where a round is open. */
export function withDecision(
  state: CoordinatorState,
  study: StudyRecord,
  siteId: string,
  decision: Decision,
): CoordinatorState {
  const after: StudyRecord = { ...study, approvals: { ...study.approvals, [siteId]: decision } };
  const next = { ...state, study: after };
  return decision.approved ? withSite(next, after, siteId) : withoutSite(next, after, siteId, decision.atMs);
}

/** Who comes while a drawn round is short of sites trains in it; while it has them all, from a later draw on. */
function withSite(state: CoordinatorState, study: StudyRecord, siteId: string): CoordinatorState {
  const { phase } = state;
  if (phase.kind !== "collecting" || phase.drawn === undefined || phase.drawn.includes(siteId)) return state;
  if (!trains(study, siteId) || phase.drawn.length >= trainersPerRound(study)) return state;
  return { ...state, phase: { ...phase, drawn: [...phase.drawn, siteId].sort() } };
}

function withoutSite(state: CoordinatorState, study: StudyRecord, siteId: string, atMs: number): CoordinatorState {
  const { phase } = state;
  if (phase.kind === "collecting") {
    const { [siteId]: dropped, ...others } = phase.updates;
    const open = { ...phase, updates: phase.masking === undefined ? others : phase.updates };
    return closeCollectingWhenComplete({ ...state, phase: open }, study, open, atMs);
  }
  if (phase.kind === "surveying") {
    const { [siteId]: dropped, ...told } = phase.told;
    const open = { ...phase, told };
    return closeSurveyWhenComplete({ ...state, phase: open }, open, atMs);
  }
  if (phase.kind === "evaluating") {
    const { [siteId]: dropped, ...evaluations } = phase.evaluations;
    const open = { ...phase, evaluations };
    return closeWhenComplete({ ...state, phase: open }, open, atMs);
  }
  if (phase.kind === "crossing") {
    const open = withoutModelOf(phase, siteId);
    return closeCrossingWhenComplete({ ...state, phase: open }, open, atMs);
  }
  return state;
}
