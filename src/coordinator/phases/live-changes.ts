/**
 * The study lead changes a study while it runs: pauses and resumes it, gives it another deadline, quorum or number of
 * rounds, each with a reason that sites are told.
 *
 * Invariants
 * - Paused, a study begins no new work and no deadline of it passes; what sites have begun they finish, and it counts.
 *   Resumed, it has as much time left as it had.
 * - Rounds never become more than the reviewers approved, a quorum never less than a masked sum needs nor more than the
 *   sites that take part. What a change makes true takes effect at once: a deadline that has passed by it is met.
 */
import { LIMITS } from "../../base/index.ts";
import type { LiveEvent, StudyChanged, StudyPaused, StudyResumed } from "../events.ts";
import type { LiveChange, StudyRecord } from "../records.ts";
import {
  type CoordinatorState,
  candidatesOf,
  deadlineMsOf,
  maskingStepMsOf,
  type Phase,
  participantsOf,
  pauseOf,
  rosterTrainers,
  rulesIn,
  rulesOf,
  trainersAmong,
  trainersPerRound,
} from "../state.ts";
import { accepted, discarded, rejected, type Taken } from "../verdict.ts";
import { beginStudy } from "./approving.ts";

const KINDS = {
  "study-paused": "paused",
  "study-resumed": "resumed",
  "study-changed": "changed",
  "study-begun": "begun",
} as const;

export function changeLive(state: CoordinatorState, event: LiveEvent): Taken {
  const { phase, study } = state;
  if (study === null || phase.kind === "idle" || phase.kind === "done" || phase.kind === "failed") {
    return discarded(state, "study-unknown", {
      subject: "study",
      expected: "a study underway",
      actual: study === null ? "none" : "one that has ended",
      hint: "`consilium status` shows where the study is.",
    });
  }
  if ((study.changes?.length ?? 0) >= LIMITS.liveChangesPerStudy) {
    return rejected(state, "limit-exceeded", {
      subject: `study ${study.study.name}`,
      expected: `at most ${LIMITS.liveChangesPerStudy} live changes`,
      actual: "one more",
      hint: "Stop the study, and submit another.",
    });
  }
  switch (event.kind) {
    case "study-paused":
      return pause(state, study, event);
    case "study-resumed":
      return resume(state, study, event);
    case "study-changed":
      return change(state, study, event);
    case "study-begun":
      return beginStudy(state, withChange(study, event), event.atMs);
    default:
      return event satisfies never;
  }
}

function withChange(study: StudyRecord, event: LiveEvent): StudyRecord {
  const changes = study.changes ?? [];
  const { reason, atMs } = event;
  const rules = event.kind === "study-changed" ? rulesIn(event) : {};
  const entry: LiveChange = { number: changes.length + 1, kind: KINDS[event.kind], reason, atMs, ...rules };
  return { ...study, changes: [...changes, entry] };
}

function pause(state: CoordinatorState, study: StudyRecord, event: StudyPaused): Taken {
  if (pauseOf(study) !== undefined) return nothingToDo(state, "a study that is not paused", "one that is");
  return accepted({ ...state, study: withChange(study, event) });
}

/** The open phase gets back the time of the pause, as far as it was open then. */
function resume(state: CoordinatorState, study: StudyRecord, event: StudyResumed): Taken {
  const pause = pauseOf(study);
  if (pause === undefined) return nothingToDo(state, "a study that is paused", "one that is not");
  const { phase } = state;
  const next = { ...state, study: withChange(study, event) };
  if (!("deadlineMs" in phase)) return accepted(next);
  const lostMs = Math.max(0, event.atMs - Math.max(pause.atMs, phase.startedMs));
  return accepted({ ...next, phase: { ...phase, deadlineMs: phase.deadlineMs + lostMs } });
}

function change(state: CoordinatorState, study: StudyRecord, event: StudyChanged): Taken {
  const unfit = unfitRounds(state, study, event) ?? unfitQuorum(state, study, event);
  if (unfit !== undefined) return unfit;
  const before = rulesOf(study);
  const after = withChange(study, event);
  const now = rulesOf(after);
  if (before.deadlineS === now.deadlineS && before.quorum === now.quorum && before.rounds === now.rounds) {
    return nothingToDo(state, "another deadline, quorum or number of rounds", "what holds already");
  }
  return accepted({ ...state, study: after, phase: withDeadline(state.phase, study, after) });
}

/** The open phase's deadline as if the new one had held from its start. */
function withDeadline(phase: Phase, before: StudyRecord, after: StudyRecord): Phase {
  switch (phase.kind) {
    case "surveying":
    case "collecting":
    case "evaluating":
    case "crossing":
      return { ...phase, deadlineMs: phase.deadlineMs + deadlineMsOf(after) - deadlineMsOf(before) };
    case "agreeing":
    case "unmasking":
      return { ...phase, deadlineMs: phase.deadlineMs + maskingStepMsOf(after) - maskingStepMsOf(before) };
    default:
      return phase;
  }
}

function unfitRounds(state: CoordinatorState, study: StudyRecord, { rounds }: StudyChanged): Taken | undefined {
  if (rounds === undefined) return undefined;
  const { phase } = state;
  const least = "round" in phase ? Math.max(1, phase.round) : 1;
  const most = study.study.rounds.count;
  if (Number.isSafeInteger(rounds) && rounds >= least && rounds <= most) return undefined;
  return rejected(state, "study-refused", {
    subject: `rounds of study ${study.study.name}`,
    expected: `from ${least}, the round underway, to ${most}, which the reviewers approved`,
    actual: String(rounds),
    hint: "To end it now, stop it; for more rounds, submit a study that starts from this one's model.",
  });
}

function unfitQuorum(state: CoordinatorState, study: StudyRecord, { quorum }: StudyChanged): Taken | undefined {
  if (quorum === undefined) return undefined;
  const least = study.study.privacy.secureAggregation?.threshold ?? 1;
  const members = state.phase.kind === "approving" ? candidatesOf(study) : participantsOf(study);
  const all = trainersAmong(study, members).length;
  const perRound = trainersPerRound(study);
  const participants = Math.min(all, perRound);
  const trainers = rosterTrainers(study).length;
  const most = quorum === "all" ? perRound : quorum;
  if (Number.isSafeInteger(most) && most >= least && most <= participants) return undefined;
  return rejected(state, "study-refused", {
    subject: `quorum of study ${study.study.name}`,
    expected: `from ${least} to ${participants} sites${wordsFor(participants, all, trainers)}`,
    actual: String(quorum),
    hint: "`consilium status` lists the sites that take part.",
  });
}

function wordsFor(most: number, participants: number, trainers: number): string {
  if (most < participants) return ", as many as train in a round";
  return participants < trainers ? ", all that still take part" : "";
}

function nothingToDo(state: CoordinatorState, expected: string, actual: string): Taken {
  return discarded(state, "usage", {
    subject: `study ${state.study?.study.name}`,
    expected,
    actual,
    hint: "Nothing needs to be done.",
  });
}
