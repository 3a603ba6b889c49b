/**
 * Between the approvals and the first round of a study that declares statistics: each site that approved is asked once
 * for figures of its data.
 *
 * Invariants: a site's figures count once, and only where they can be true; a site that does not answer in time, or
 * keeps failing, is named and never ends the study; who leaves meanwhile takes its figures along, who comes later is
 * not asked any more. The survey has no round of its own: it stands as round 0.
 */
import { statisticsProblem } from "../../aggregation/index.ts";
import { invariant } from "../../base/index.ts";
import type { FailureReceived, StatisticsReceived } from "../events.ts";
import type { LeftOut, StudyRecord } from "../records.ts";
import { type CoordinatorState, deadlineMsOf, participantsOf, type Surveying } from "../state.ts";
import { accepted, discarded, rejected, type Taken } from "../verdict.ts";
import { describeFailure, isGivenUp, noSuchWork, unheardOf, whyApart, withFailure } from "./collecting.ts";
import { startRound } from "./starting-round.ts";
import { studyMismatch } from "./wrong-study.ts";

/** The survey of a study that asks for statistics, the first round of any other. */
export function startStudy(state: CoordinatorState, study: StudyRecord, atMs: number): CoordinatorState {
  const next = { ...state, study };
  if (study.study.statistics === undefined) return startRound(next, { round: 1, global: study.initial, atMs });
  const deadlineMs = atMs + deadlineMsOf(study);
  return { ...next, phase: { kind: "surveying", round: 0, startedMs: atMs, deadlineMs, told: {}, failures: {} } };
}

export function receiveStatistics(state: CoordinatorState, event: StatisticsReceived): Taken {
  const mismatch = studyMismatch(state, event);
  if (mismatch !== undefined) return mismatch;
  const { phase, study } = state;
  invariant(study !== null, "a study that was compared");
  const { siteId, figures, atMs } = event;
  const subject = `statistics of ${siteId}`;
  if (phase.kind !== "surveying") {
    const expected = `none in the ${phase.kind} phase`;
    const hint = "The study went on without them: ask for the next order.";
    const late = study.study.statistics !== undefined && phase.kind !== "approving";
    const fields = { subject, expected, actual: "some", hint };
    return late ? discarded(state, "update-wrong-round", fields) : rejected(state, "update-wrong-round", fields);
  }
  if (!participantsOf(study).includes(siteId)) {
    const hint = "The site takes no part in this study.";
    const fields = { subject, expected: "a site that approved the study", actual: "one that did not", hint };
    return rejected(state, "study-not-approved", fields);
  }
  if (siteId in phase.told) {
    const hint = "The first are counted: ask for the next order.";
    return discarded(state, "update-counted", { subject, expected: "the first of a study", actual: "others", hint });
  }
  const data = state.sites[siteId]?.data;
  const mostCases = data && data.trainingCases + data.validationCases;
  const problem = statisticsProblem(study.study, figures, mostCases);
  if (problem !== undefined) {
    const [expected, actual] = problem;
    const hint = "Start the site again after its data was registered; versions at both ends must be the same.";
    return rejected(state, "message-invalid", { subject, expected, actual, hint });
  }
  const surveying = { ...phase, told: { ...phase.told, [siteId]: { figures, atMs } } };
  return accepted(closeSurveyWhenComplete({ ...state, phase: surveying }, surveying, atMs));
}

export function surveyFailed(state: CoordinatorState, event: FailureReceived): Taken {
  const mismatch = studyMismatch(state, event);
  if (mismatch !== undefined) return mismatch;
  const { phase, study } = state;
  invariant(phase.kind === "surveying" && study !== null, "a study that asks for statistics");
  const isAwaited = unheardOf(study, phase.told).includes(event.siteId);
  if (phase.round !== event.round || !isAwaited) return noSuchWork(state, event);
  const surveying = { ...phase, failures: withFailure(phase.failures, event) };
  return accepted(closeSurveyWhenComplete({ ...state, phase: surveying }, surveying, event.atMs));
}

/** The first round where everybody who can answer has, the state as it is otherwise. */
export function closeSurveyWhenComplete(state: CoordinatorState, phase: Surveying, atMs: number): CoordinatorState {
  invariant(state.study !== null, "a study in every phase but idle");
  const open = unheardOf(state.study, phase.told).filter((siteId) => !isGivenUp(phase.failures[siteId]));
  return open.length === 0 ? closeSurvey(state, phase, atMs) : state;
}

export function closeSurvey(state: CoordinatorState, phase: Surveying, atMs: number): CoordinatorState {
  invariant(state.study !== null, "a study in every phase but idle");
  const { startedMs, told } = phase;
  const statistics = { startedMs, closedMs: atMs, sites: told, leftOut: untold(state.study, phase) };
  const study: StudyRecord = { ...state.study, statistics };
  return startRound({ ...state, study }, { round: 1, global: study.initial, atMs });
}

function untold(study: StudyRecord, { told, failures }: Surveying): LeftOut[] {
  return study.roster.flatMap(({ siteId }) => {
    if (siteId in told) return [];
    const failure = failures[siteId];
    const silence = failure ? describeFailure(failure) : "no statistics before the deadline";
    return { siteId, reason: whyApart(study.approvals[siteId]) ?? silence };
  });
}
