/**
 * The round's new model is measured on each site's validation cases, before the next round starts.
 *
 * Invariants: a site's figures count once; sums over sites are taken in the order of their names, so the same figures
 * give the same bits; a site that does not answer in time is named, and never ends the study; sites that only evaluate
 * are summed apart, since a figure by which models are chosen is no figure of theirs any more.
 */
import { addMoments, NO_PATIENTS, type PatientMoments } from "../../aggregation/index.ts";
import { invariant } from "../../base/index.ts";
import type { CrossEvaluationReceived, EvaluationReceived, FailureReceived } from "../events.ts";
import type {
  EvaluationRecord,
  LeftOut,
  OutOfSample,
  RegionSums,
  RoundEvaluation,
  RoundRecord,
  StudyRecord,
} from "../records.ts";
import { withEvaluation } from "../settled-rounds.ts";
import {
  type CoordinatorState,
  deadlineMsOf,
  type Evaluating,
  participantsOf,
  trainersAmong,
  trains,
} from "../state.ts";
import { accepted, discarded, rejected, type Taken } from "../verdict.ts";
import { describeFailure, isGivenUp, noSuchWork, unheardOf, withFailure } from "./collecting.ts";
import { goOn } from "./going-on.ts";
import { studyMismatch } from "./wrong-study.ts";

export function startEvaluation(
  state: CoordinatorState,
  { round, model }: RoundRecord,
  atMs: number,
): CoordinatorState {
  invariant(state.study !== null, "a study in every phase but idle");
  const deadlineMs = atMs + deadlineMsOf(state.study);
  const work = { round, startedMs: atMs, deadlineMs, model };
  return { ...state, phase: { kind: "evaluating", ...work, evaluations: {}, failures: {} } };
}

export function receiveEvaluation(state: CoordinatorState, event: EvaluationReceived): Taken {
  const unfit = studyMismatch(state, event) ?? wrongModel(state, event) ?? unknownRegion(state, event);
  if (unfit !== undefined) return unfit;
  const { phase } = state;
  invariant(phase.kind === "evaluating", "an evaluating study");
  const { cases, regions, atMs, siteId } = event;
  const evaluating = { ...phase, evaluations: { ...phase.evaluations, [siteId]: { cases, regions, atMs } } };
  return accepted(closeWhenComplete({ ...state, phase: evaluating }, evaluating, atMs));
}

function wrongModel(state: CoordinatorState, event: EvaluationReceived): Taken | undefined {
  const { phase, study } = state;
  invariant(study !== null, "a study that was compared");
  const subject = `evaluation by ${event.siteId} of round ${event.round}`;
  const actual = `one of model ${event.modelSha256.slice(0, 12)} of round ${event.round}`;
  if (phase.kind === "evaluating" && event.round === phase.round) {
    if (event.modelSha256 !== phase.model.sha256) {
      const expected = `one of model ${phase.model.sha256.slice(0, 12)}`;
      const hint = "Evaluate the model that is offered.";
      return rejected(state, "update-wrong-round", { subject, expected, actual, hint });
    }
    if (!participantsOf(study).includes(event.siteId)) {
      const expected = "a site that approved the study";
      const hint = "The site takes no part in this study.";
      return rejected(state, "study-not-approved", { subject, expected, actual: "one that refused it", hint });
    }
    if (!(event.siteId in phase.evaluations)) return undefined;
    const hint = "The first is counted: ask for the next order.";
    return discarded(state, "update-counted", { subject, expected: "the first of a round", actual: "another", hint });
  }
  const expected = phase.kind === "evaluating" ? `one of round ${phase.round}` : `none in the ${phase.kind} phase`;
  const aggregated = study.lastRound?.round ?? 0;
  if (event.round <= aggregated) {
    const hint = "The round went on without it: ask for the next order.";
    return discarded(state, "update-wrong-round", { subject, expected, actual, hint });
  }
  const hint = "Evaluate the model that is offered.";
  return rejected(state, "update-wrong-round", { subject, expected, actual, hint });
}

/** Figures of regions that the study does not have, refused. */
export function unknownRegion(
  state: CoordinatorState,
  event: EvaluationReceived | CrossEvaluationReceived,
): Taken | undefined {
  const known = state.study?.study.task.regions ?? {};
  const unknown = Object.keys(event.regions).find((region) => !Object.hasOwn(known, region));
  if (unknown === undefined) return undefined;
  return rejected(state, "message-invalid", {
    subject: `evaluation by ${event.siteId} of round ${event.round}`,
    expected: `figures of ${Object.keys(known).join(", ")}`,
    actual: `figures of ${unknown}`,
    hint: "Send figures of the study's regions only.",
  });
}

export function evaluationFailed(state: CoordinatorState, event: FailureReceived): Taken {
  const mismatch = studyMismatch(state, event);
  if (mismatch !== undefined) return mismatch;
  const { phase, study } = state;
  invariant(phase.kind === "evaluating" && study !== null, "an evaluating study");
  const isAwaited = unheardOf(study, phase.evaluations).includes(event.siteId);
  if (phase.round !== event.round || !isAwaited) return noSuchWork(state, event);
  const evaluating = { ...phase, failures: withFailure(phase.failures, event) };
  return accepted(closeWhenComplete({ ...state, phase: evaluating }, evaluating, event.atMs));
}

export function evaluatingDeadline(state: CoordinatorState, phase: Evaluating, atMs: number): Taken {
  return accepted(closeEvaluation(state, phase, atMs));
}

/** The evaluation closed where everybody who can answer has, the state as it is otherwise. */
export function closeWhenComplete(state: CoordinatorState, phase: Evaluating, atMs: number): CoordinatorState {
  invariant(state.study !== null, "a study in every phase but idle");
  const open = unheardOf(state.study, phase.evaluations).filter((siteId) => !isGivenUp(phase.failures[siteId]));
  return open.length === 0 ? closeEvaluation(state, phase, atMs) : state;
}

function closeEvaluation(state: CoordinatorState, phase: Evaluating, atMs: number): CoordinatorState {
  const { study } = state;
  invariant(study !== null, "a study in every phase but idle");
  invariant(study.lastRound?.round === phase.round, "an evaluation of the last round");
  return goOn(state, withEvaluation(study, summarise(study, phase)), atMs);
}

function summarise(study: StudyRecord, phase: Evaluating): RoundEvaluation {
  const regionNames = Object.keys(study.study.task.regions);
  const sumsOver = (sites: readonly string[]): Omit<OutOfSample, "sites"> => {
    const regions: Record<string, RegionSums> = {};
    for (const region of regionNames) {
      const told = sites.map((siteId) => phase.evaluations[siteId].regions);
      regions[region] = addUp(told.flatMap((sums) => (Object.hasOwn(sums, region) ? sums[region] : [])));
    }
    return { regions, meanDice: meanDiceOf(regions) };
  };
  const sites = Object.keys(phase.evaluations).sort();
  const held = sites.filter((siteId) => !trains(study, siteId));
  return {
    sites: phase.evaluations,
    leftOut: unanswered(study, phase),
    ...sumsOver(trainersAmong(study, sites)),
    ...(held.length > 0 && { outOfSample: { sites: held, ...sumsOver(held) } }),
  };
}

/** Mean over regions of the mean Dice over cases, regions without a defined case left out; null where none is left. */
export function meanDiceOf(regions: Readonly<Record<string, RegionSums>>): number | null {
  // In one order: JSON, by which the journal and snapshots bring figures back, has another than whoever told them.
  const means = Object.keys(regions)
    .sort()
    .map((region) => regions[region])
    .filter(({ diceCases }) => diceCases > 0)
    .map(({ diceSum, diceCases }) => diceSum / diceCases);
  return means.length === 0 ? null : means.reduce((sum, mean) => sum + mean, 0) / means.length;
}

/** The sums of an evaluation at one site, as a mean Dice like the study's. */
export function siteMeanDice(record: EvaluationRecord): number | null {
  return meanDiceOf(record.regions);
}

function addUp(parts: readonly RegionSums[]): RegionSums {
  const sums = parts.reduce(
    (sum, part) => ({
      diceSum: sum.diceSum + part.diceSum,
      diceCases: sum.diceCases + part.diceCases,
      hd95Sum: sum.hd95Sum + part.hd95Sum,
      hd95Cases: sum.hd95Cases + part.hd95Cases,
    }),
    { diceSum: 0, diceCases: 0, hd95Sum: 0, hd95Cases: 0 },
  );
  const diceMoments = addUpMoments(parts, "dice");
  const hd95Moments = addUpMoments(parts, "hd95");
  return { ...sums, ...(diceMoments && { diceMoments }), ...(hd95Moments && { hd95Moments }) };
}

/** None where a site has the figure and tells no moments: it has one patient only, or runs an older version. */
function addUpMoments(parts: readonly RegionSums[], figure: "dice" | "hd95"): PatientMoments | undefined {
  const told = parts.filter((part) => part[`${figure}Cases`] > 0).map((part) => part[`${figure}Moments`]);
  if (told.length === 0 || told.includes(undefined)) return undefined;
  return told.reduce<PatientMoments>((sum, each) => addMoments(sum, each ?? NO_PATIENTS), NO_PATIENTS);
}

function unanswered(study: StudyRecord, phase: Evaluating): LeftOut[] {
  return unheardOf(study, phase.evaluations).map((siteId) => {
    const failure = phase.failures[siteId];
    return { siteId, reason: failure ? describeFailure(failure) : "no figures before the deadline" };
  });
}
