/**
 * A round's model is offered and updates are taken.
 *
 * Invariants: each trainer's update counts once; trainers are all participants, those that were drawn, or, masked, those
 * that shared secrets. The round closes as soon as every trainer's update is there, or at its deadline with at least the
 * quorum; at its deadline without the quorum the study fails, and says who was missing.
 * A site that failed may try again, later each time, until it has failed LIMITS.siteAttempts times; the study fails at
 * once where the sites that are left cannot make the quorum.
 */
import { ConsiliumError, invariant, LIMITS } from "../../base/index.ts";
import {
  acceptMaskedInput,
  type CollectingInputs,
  type CollectingSignatures,
  closeInputs,
  isLossTold,
} from "../../privacy/index.ts";
import { leastSteps, stepsOfRound } from "../../study/index.ts";
import type { FailureReceived, UpdateReceived } from "../events.ts";
import { isSummed, maskingOf, maskingText, sitesAsked, uploadBytes } from "../masked-round.ts";
import type { Decision, FailureRecord, LeftOut, StudyRecord, UpdateRecord } from "../records.ts";
import {
  type Collecting,
  type CoordinatorState,
  maskingStepMsOf,
  participantsOf,
  quorumOf,
  trainersAmong,
  trains,
} from "../state.ts";
import { accepted, discarded, rejected, type Taken } from "../verdict.ts";
import { failStudy } from "./ending.ts";
import { failRound } from "./failing-round.ts";
import { studyMismatch } from "./wrong-study.ts";

/** Sites whose update a round waits for: those drawn for it; in a masked round, those that shared their secrets. */
export function trainersOf(study: StudyRecord, { masking, drawn }: Collecting): readonly string[] {
  const trainers = trainersAmong(study, participantsOf(study));
  if (masking === undefined) return trainers.filter((siteId) => drawn?.includes(siteId) ?? true);
  const sharers = sitesAsked(maskingOf(masking));
  return trainers.filter((siteId) => sharers.includes(siteId));
}

export function receiveUpdate(state: CoordinatorState, event: UpdateReceived): Taken {
  const unfit =
    studyMismatch(state, event) ?? wrongRound(state, event) ?? wrongShape(state, event) ?? wrongFigures(state, event);
  if (unfit !== undefined) return unfit;
  const { phase, study } = state;
  invariant(phase.kind === "collecting" && study !== null, "a collecting study");
  const { update, trainingCases, gradientSteps, clippedCoordinates, meanLoss, attempt, atMs, local } = event;
  const asked = study.study.rounds.partialWork && stepsOfRound(study.study, trainingCases);
  const record: UpdateRecord = {
    ...update,
    trainingCases,
    gradientSteps,
    ...(asked !== undefined && gradientSteps < asked && { stepsAsked: asked }),
    clippedCoordinates,
    meanLoss,
    runRecordSha256: event.runRecordSha256,
    attempt,
    atMs,
    ...(local && { local }),
  };
  const updates = { ...phase.updates, [event.siteId]: record };
  const collecting: Collecting = { ...phase, updates };
  return accepted(closeCollectingWhenComplete({ ...state, phase: collecting }, study, collecting, atMs));
}

/** The round closed where every trainer's update is there and they are enough, the state as it is otherwise. */
export function closeCollectingWhenComplete(
  state: CoordinatorState,
  study: StudyRecord,
  phase: Collecting,
  atMs: number,
): CoordinatorState {
  const enough = Object.keys(phase.updates).length >= quorumOf(study);
  const complete = enough && trainersOf(study, phase).every((siteId) => siteId in phase.updates);
  return complete ? closeRound(state, study, phase, atMs) : state;
}

function wrongRound(state: CoordinatorState, event: UpdateReceived): Taken | undefined {
  const { phase, study } = state;
  invariant(study !== null, "a study that was compared");
  const subject = `update of ${event.siteId} for round ${event.round}`;
  const now = phase.kind === "collecting" ? phase.round : undefined;
  const open = phase.kind === "collecting" || phase.kind === "agreeing";
  const lastClosed = "round" in phase && !open ? phase.round : ("round" in phase ? phase.round : 1) - 1;
  const expected = now === undefined ? `no update in the ${phase.kind} phase` : `an update for round ${now}`;
  if (event.round <= lastClosed || phase.kind === "done") {
    const hint = "The round closed without it: ask for the next order.";
    return discarded(state, "update-wrong-round", { subject, expected, actual: `one for round ${event.round}`, hint });
  }
  if (now === undefined || event.round !== now) {
    const hint = "Train from the model of the round that is offered.";
    return rejected(state, "update-wrong-round", { subject, expected, actual: `one for round ${event.round}`, hint });
  }
  if (!participantsOf(study).includes(event.siteId)) {
    return rejected(state, "study-not-approved", {
      subject,
      expected: "a site that approved the study",
      actual: "one that refused it",
      hint: "The site takes no part in this study.",
    });
  }
  if (!trains(study, event.siteId)) {
    return rejected(state, "update-wrong-round", {
      subject,
      expected: "a site that trains",
      actual: "one that only evaluates",
      hint: "The study names this site in evaluateOnly: ask for the next order.",
    });
  }
  if (phase.kind === "collecting" && !trainersOf(study, phase).includes(event.siteId)) {
    const isForAll = phase.drawn === undefined;
    return rejected(state, "update-wrong-round", {
      subject,
      expected: isForAll ? "a site that shared its secrets for this round" : "a site that was drawn for this round",
      actual: isForAll ? "one that did not in time" : "another",
      hint: "Ask for the next order.",
    });
  }
  if (phase.kind === "collecting" && event.siteId in phase.updates) {
    return discarded(state, "update-counted", {
      subject,
      expected: "the first update of a round",
      actual: "another one",
      hint: "The first is counted: ask for the next order.",
    });
  }
  return undefined;
}

function wrongShape(state: CoordinatorState, event: UpdateReceived): Taken | undefined {
  const wanted = uploadBytes(state.study, event.round);
  if (event.update.bytes === wanted) return undefined;
  return rejected(state, "update-shape", {
    subject: `update of ${event.siteId} for round ${event.round}`,
    expected: `${wanted} bytes for ${state.study?.parameterCount} parameters`,
    actual: `${event.update.bytes} bytes`,
    hint: "Train from the model of this round, and send every element of it in the encoding that the study declares.",
  });
}

/** What must not come is refused, and not journalled: losses where there is noise, any figure where they are summed. */
function wrongFigures(state: CoordinatorState, event: UpdateReceived): Taken | undefined {
  const { study } = state;
  const { meanLoss, trainingCases, gradientSteps, clippedCoordinates } = event;
  const wrong = (expected: string, actual: string): Taken =>
    rejected(state, "message-invalid", {
      subject: `update of ${event.siteId} for round ${event.round}`,
      expected,
      actual,
      hint: "The site does not follow the protocol: compare the versions at both ends.",
    });
  if (study !== null && isSummed(study)) {
    const quiet = meanLoss === null && trainingCases + gradientSteps + clippedCoordinates === 0;
    return quiet ? undefined : wrong("no count and no loss: the study has metrics: summed", "some");
  }
  const steps = study === null ? undefined : stepsProblem(study, event);
  if (steps !== undefined) return wrong(...steps);
  const strange = study === null ? undefined : localProblem(study, event);
  if (strange !== undefined) return wrong(...strange);
  if (trainingCases === 0) return wrong("at least one training case", "none");
  const isPrivate = study !== null && !isLossTold(study.study);
  if (isPrivate === (meanLoss === null)) return undefined;
  return isPrivate ? wrong("no mean loss: the study is noised", "one") : wrong("a mean loss", "none");
}

/** With partial work a weight depends on the steps: they are at least the least share, and no more than were asked for. */
function stepsProblem(
  { study }: StudyRecord,
  { trainingCases, gradientSteps }: UpdateReceived,
): readonly [string, string] | undefined {
  if (study.rounds.partialWork === undefined) return undefined;
  const asked = stepsOfRound(study, trainingCases);
  const least = leastSteps(study, asked);
  if (gradientSteps >= least && gradientSteps <= asked) return undefined;
  return [`${least} to ${asked} gradient steps for ${trainingCases} training cases`, String(gradientSteps)];
}

/** Scores of what training changed belong to a study that asks for them, and to regions that it has. */
function localProblem(study: StudyRecord, { local }: UpdateReceived): readonly [string, string] | undefined {
  if (local === undefined) return undefined;
  const { rounds, task } = study.study;
  if (rounds.evaluateLocal !== true) return ["no scores of the site's own model: the study asks for none", "some"];
  const unknown = Object.keys({ ...local.before, ...local.after }).find((name) => !Object.hasOwn(task.regions, name));
  return unknown === undefined ? undefined : [`scores of ${Object.keys(task.regions).join(", ")}`, unknown];
}

export function trainingFailed(state: CoordinatorState, event: FailureReceived): Taken {
  const mismatch = studyMismatch(state, event);
  if (mismatch !== undefined) return mismatch;
  const { phase, study } = state;
  invariant(study !== null, "a study that was compared");
  if (phase.kind !== "collecting" || phase.round !== event.round || event.siteId in phase.updates) {
    return noSuchWork(state, event);
  }
  if (!participantsOf(study).includes(event.siteId) || !trains(study, event.siteId)) return noSuchWork(state, event);
  const failures = withFailure(phase.failures, event);
  const next: CoordinatorState = { ...state, phase: { ...phase, failures } };
  const able = trainersOf(study, phase).filter((siteId) => siteId in phase.updates || !isGivenUp(failures[siteId]));
  if (able.length >= quorumOf(study)) return accepted(next);
  const reason = `Round ${phase.round}: ${describeLeftOut(missing(study, { ...phase, failures }))}; ${quorumOf(study)} sites are needed.`;
  return accepted(failStudy(next, { code: "quorum-not-reached", reason, round: phase.round, atMs: event.atMs }));
}

/** A failure of work that is not asked for. */
export function noSuchWork(state: CoordinatorState, event: FailureReceived): Taken {
  return discarded(state, "update-wrong-round", {
    subject: `failure of ${event.siteId} in round ${event.round}`,
    expected: "a failure of the work that is asked for",
    actual: `one of round ${event.round}, in the ${state.phase.kind} phase`,
    hint: "Ask for the next order.",
  });
}

export function withFailure(
  failures: Readonly<Record<string, FailureRecord>>,
  { siteId, code, hint, atMs }: FailureReceived,
): Readonly<Record<string, FailureRecord>> {
  return { ...failures, [siteId]: { times: (failures[siteId]?.times ?? 0) + 1, code, hint, atMs } };
}

/** Participants that were not heard, sorted. */
export function unheardOf(study: StudyRecord, heard: Readonly<Record<string, unknown>>): readonly string[] {
  return participantsOf(study).filter((siteId) => !(siteId in heard));
}

export function isGivenUp(failure: FailureRecord | undefined): boolean {
  return failure !== undefined && failure.times >= LIMITS.siteAttempts;
}

export function collectingDeadline(state: CoordinatorState, phase: Collecting, atMs: number): Taken {
  const { study } = state;
  invariant(study !== null, "a study in every phase but idle");
  const came = Object.keys(phase.updates).length;
  if (came >= quorumOf(study)) return accepted(closeRound(state, study, phase, atMs));
  const reason =
    `Round ${phase.round} had ${came} of ${quorumOf(study)} updates at its deadline; ` +
    `${describeLeftOut(missing(study, phase))}.`;
  return accepted(failStudy(state, { code: "quorum-not-reached", reason, round: phase.round, atMs }));
}

function closeRound(state: CoordinatorState, study: StudyRecord, phase: Collecting, atMs: number): CoordinatorState {
  const { round, startedMs, global, updates, drawn } = phase;
  const leftOut = missing(study, phase);
  if (phase.masking !== undefined) {
    const inputs = maskingOf(phase.masking);
    invariant(inputs.kind === "inputs", "a masked round whose inputs are collected");
    const arrived = Object.keys(updates).reduce(acceptMaskedInput, inputs);
    const unmasking = closedInputs(arrived);
    if (unmasking instanceof ConsiliumError) {
      const { code, subject, expected, actual } = unmasking;
      const reason = `Round ${round}: ${subject}: expected ${expected}, got ${actual}`;
      return failRound(state, study, phase, { code, reason, atMs });
    }
    const masking = maskingText(unmasking);
    const deadlineMs = atMs + maskingStepMsOf(study);
    return { ...state, phase: { kind: "unmasking", round, startedMs, deadlineMs, global, updates, leftOut, masking } };
  }
  return {
    ...state,
    phase: { kind: "aggregating", round, startedMs, global, updates, leftOut, ...(drawn && { drawn }) },
  };
}

/** Neighbours of dropped sites may be too few to open the sum: such a round fails, in words. */
function closedInputs(arrived: CollectingInputs): CollectingSignatures | ConsiliumError {
  try {
    return closeInputs(arrived);
  } catch (error) {
    if (error instanceof ConsiliumError && error.code === "masking-below-threshold") return error;
    throw error;
  }
}

/** Sites of the roster without an update, and why; not those that take part and were not drawn. */
function missing(study: StudyRecord, phase: Collecting): LeftOut[] {
  return study.roster.flatMap(({ siteId }) => {
    if (siteId in phase.updates || !trains(study, siteId)) return [];
    const apart = whyApart(study.approvals[siteId]);
    if (apart !== undefined) return { siteId, reason: apart };
    const failure = phase.failures[siteId];
    if (phase.drawn?.includes(siteId) === false) return [];
    if (!trainersOf(study, phase).includes(siteId)) return { siteId, reason: "shared no secrets for masking in time" };
    return { siteId, reason: failure ? describeFailure(failure) : "no update before the deadline" };
  });
}

/** Why a site of the roster takes no part; undefined of one that does. */
export function whyApart(decision: Decision | undefined): string | undefined {
  if (decision === undefined) return "has not decided about the study";
  if (decision.revoked) return `revoked: ${decision.reason}`;
  return decision.approved ? undefined : refusalOf(decision);
}

function refusalOf({ inRound, reason }: Decision): string {
  return `${inRound === undefined ? "refused the study" : `left the study in round ${inRound}`}${reason && `: ${reason}`}`;
}

export function describeFailure({ times, code }: FailureRecord): string {
  return `failed ${times} ${times === 1 ? "time" : "times"}, last with ${code}`;
}

function describeLeftOut(leftOut: readonly LeftOut[]): string {
  return leftOut.map(({ siteId, reason }) => `${siteId}: ${reason}`).join("; ");
}
