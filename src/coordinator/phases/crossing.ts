/**
 * The cross-site matrix of a round: each site's own model, before others' updates were mixed in, on every site's
 * validation cases. The global model's row is the round's evaluation.
 *
 * Invariants: a cell counts once, and only of the update that was summed; a site is asked for one cell after another,
 * beginning with its own model. The matrix is open as long as cells come: it closes when everybody who can answer has, or
 * when none came for as long as a round may take. A cell that is missing is named with the reason, and never ends the
 * study. Who leaves takes its model and its cells along; who comes back measures, and its model is not shown again.
 */
import { invariant } from "../../base/index.ts";
import type { CrossEvaluationReceived, FailureReceived } from "../events.ts";
import type { MatrixRecord, MissingCells, StudyRecord } from "../records.ts";
import { type CoordinatorState, type Crossing, deadlineMsOf, participantsOf } from "../state.ts";
import { accepted, discarded, rejected, type Taken } from "../verdict.ts";
import { describeFailure, isGivenUp, noSuchWork, whyApart, withFailure } from "./collecting.ts";
import { unknownRegion } from "./evaluating.ts";
import { goOn } from "./going-on.ts";
import { studyMismatch } from "./wrong-study.ts";

/** Whose model a site is to measure next; undefined where it has told, or given up, all of them. */
export function nextModel({ models, cells, failures }: Crossing, siteId: string): string | undefined {
  const later = models.findIndex((of) => of >= siteId);
  const first = later < 0 ? 0 : later;
  const inTurn = [...models.slice(first), ...models.slice(0, first)];
  return inTurn.find((of) => cells[siteId]?.[of] === undefined && !isGivenUp(failures[siteId]?.[of]));
}

export function receiveCrossEvaluation(state: CoordinatorState, event: CrossEvaluationReceived): Taken {
  const unfit =
    studyMismatch(state, event) ?? wrongCell(state, event) ?? unknownRegion(state, event) ?? otherCases(state, event);
  if (unfit !== undefined) return unfit;
  const { phase, study } = state;
  invariant(phase.kind === "crossing" && study !== null, "a study whose matrix is made");
  const { siteId, ofSite, cases, regions, atMs } = event;
  const cells = { ...phase.cells, [siteId]: { ...phase.cells[siteId], [ofSite]: { cases, regions, atMs } } };
  const deadlineMs = Math.max(phase.deadlineMs, atMs + deadlineMsOf(study));
  const crossing: Crossing = { ...phase, cells, deadlineMs };
  return accepted(closeCrossingWhenComplete({ ...state, phase: crossing }, crossing, atMs));
}

function wrongCell(state: CoordinatorState, event: CrossEvaluationReceived): Taken | undefined {
  const { phase, study } = state;
  invariant(study !== null, "a study that was compared");
  const { siteId, round, ofSite, updateSha256 } = event;
  const subject = `figures by ${siteId} of the model of ${ofSite} in round ${round}`;
  if (phase.kind !== "crossing" || phase.round !== round) {
    const expected = phase.kind === "crossing" ? `one of round ${phase.round}` : `none in the ${phase.kind} phase`;
    const fields = { subject, expected, actual: "some", hint: "Ask for the next order." };
    const wasMade = study.matrices?.some((matrix) => matrix.round === round) === true;
    return wasMade
      ? discarded(state, "update-wrong-round", fields)
      : rejected(state, "update-wrong-round", { ...fields, hint: "Measure the model that is offered." });
  }
  if (!participantsOf(study).includes(siteId)) {
    const hint = "The site takes no part in this study.";
    const fields = { subject, expected: "a site that approved the study", actual: "one that refused it", hint };
    return rejected(state, "study-not-approved", fields);
  }
  const summed = updateOf(study, round, ofSite);
  if (summed === undefined || summed.sha256 !== updateSha256) {
    return rejected(state, "update-wrong-round", {
      subject,
      expected: summed === undefined ? "a site whose update is in the round" : `one of update ${short(summed.sha256)}`,
      actual: summed === undefined ? ofSite : `one of update ${short(updateSha256)}`,
      hint: "Measure the model that is offered.",
    });
  }
  if (!phase.models.includes(ofSite)) {
    const hint = "Its site left the study: ask for the next order.";
    return discarded(state, "update-counted", {
      subject,
      expected: "a model that is in the matrix",
      actual: ofSite,
      hint,
    });
  }
  if (phase.cells[siteId]?.[ofSite] === undefined) return undefined;
  const hint = "The first is counted: ask for the next order.";
  return discarded(state, "update-counted", { subject, expected: "the first of a cell", actual: "another", hint });
}

/** A site's cells, and its figures of the global model, are of the same cases: else they could not be compared. */
function otherCases(state: CoordinatorState, event: CrossEvaluationReceived): Taken | undefined {
  const { phase, study } = state;
  const { siteId, ofSite, round, cases } = event;
  const told = phase.kind === "crossing" ? Object.values(phase.cells[siteId] ?? {}).at(0) : undefined;
  const known = told ?? study?.lastRound?.evaluation?.sites[siteId];
  if (known === undefined || known.cases === cases) return undefined;
  return rejected(state, "message-invalid", {
    subject: `figures by ${siteId} of the model of ${ofSite} in round ${round}`,
    expected: `figures of ${known.cases} cases, as of other models`,
    actual: `of ${cases}`,
    hint: "Every model of a round is measured on the same validation cases.",
  });
}

export function crossingFailed(state: CoordinatorState, event: FailureReceived): Taken {
  const mismatch = studyMismatch(state, event);
  if (mismatch !== undefined) return mismatch;
  const { phase, study } = state;
  invariant(phase.kind === "crossing" && study !== null, "a study whose matrix is made");
  const { siteId, ofSite, round, atMs } = event;
  const isAwaited = phase.round === round && participantsOf(study).includes(siteId);
  if (!isAwaited || ofSite === undefined || nextModel(phase, siteId) !== ofSite) return noSuchWork(state, event);
  // By model: one that a site cannot measure keeps it from no other.
  const own = phase.failures[siteId] ?? {};
  const failed = withFailure(Object.hasOwn(own, ofSite) ? { [siteId]: own[ofSite] } : {}, event)[siteId];
  const crossing = { ...phase, failures: { ...phase.failures, [siteId]: { ...own, [ofSite]: failed } } };
  return accepted(closeCrossingWhenComplete({ ...state, phase: crossing }, crossing, atMs));
}

/** What follows the matrix where everybody who can answer has, the state as it is otherwise. */
export function closeCrossingWhenComplete(state: CoordinatorState, phase: Crossing, atMs: number): CoordinatorState {
  invariant(state.study !== null, "a study in every phase but idle");
  const open = participantsOf(state.study).some((siteId) => nextModel(phase, siteId) !== undefined);
  return open ? state : closeCrossing(state, phase, atMs);
}

export function closeCrossing(state: CoordinatorState, phase: Crossing, atMs: number): CoordinatorState {
  const { study } = state;
  invariant(study !== null, "a study in every phase but idle");
  const { round, startedMs, models, cells } = phase;
  const matrix: MatrixRecord = { round, startedMs, closedMs: atMs, models, cells, missing: missingCells(study, phase) };
  return goOn(state, { ...study, matrices: [...(study.matrices ?? []), matrix] }, atMs);
}

/** The matrix without a site that left the study. */
export function withoutModelOf(phase: Crossing, siteId: string): Crossing {
  const { [siteId]: own, ...others } = phase.cells;
  const without = <T>(row: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(row).filter(([of]) => of !== siteId));
  return {
    ...phase,
    models: phase.models.filter((of) => of !== siteId),
    cells: Object.fromEntries(Object.entries(others).map(([by, row]) => [by, without(row)])),
  };
}

/** Sites of the roster by what they did not tell, all models together that have the same reason. */
function missingCells(study: StudyRecord, { models, cells, failures }: Crossing): MissingCells[] {
  return study.roster.flatMap(({ siteId }): MissingCells[] => {
    const apart = whyApart(study.approvals[siteId]);
    const untold = models.filter((of) => cells[siteId]?.[of] === undefined);
    const reasons = new Map<string, string[]>();
    for (const of of untold) {
      const failure = failures[siteId]?.[of];
      const reason = apart ?? (failure ? describeFailure(failure) : "no figures before the deadline");
      reasons.set(reason, [...(reasons.get(reason) ?? []), of]);
    }
    return [...reasons].map(([reason, of]) => ({ siteId, models: of, reason }));
  });
}

function updateOf(study: StudyRecord, round: number, siteId: string) {
  const updates = study.lastRound?.round === round ? study.lastRound.updates : {};
  return Object.hasOwn(updates, siteId) ? updates[siteId] : undefined;
}

function short(sha256: string): string {
  return sha256.slice(0, 12);
}
