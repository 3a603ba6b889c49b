/**
 * The coordinator as a pure function: `step(state, event)` says what is known afterwards, how the event was taken, and
 * what is to be done now. The idea and the shape, one file a phase with failure among them, are xaynet's.
 *
 * Invariants (tested as properties over random histories)
 * - Pure: no clock, no chance, no file; the same state and event give the same answer.
 * - A verdict other than `accepted` leaves the state as it was, so only accepted events need to be journalled.
 * - An update of a site counts at most once in a round; rounds go up by one; an ended study stays ended.
 * - Effects repeat nothing: `dutiesOf(state)` is all that is to be done in a state, and a coordinator that starts
 *   anew takes up exactly those.
 */
import type { CoordinatorEvent, FailureReceived } from "./events.ts";
import { enrolSite, inviteSite, renewSite, reportSite } from "./membership.ts";
import { aggregationFailed, roundAggregated } from "./phases/aggregating.ts";
import { receiveApproval, submitStudy } from "./phases/approving.ts";
import { collectingDeadline, receiveUpdate, trainingFailed } from "./phases/collecting.ts";
import { closeCrossing, crossingFailed, receiveCrossEvaluation } from "./phases/crossing.ts";
import { stopStudy } from "./phases/ending.ts";
import { evaluatingDeadline, evaluationFailed, receiveEvaluation } from "./phases/evaluating.ts";
import { changeLive } from "./phases/live-changes.ts";
import { maskingDeadline, receiveMasking } from "./phases/masking.ts";
import { putOffDeadlines } from "./phases/restarting.ts";
import { revokeSite } from "./phases/revoking.ts";
import { closeSurvey, receiveStatistics, surveyFailed } from "./phases/surveying.ts";
import { roundCount } from "./settled-rounds.ts";
import { type CoordinatorState, pauseOf } from "./state.ts";
import { accepted, discarded, type Taken, type Verdict } from "./verdict.ts";

/** Work that the state asks for. */
export type Effect =
  /** Sum the closed round's updates and tell the result by an event. */
  | { readonly kind: "aggregate"; readonly round: number }
  /** Tell the time by an event once it is so late. */
  | { readonly kind: "alarm"; readonly atMs: number }
  /** Remove objects that nothing needs any more. */
  | { readonly kind: "prune"; readonly studies: number; readonly rounds: number; readonly matrices: number };

export interface Step {
  readonly state: CoordinatorState;
  readonly verdict: Verdict;
  readonly effects: readonly Effect[];
}

export function step(state: CoordinatorState, event: CoordinatorEvent): Step {
  const taken = take(state, event);
  return { ...taken, effects: newDuties(state, taken.state) };
}

/** All that is to be done in a state. */
export function dutiesOf({ phase, study, past }: CoordinatorState): Effect[] {
  const prune: Effect = {
    kind: "prune",
    studies: past.length,
    rounds: roundCount(study) + (study?.failedRounds?.length ?? 0),
    matrices: study?.matrices?.length ?? 0,
  };
  switch (phase.kind) {
    case "idle":
    case "approving":
      return [];
    case "surveying":
    case "agreeing":
    case "collecting":
    case "unmasking":
    case "evaluating":
    case "crossing":
      return pauseOf(study) ? [prune] : [prune, { kind: "alarm", atMs: phase.deadlineMs }];
    case "aggregating":
      return [prune, { kind: "aggregate", round: phase.round }];
    case "done":
    case "failed":
      return [prune];
    default:
      return phase satisfies never;
  }
}

function newDuties(before: CoordinatorState, after: CoordinatorState): Effect[] {
  if (before === after) return [];
  const known = dutiesOf(before);
  return dutiesOf(after).filter((duty) => !known.some((each) => isSame(each, duty)));
}

function isSame(a: Effect, b: Effect): boolean {
  switch (a.kind) {
    case "aggregate":
      return a.kind === b.kind && a.round === b.round;
    case "alarm":
      return a.kind === b.kind && a.atMs === b.atMs;
    case "prune":
      return a.kind === b.kind && a.studies === b.studies && a.rounds === b.rounds && a.matrices === b.matrices;
    default:
      return a satisfies never;
  }
}

function take(state: CoordinatorState, event: CoordinatorEvent): Taken {
  switch (event.kind) {
    case "site-invited":
      return inviteSite(state, event);
    case "site-enrolled":
      return enrolSite(state, event);
    case "site-renewed":
      return renewSite(state, event);
    case "site-revoked":
      return revokeSite(state, event);
    case "authority-rotated":
      return accepted(state);
    case "site-reported":
      return reportSite(state, event);
    case "study-submitted":
      return submitStudy(state, event);
    case "approval-received":
      return receiveApproval(state, event);
    case "update-received":
      return receiveUpdate(state, event);
    case "masking-received":
      return receiveMasking(state, event);
    case "evaluation-received":
      return receiveEvaluation(state, event);
    case "cross-evaluation-received":
      return receiveCrossEvaluation(state, event);
    case "statistics-received":
      return receiveStatistics(state, event);
    case "failure-received":
      return workFailed(state, event);
    case "round-aggregated":
      return roundAggregated(state, event);
    case "aggregation-failed":
      return aggregationFailed(state, event);
    case "time-reached":
      return timeReached(state, event.atMs);
    case "coordinator-started":
      return putOffDeadlines(state, event.atMs);
    case "study-stopped":
      return stopStudy(state, event);
    case "study-paused":
    case "study-resumed":
    case "study-changed":
    case "study-begun":
      return changeLive(state, event);
    default:
      return event satisfies never;
  }
}

function workFailed(state: CoordinatorState, event: FailureReceived): Taken {
  if (state.phase.kind === "surveying") return surveyFailed(state, event);
  if (state.phase.kind === "crossing") return crossingFailed(state, event);
  return state.phase.kind === "evaluating" ? evaluationFailed(state, event) : trainingFailed(state, event);
}

function timeReached(state: CoordinatorState, atMs: number): Taken {
  const { phase } = state;
  if (pauseOf(state.study) !== undefined) return noDeadline(state);
  if (phase.kind === "surveying" && atMs >= phase.deadlineMs) return accepted(closeSurvey(state, phase, atMs));
  if (phase.kind === "collecting" && atMs >= phase.deadlineMs) return collectingDeadline(state, phase, atMs);
  if ((phase.kind === "agreeing" || phase.kind === "unmasking") && atMs >= phase.deadlineMs) {
    return maskingDeadline(state, phase, atMs);
  }
  if (phase.kind === "evaluating" && atMs >= phase.deadlineMs) return evaluatingDeadline(state, phase, atMs);
  if (phase.kind === "crossing" && atMs >= phase.deadlineMs) return accepted(closeCrossing(state, phase, atMs));
  return noDeadline(state);
}

function noDeadline(state: CoordinatorState): Taken {
  return discarded(state, "usage", {
    subject: "time",
    expected: "a deadline that has passed",
    actual: "none",
    hint: "Nothing needs to be done.",
  });
}
