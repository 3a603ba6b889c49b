/**
 * What a site is to do now: a pure function of the state, so a site may ask as often as it likes, after any crash of
 * either end, and is told the same until something happens.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { canonicalJson, invariant, type Json, LIMITS } from "../base/index.ts";
import { sealedSharesFor, writeMasking } from "../privacy/index.ts";
import { type Directive, DirectiveSchema, type StudyNewsSchema } from "../protocol/index.ts";
import { studyToBytes } from "../study/index.ts";
import { clipNormOf, type MaskedRound, maskingOf, sitesAsked, sitesHeard, stepOf } from "./masked-round.ts";
import { isGivenUp, trainersOf } from "./phases/collecting.ts";
import { nextModel } from "./phases/crossing.ts";
import { evaluatesFirst } from "./phases/summed-rounds.ts";
import type { FailureRecord, StudyEnd, StudyRecord } from "./records.ts";
import {
  type Agreeing,
  type Collecting,
  type CoordinatorState,
  type Crossing,
  hasRosterKey,
  isParticipant,
  type Phase,
  participantsOf,
  pauseOf,
  trains,
  type Unmasking,
} from "./state.ts";

type DirectiveKind = NonNullable<MessageInitShape<typeof DirectiveSchema>["kind"]>;

const LATER_MS = 5_000;
/** Sites that wait ask so often that together they make about fifty requests a second, and seldom enough for one. */
const SOONEST_MS = 200;
const BETWEEN_REQUESTS_MS = 20;

export function directiveFor(state: CoordinatorState, siteId: string, nowMs: number): Directive {
  const news = newsOf(state, siteId);
  return create(DirectiveSchema, { kind: kindFor(state, siteId, nowMs), ...(news && { news }) });
}

/** What was changed since the study began, for sites of its roster. */
function newsOf(
  { study, ...state }: CoordinatorState,
  siteId: string,
): MessageInitShape<typeof StudyNewsSchema> | undefined {
  if (!study?.changes || !hasRosterKey({ ...state, study }, siteId)) return undefined;
  return {
    studyHash: study.hash,
    paused: pauseOf(study) !== undefined,
    changes: study.changes.slice(-LIMITS.liveChangesTold).map(({ atMs, quorum, ...rest }) => ({
      ...rest,
      atMs: BigInt(atMs),
      ...(quorum !== undefined && { quorum: String(quorum) }),
    })),
  };
}

function kindFor(state: CoordinatorState, siteId: string, nowMs: number): DirectiveKind {
  const { phase, study } = state;
  if (study === null || phase.kind === "idle") return wait(LATER_MS, "No study was submitted yet.");
  if (!hasRosterKey(state, siteId)) {
    const onRoster = study.roster.some((entry) => entry.siteId === siteId);
    const why = onRoster ? "was approved with another key of this site" : "was submitted before this site joined";
    return wait(LATER_MS, `Study ${study.study.name} ${why}.`);
  }
  if (phase.kind === "done" || phase.kind === "failed") {
    return isParticipant(state, siteId) ? ended(study, phase) : wait(LATER_MS, "The study ended without this site.");
  }
  if (phase.kind === "approving" || !participantsOf(study).includes(siteId)) return approving(study, siteId);
  switch (phase.kind) {
    case "collecting": {
      if (!trains(study, siteId)) return othersTrain();
      if (!trainersOf(study, phase).includes(siteId)) {
        if (phase.drawn) return wait(soonMs(study), `This site was not drawn for round ${phase.round}: it waits.`);
        return wait(LATER_MS, "This site shared no secrets in time: it is left out of the round.");
      }
      if (siteId in phase.updates) {
        return wait(soonMs(study), awaited(trainersOf(study, phase), phase.updates, "updates"));
      }
      const { round, global, deadlineMs } = phase;
      return working(phase.failures[siteId], nowMs, (attempt) => ({
        case: "train",
        value: {
          studyHash: study.hash,
          round,
          attempt,
          globalSha256: global.sha256,
          globalBytes: BigInt(global.bytes),
          deadlineMs: BigInt(deadlineMs),
          masking: sealedFor(phase, siteId),
          figures: figuresFor(study),
          clipNorm: clipNormOf(study) ?? 0,
          evaluates: evaluatesFirst(study, round),
        },
      }));
    }
    case "surveying": {
      if (siteId in phase.told) return wait(soonMs(study), awaited(participantsOf(study), phase.told, "statistics"));
      const { deadlineMs } = phase;
      return working(phase.failures[siteId], nowMs, (attempt) => ({
        case: "survey",
        value: { studyHash: study.hash, attempt, deadlineMs: BigInt(deadlineMs) },
      }));
    }
    case "agreeing":
    case "unmasking":
      return maskingStep(study, phase, siteId);
    case "aggregating":
      return wait(soonMs(study), `The updates of round ${phase.round} are being summed.`);
    case "evaluating": {
      if (siteId in phase.evaluations)
        return wait(soonMs(study), awaited(participantsOf(study), phase.evaluations, "figures"));
      const { round, model, deadlineMs } = phase;
      return working(phase.failures[siteId], nowMs, (attempt) => ({
        case: "evaluate",
        value: {
          studyHash: study.hash,
          round,
          attempt,
          modelSha256: model.sha256,
          modelBytes: BigInt(model.bytes),
          deadlineMs: BigInt(deadlineMs),
        },
      }));
    }
    case "crossing":
      return crossEvaluation(study, phase, siteId, nowMs);
    default:
      return phase satisfies never;
  }
}

/** The next cell of a cross-site matrix that this site has not told. */
function crossEvaluation(study: StudyRecord, phase: Crossing, siteId: string, nowMs: number): DirectiveKind {
  const { round, deadlineMs, failures } = phase;
  const ofSite = nextModel(phase, siteId);
  if (ofSite === undefined) {
    const open = participantsOf(study).filter((each) => nextModel(phase, each) !== undefined);
    return wait(soonMs(study), `Waiting for figures of other sites' models by ${named(open)}.`);
  }
  const summed = study.lastRound;
  invariant(summed?.round === round, "a matrix of the last round");
  const { global, updates } = summed;
  return working(failures[siteId]?.[ofSite], nowMs, (attempt) => ({
    case: "crossEvaluate",
    value: {
      studyHash: study.hash,
      round,
      attempt,
      ofSite,
      globalSha256: global.sha256,
      globalBytes: BigInt(global.bytes),
      updateSha256: updates[ofSite].sha256,
      updateBytes: BigInt(updates[ofSite].bytes),
      deadlineMs: BigInt(deadlineMs),
    },
  }));
}

/** The step of a masked round that this site has not done, or a pause. */
function maskingStep(study: StudyRecord, phase: Agreeing | Unmasking, siteId: string): DirectiveKind {
  const masking = maskingOf(phase.masking);
  const asked = sitesAsked(masking);
  const heard = sitesHeard(masking);
  const step = stepOf(masking);
  if (!trains(study, siteId)) return othersTrain();
  if (step === undefined || !asked.includes(siteId)) return wait(LATER_MS, "This site is out of the masked round.");
  if (heard.includes(siteId)) {
    const open = asked.filter((site) => !heard.includes(site) && participantsOf(study).includes(site));
    return wait(soonMs(study), `Waiting for the ${step} of ${named(open)}.`);
  }
  const { round, deadlineMs } = phase;
  const payload = bytesOf(writeMasking(orderOf(masking)));
  return { case: "masking", value: { studyHash: study.hash, round, step, payload, deadlineMs: BigInt(deadlineMs) } };
}

/** What a site needs for the present step. */
function orderOf(masking: MaskedRound): unknown {
  switch (masking.kind) {
    case "keys":
    case "inputs":
      return {};
    case "shares":
      return { advertisements: masking.advertisements };
    case "signatures":
      return { list: masking.list };
    case "reveals":
      return { list: masking.list, signatures: masking.signatures };
    default:
      return masking satisfies never;
  }
}

/** The shares that others sealed for a site that is to train; nothing in a plain round. */
function sealedFor({ masking }: Collecting, siteId: string): Uint8Array {
  if (masking === undefined) return new Uint8Array();
  const inputs = maskingOf(masking);
  return inputs.kind === "inputs"
    ? bytesOf(writeMasking({ sealed: sealedSharesFor(inputs, siteId) }))
    : new Uint8Array();
}

/** What the last masked sum said; nothing where figures are not summed. */
function figuresFor({ lastFigures }: StudyRecord): Uint8Array {
  return lastFigures === undefined ? new Uint8Array() : bytesOf(canonicalJson(lastFigures as unknown as Json));
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "utf8"));
}

function approving(study: StudyRecord, siteId: string): DirectiveKind {
  if (study.approvals[siteId]?.approved) {
    const open = study.roster.filter((entry) => !(entry.siteId in study.approvals)).map((entry) => entry.siteId);
    return wait(soonMs(study), `Waiting for the decision of ${open.join(", ")}.`);
  }
  return {
    case: "review",
    value: {
      studyHash: study.hash,
      study: new Uint8Array(studyToBytes(study.study)),
      roster: study.roster.map(({ siteId, keySha256 }) => ({ siteId, keySha256 })),
      networkBytes: BigInt(study.network?.bytes ?? 0),
      decision: study.approvals[siteId] === undefined ? "" : "refused",
    },
  };
}

/** The work, or a pause that doubles with each failure at it. */
function working(
  failure: FailureRecord | undefined,
  nowMs: number,
  order: (attempt: number) => DirectiveKind,
): DirectiveKind {
  if (failure === undefined) return order(1);
  if (isGivenUp(failure))
    return wait(LATER_MS, `This site failed ${failure.times} times: it is left out of the round.`);
  const restMs = failure.atMs + retryDelayMs(failure.times) - nowMs;
  if (restMs <= 0) return order(failure.times + 1);
  return wait(restMs, `This site failed ${failure.times} times (${failure.code}); it may try again then.`);
}

export function retryDelayMs(times: number): number {
  return Math.min(LIMITS.siteRetryMaxMs, LIMITS.siteRetryMinMs * 2 ** (times - 1));
}

function ended(study: StudyRecord, end: StudyEnd & Phase): DirectiveKind {
  if (end.kind === "failed") return { case: "failed", value: { studyHash: study.hash, reason: end.reason } };
  return {
    case: "done",
    value: {
      studyHash: study.hash,
      finalSha256: end.final.sha256,
      finalBytes: BigInt(end.final.bytes),
      finalRound: end.finalRound,
      bestSha256: end.best.sha256,
      bestBytes: BigInt(end.best.bytes),
      bestRound: end.bestRound,
      byRegion: Object.entries(end.bestByRegion ?? {}).map(([region, { round, model }]) => ({
        region,
        round,
        sha256: model.sha256,
        bytes: BigInt(model.bytes),
      })),
      figures: figuresFor(study),
    },
  };
}

function awaited(asked: readonly string[], came: Readonly<Record<string, unknown>>, what: string): string {
  const open = asked.filter((siteId) => !(siteId in came));
  return `Waiting for the ${what} of ${named(open)}.`;
}

function named(siteIds: readonly string[]): string {
  return siteIds.length > 5 ? `${siteIds.length} sites` : siteIds.join(", ");
}

function soonMs({ roster }: StudyRecord): number {
  return Math.min(LATER_MS, Math.max(SOONEST_MS, BETWEEN_REQUESTS_MS * roster.length));
}

function othersTrain(): DirectiveKind {
  return wait(LATER_MS, "This site only evaluates: the others train.");
}

function wait(retryAfterMs: number, reason: string): DirectiveKind {
  return { case: "wait", value: { retryAfterMs, reason } };
}
