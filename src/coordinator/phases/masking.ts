/**
 * The steps of a masked round around its inputs: keys and shares before sites train (`agreeing`), signatures and
 * shares of secrets after their masked updates are there (`unmasking`).
 *
 * Invariants: a step closes when every site that is asked has answered, or at its deadline with those who did; below
 * the study's threshold the round fails, and what was collected opens nothing; a late or second answer changes nothing.
 */
import { ConsiliumError, invariant } from "../../base/index.ts";
import { closeAdvertising, closeReveals, closeSharing, closeSigning, verifyByRoster } from "../../privacy/index.ts";
import type { MaskingReceived } from "../events.ts";
import {
  type MaskedRound,
  maskingOf,
  maskingText,
  sitesAsked,
  sitesHeard,
  stepOf,
  withReply,
} from "../masked-round.ts";
import type { StudyRecord } from "../records.ts";
import {
  type Agreeing,
  type CoordinatorState,
  maskingStepMsOf,
  participantsOf,
  quorumOf,
  type Unmasking,
} from "../state.ts";
import { accepted, discarded, rejected, type Taken } from "../verdict.ts";
import { failRound } from "./failing-round.ts";
import { collectMasked } from "./starting-round.ts";
import { studyMismatch } from "./wrong-study.ts";

type MaskingPhase = Agreeing | Unmasking;

export function receiveMasking(state: CoordinatorState, event: MaskingReceived): Taken {
  const mismatch = studyMismatch(state, event);
  if (mismatch !== undefined) return mismatch;
  const { phase, study } = state;
  invariant(study !== null, "a study that was compared");
  const { siteId, round, step, payload, atMs } = event;
  const masking = phase.kind === "agreeing" || phase.kind === "unmasking" ? maskingOf(phase.masking) : undefined;
  if (masking === undefined || masking.context.round !== round || stepOf(masking) !== step) {
    return discarded(state, "update-wrong-round", {
      subject: `masking message of ${siteId}`,
      expected: masking ? `the step ${stepOf(masking)} of round ${masking.context.round}` : `none in this phase`,
      actual: `the step ${step} of round ${round}`,
      hint: "Ask for the next order.",
    });
  }
  invariant(phase.kind === "agreeing" || phase.kind === "unmasking", "a masking phase");
  if (!participantsOf(study).includes(siteId)) {
    return rejected(state, "study-not-approved", {
      subject: `masking message of ${siteId}`,
      expected: "a site that approved the study",
      actual: "one that refused it",
      hint: "The site takes no part in this study.",
    });
  }
  let next: MaskedRound;
  try {
    next = withReply(study, masking, siteId, payload);
  } catch (error) {
    if (!(error instanceof ConsiliumError)) throw error;
    return rejected(state, error.code, error);
  }
  const after: MaskingPhase = { ...phase, masking: maskingText(next) };
  if (after.masking === phase.masking) {
    return discarded(state, "update-counted", {
      subject: `masking message of ${siteId}`,
      expected: "the first answer to a step",
      actual: "another one",
      hint: "The first is counted: ask for the next order.",
    });
  }
  const complete = expected(study, next).every((site) => sitesHeard(next).includes(site));
  const heard = { ...state, phase: after };
  return accepted(complete ? closeStep(heard, study, after, atMs) : heard);
}

/** Sites that are asked and can still answer. */
function expected(study: StudyRecord, masking: MaskedRound): readonly string[] {
  const participants = participantsOf(study);
  return sitesAsked(masking).filter((siteId) => participants.includes(siteId));
}

export function maskingDeadline(state: CoordinatorState, phase: MaskingPhase, atMs: number): Taken {
  invariant(state.study !== null, "a study in every phase but idle");
  return accepted(closeStep(state, state.study, phase, atMs));
}

/** What sites sent may not fit together (one key of two sites): such a round fails, in words. */
function closeStep(state: CoordinatorState, study: StudyRecord, phase: MaskingPhase, atMs: number): CoordinatorState {
  try {
    return nextStep(state, study, phase, atMs);
  } catch (error) {
    if (!(error instanceof ConsiliumError) || error.code === "internal") throw error;
    const { code, subject, expected: wanted, actual } = error;
    const reason = `Round ${phase.round}: ${subject}: expected ${wanted}, got ${actual}`;
    return failRound(state, study, phase, { code, reason, atMs });
  }
}

function nextStep(state: CoordinatorState, study: StudyRecord, phase: MaskingPhase, atMs: number): CoordinatorState {
  const masking = maskingOf(phase.masking);
  const heard = sitesHeard(masking);
  const needed =
    phase.kind === "agreeing" ? Math.max(masking.context.threshold, quorumOf(study)) : masking.context.threshold;
  if (heard.length < needed) {
    const missing = expected(study, masking).filter((siteId) => !heard.includes(siteId));
    const reason = `Round ${phase.round}, step ${stepOf(masking)}: ${heard.length} of ${needed} sites answered; not ${missing.join(", ")}.`;
    return failRound(state, study, phase, { code: "masking-below-threshold", reason, atMs });
  }
  const deadlineMs = atMs + maskingStepMsOf(study);
  switch (masking.kind) {
    case "keys": {
      const next = closeAdvertising(masking, verifyByRoster(study.roster));
      return { ...state, phase: { ...phase, deadlineMs, masking: maskingText(next) } };
    }
    case "shares":
      invariant(phase.kind === "agreeing", "shares before inputs");
      return collectMasked(state, phase, maskingText(closeSharing(masking)), atMs);
    case "signatures":
      return { ...state, phase: { ...phase, deadlineMs, masking: maskingText(closeSigning(masking)) } };
    case "reveals": {
      invariant(phase.kind === "unmasking", "reveals after inputs");
      closeReveals(masking);
      const { round, startedMs, global, updates, leftOut } = phase;
      return {
        ...state,
        phase: { kind: "aggregating", round, startedMs, global, updates, leftOut, masking: phase.masking },
      };
    }
    case "inputs":
      return state;
    default:
      return masking satisfies never;
  }
}
