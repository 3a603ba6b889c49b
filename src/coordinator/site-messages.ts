/**
 * A site's signed message as an event: every number in its range, every text within its limit, or refused.
 * What passes here is plain JSON, so the journal can hold it and the state machine needs no second look.
 */
import { type DataStatistics, dataStatisticsSchema, type PatientMoments } from "../aggregation/index.ts";
import { ConsiliumError, canonicalJson, isSha256, type Json, LIMITS, sha256 } from "../base/index.ts";
import { isMaskingStep } from "../privacy/index.ts";
import type {
  Approval,
  CrossEvaluationReady,
  EvaluationReady,
  LocalFigures,
  MaskingReply,
  Poll,
  RegionFigures,
  SignedEnvelope,
  SiteFailure,
  SiteMessage,
  StatisticsReady,
  UpdateReady,
} from "../protocol/index.ts";
import { isSiteId } from "../protocol/index.ts";
import type { SiteEventKind, SiteReported } from "./events.ts";
import type { Evidence, LocalFigures as LocalRecord, RegionSums } from "./records.ts";

export interface Origin {
  readonly siteId: string;
  /** As the envelope's header says. */
  readonly studyHash: string;
  readonly atMs: number;
  readonly evidence: Evidence;
}

/** What a site is doing, from its last sign of life; kept in memory only. */
export interface Activity {
  readonly activity: string;
  readonly stepsDone: number;
  readonly stepsTotal: number;
  readonly productVersion: string;
  /** The site's clock less the coordinator's. */
  readonly clockOffsetMs: number;
}

export type ReadMessage =
  | { readonly kind: "poll"; readonly activity: Activity; readonly report: SiteReported }
  /** A new certificate for the sender's key is asked for. */
  | { readonly kind: "renewal" }
  | { readonly kind: "event"; readonly event: SiteEventKind };

/** @throws ConsiliumError `message-invalid`, `update-not-finite`, `limit-exceeded` */
export function readMessage(message: SiteMessage, origin: Origin): ReadMessage {
  const { kind } = message;
  switch (kind.case) {
    case "poll":
      return readPoll(kind.value, origin);
    case "approval":
      return { kind: "event", event: approvalOf(kind.value, origin) };
    case "update":
      return { kind: "event", event: updateOf(kind.value, origin) };
    case "masking":
      return { kind: "event", event: maskingOf(kind.value, origin) };
    case "statistics":
      return { kind: "event", event: statisticsOf(kind.value, origin) };
    case "evaluation":
      return { kind: "event", event: evaluationOf(kind.value, origin) };
    case "crossEvaluation":
      return { kind: "event", event: crossEvaluationOf(kind.value, origin) };
    case "renewal":
      return { kind: "renewal" };
    case "failure":
      return { kind: "event", event: failureOf(kind.value, origin) };
    case undefined:
      throw invalid(origin, "a message that this version knows", "another");
    default:
      return kind satisfies never;
  }
}

export function evidenceOf({ header, body, signature }: SignedEnvelope): Evidence {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
  return { header: Buffer.from(header).toString("utf8"), body: base64(body), signature: base64(signature) };
}

function readPoll(poll: Poll, origin: Origin): ReadMessage {
  const { siteId, atMs } = origin;
  const productVersion = words(origin, "product version", poll.productVersion, 100);
  const { data } = poll;
  return {
    kind: "poll",
    activity: {
      activity: words(origin, "activity", poll.activity, 100),
      stepsDone: poll.stepsDone,
      stepsTotal: poll.stepsTotal,
      productVersion,
      clockOffsetMs: whole(origin, "clock", poll.siteTimeMs) - atMs,
    },
    report: {
      kind: "site-reported",
      siteId,
      atMs,
      productVersion,
      ...(data && {
        data: {
          trainingCases: atMost(origin, "training cases", data.trainingCases, LIMITS.casesPerDataset),
          validationCases: atMost(origin, "validation cases", data.validationCases, LIMITS.casesPerDataset),
          channels: few(origin, "channels", data.channels).map((channel) => words(origin, "channel", channel, 64)),
          labelConvention: words(origin, "label convention", data.labelConvention, 64),
        },
      }),
    },
  };
}

function approvalOf(approval: Approval, origin: Origin): SiteEventKind {
  const { approved, studyHash, roster } = approval;
  if (studyHash !== origin.studyHash) {
    throw invalid(origin, `study ${origin.studyHash}`, `study ${studyHash.slice(0, 80)}`);
  }
  return {
    kind: "approval-received",
    ...origin,
    approved,
    reason: words(origin, "reason", approval.reason, LIMITS.reasonChars),
    roster: few(origin, "sites", roster, LIMITS.sitesPerFederation).map(({ siteId, keySha256 }) => ({
      siteId: words(origin, "site's name", siteId, LIMITS.siteIdChars),
      keySha256: words(origin, "digest of a key", keySha256, 64),
    })),
  };
}

function updateOf(update: UpdateReady, origin: Origin): SiteEventKind {
  const { round, attempt, updateSha256, trainingCases, gradientSteps, meanLoss = null } = update;
  if (meanLoss !== null && !Number.isFinite(meanLoss)) {
    throw new ConsiliumError("update-not-finite", {
      subject: `update of ${origin.siteId} for round ${round}`,
      expected: "a finite mean loss",
      actual: String(meanLoss),
      hint: "The training diverged: the study needs a lower learning rate.",
    });
  }
  const runRecord = canonicalText(origin, update.runRecord);
  const local = update.local && localOf(update.local, origin);
  return {
    kind: "update-received",
    ...origin,
    round,
    attempt,
    update: { sha256: digest(origin, updateSha256), bytes: whole(origin, "update bytes", update.updateBytes) },
    trainingCases: atMost(origin, "training cases", trainingCases, LIMITS.casesPerDataset),
    gradientSteps,
    clippedCoordinates: whole(origin, "clipped coordinates", update.clippedCoordinates),
    meanLoss,
    runRecord,
    runRecordSha256: sha256(runRecord),
    ...(local && { local }),
  };
}

function localOf(figures: LocalFigures, origin: Origin): LocalRecord {
  const cases = atMost(origin, "cases", figures.cases, LIMITS.casesPerDataset);
  return {
    cases,
    before: regionsOf(figures.before, cases, origin),
    after: regionsOf(figures.after, cases, origin),
  };
}

function maskingOf({ round, step, payload }: MaskingReply, origin: Origin): SiteEventKind {
  if (!isMaskingStep(step)) throw invalid(origin, "a step of a masked round", JSON.stringify(step.slice(0, 80)));
  return {
    kind: "masking-received",
    ...origin,
    round,
    step,
    payload: canonicalText(origin, payload, LIMITS.messageBytes),
  };
}

/** Its shape and ranges; whether it is what the study asks for is judged with the study at hand. */
function statisticsOf({ attempt, figures }: StatisticsReady, origin: Origin): SiteEventKind {
  const text = canonicalText(origin, figures, LIMITS.statisticsChars);
  const parsed = dataStatisticsSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw invalid(origin, "whole numbers, or null, for what a study asks of data", "something else");
  return { kind: "statistics-received", ...origin, attempt, figures: parsed.data as DataStatistics };
}

function evaluationOf(evaluation: EvaluationReady, origin: Origin): SiteEventKind {
  const { round, attempt, modelSha256 } = evaluation;
  const cases = atMost(origin, "cases", evaluation.cases, LIMITS.casesPerDataset);
  const regions = regionsOf(evaluation.regions, cases, origin);
  const modelDigest = digest(origin, modelSha256);
  return { kind: "evaluation-received", ...origin, round, attempt, modelSha256: modelDigest, cases, regions };
}

function crossEvaluationOf(told: CrossEvaluationReady, origin: Origin): SiteEventKind {
  const { round, attempt } = told;
  const cases = atMost(origin, "cases", told.cases, LIMITS.casesPerDataset);
  return {
    kind: "cross-evaluation-received",
    ...origin,
    round,
    attempt,
    ofSite: siteName(origin, told.ofSite),
    updateSha256: digest(origin, told.updateSha256),
    cases,
    regions: regionsOf(told.regions, cases, origin),
  };
}

function siteName(origin: Origin, text: string): string {
  if (isSiteId(text)) return text;
  throw invalid(origin, "a site's name", JSON.stringify(text.slice(0, 80)));
}

function regionsOf(told: readonly RegionFigures[], cases: number, origin: Origin): Record<string, RegionSums> {
  const regions: Record<string, RegionSums> = {};
  for (const figures of few(origin, "regions", told)) {
    const region = words(origin, "region", figures.region, 64);
    if (Object.hasOwn(regions, region)) throw invalid(origin, `region ${region} once`, "twice");
    Object.defineProperty(regions, region, { value: sumsOf(figures, cases, origin), enumerable: true });
  }
  return regions;
}

function sumsOf(figures: RegionFigures, cases: number, origin: Origin): RegionSums {
  const { region, diceSum, diceCases, hd95Sum, hd95Cases } = figures;
  const fits =
    diceCases <= cases && hd95Cases <= cases && diceSum >= 0 && diceSum <= diceCases * (1 + 1e-9) && hd95Sum >= 0;
  if (fits && Number.isFinite(hd95Sum)) {
    const diceMoments = momentsOf(figures.diceMoments, diceCases, origin);
    const hd95Moments = momentsOf(figures.hd95Moments, hd95Cases, origin);
    const moments = { ...(diceMoments && { diceMoments }), ...(hd95Moments && { hd95Moments }) };
    return { diceSum, diceCases, hd95Sum, hd95Cases, ...moments };
  }
  throw invalid(
    origin,
    `sums of region ${region} over at most ${cases} cases, Dice within 0 and 1`,
    `Dice ${diceSum} over ${diceCases}, HD95 ${hd95Sum} over ${hd95Cases}`,
  );
}

function momentsOf(told: RegionFigures["diceMoments"], cases: number, origin: Origin): PatientMoments | undefined {
  if (told === undefined) return undefined;
  const { patients, squares, timesCases, casesSquared } = told;
  const fits = patients <= cases && [squares, timesCases, casesSquared].every((x) => Number.isFinite(x) && x >= 0);
  if (fits && casesSquared <= cases * cases) return { patients, squares, timesCases, casesSquared };
  throw invalid(
    origin,
    `moments of at most ${cases} patients, no sum below 0`,
    `${patients} patients, ${squares}, ${timesCases}, ${casesSquared}`,
  );
}

function failureOf(failure: SiteFailure, origin: Origin): SiteEventKind {
  const { round, attempt } = failure;
  const code = words(origin, "code", failure.code, 64);
  return {
    kind: "failure-received",
    ...origin,
    round,
    attempt,
    ...(failure.ofSite !== "" && { ofSite: siteName(origin, failure.ofSite) }),
    code,
    hint: words(origin, "hint", failure.hint, LIMITS.reasonChars),
  };
}

function canonicalText(origin: Origin, bytes: Uint8Array, most: number = LIMITS.runRecordChars): string {
  const text = Buffer.from(bytes).toString("utf8");
  if (text.length > most) {
    throw invalid(origin, `JSON of at most ${most} characters`, `${text.length}`);
  }
  let canonical: string | undefined;
  try {
    canonical = canonicalJson(JSON.parse(text) as Json);
  } catch {
    canonical = undefined;
  }
  if (canonical !== text) throw invalid(origin, "canonical JSON", "something else");
  return text;
}

function words(origin: Origin, what: string, text: string, most: number): string {
  if (text.length <= most) return text;
  throw new ConsiliumError("limit-exceeded", {
    subject: `message of ${origin.siteId}`,
    expected: `${what} of at most ${most} characters`,
    actual: `${text.length}`,
    hint: "Say it in fewer words.",
  });
}

function few<T>(origin: Origin, what: string, items: readonly T[], most = 64): readonly T[] {
  if (items.length <= most) return items;
  throw new ConsiliumError("limit-exceeded", {
    subject: `message of ${origin.siteId}`,
    expected: `at most ${most} ${what}`,
    actual: `${items.length}`,
    hint: "The site does not follow the protocol: compare the versions at both ends.",
  });
}

function digest(origin: Origin, text: string): string {
  if (isSha256(text)) return text;
  throw invalid(origin, "a SHA-256", JSON.stringify(text.slice(0, 80)));
}

function whole(origin: Origin, what: string, value: bigint): number {
  if (value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw invalid(origin, `${what} within 2^53`, String(value));
}

function atMost(origin: Origin, what: string, value: number, most: number): number {
  if (value <= most) return value;
  throw invalid(origin, `at most ${most} ${what}`, String(value));
}

function invalid(origin: Origin, expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("message-invalid", {
    subject: `message of ${origin.siteId}`,
    expected,
    actual,
    hint: "The site does not follow the protocol: compare the versions at both ends.",
  });
}
