/**
 * What happens to a coordinator, as journalled: plain JSON, each with the time at which it was taken in. Times are
 * data: `step` reads no clock, so the same events always lead to the same state.
 */
import type { DataStatistics } from "../aggregation/index.ts";
import type { ErrorCode, Sha256 } from "../base/index.ts";
import type { MaskingStep, SummedFigures } from "../privacy/index.ts";
import type { Study } from "../study/index.ts";
import type { DataCounts, Evidence, LocalFigures, ObjectRef, RegionSums, RosterEntry, RoundRules } from "./records.ts";

interface At {
  readonly atMs: number;
}

export interface SiteInvited extends At {
  readonly kind: "site-invited";
  readonly invitationId: string;
  readonly siteId: string;
  readonly expiresMs: number;
}

export interface SiteEnrolled extends At {
  readonly kind: "site-enrolled";
  readonly siteId: string;
  readonly invitationId: string;
  readonly keySha256: Sha256;
  readonly certificatePem: string;
  readonly productVersion: string;
}

/** A site's key has a new certificate. */
export interface SiteRenewed extends At {
  readonly kind: "site-renewed";
  readonly siteId: string;
  readonly keySha256: Sha256;
  readonly certificatePem: string;
}

/** The study lead ends a site's membership: its key is refused from now on. */
export interface SiteRevoked extends At {
  readonly kind: "site-revoked";
  readonly siteId: string;
  readonly reason: string;
}

/** The federation's authority handed over to the next. */
export interface AuthorityRotated extends At {
  readonly kind: "authority-rotated";
  /** Fingerprints of both certificates. */
  readonly fromSha256: Sha256;
  readonly toSha256: Sha256;
  /** Until when both are believed. */
  readonly endsMs: number;
}

/** A site's figures changed since it was last heard. */
export interface SiteReported extends At {
  readonly kind: "site-reported";
  readonly siteId: string;
  readonly productVersion: string;
  readonly data?: DataCounts;
}

export interface StudySubmitted extends At {
  readonly kind: "study-submitted";
  readonly hash: Sha256;
  readonly study: Study;
  readonly initial: ObjectRef;
  readonly network?: ObjectRef;
  readonly parameterCount: number;
  /** Sites that are to take part; all that are enrolled unless given. */
  readonly sites?: readonly string[];
}

/** Members that every signed message of a site about a study has. */
interface Signed extends At {
  readonly siteId: string;
  readonly studyHash: Sha256;
  readonly evidence: Evidence;
}

export interface ApprovalReceived extends Signed {
  readonly kind: "approval-received";
  readonly approved: boolean;
  readonly reason: string;
  readonly roster: readonly RosterEntry[];
}

export interface UpdateReceived extends Signed {
  readonly kind: "update-received";
  readonly round: number;
  readonly attempt: number;
  readonly update: ObjectRef;
  readonly trainingCases: number;
  readonly gradientSteps: number;
  readonly clippedCoordinates: number;
  /** Null with patient-level privacy, where no loss leaves a site. */
  readonly meanLoss: number | null;
  /** Canonical JSON: what the site ran on. */
  readonly runRecord: string;
  readonly runRecordSha256: Sha256;
  /** With `rounds.evaluateLocal`. */
  readonly local?: LocalFigures;
}

/** A site's answer to a step of a masked round. */
export interface MaskingReceived extends Signed {
  readonly kind: "masking-received";
  readonly round: number;
  readonly step: MaskingStep;
  /** Canonical JSON, as in `MaskingReply`. */
  readonly payload: string;
}

export interface EvaluationReceived extends Signed {
  readonly kind: "evaluation-received";
  readonly round: number;
  readonly attempt: number;
  readonly modelSha256: Sha256;
  readonly cases: number;
  readonly regions: Readonly<Record<string, RegionSums>>;
}

/** One cell of a cross-site matrix: the sender's figures of another site's own model, or of its own. */
export interface CrossEvaluationReceived extends Signed {
  readonly kind: "cross-evaluation-received";
  readonly round: number;
  readonly attempt: number;
  /** Whose model. */
  readonly ofSite: string;
  readonly updateSha256: Sha256;
  readonly cases: number;
  readonly regions: Readonly<Record<string, RegionSums>>;
}

/** A site's figures of its data, before the first round. */
export interface StatisticsReceived extends Signed {
  readonly kind: "statistics-received";
  readonly attempt: number;
  readonly figures: DataStatistics;
}

export interface FailureReceived extends Signed {
  readonly kind: "failure-received";
  readonly round: number;
  readonly attempt: number;
  /** Of a cell of a cross-site matrix: whose model it was about. */
  readonly ofSite?: string;
  readonly code: string;
  readonly hint: string;
}

export interface RoundAggregated extends At {
  readonly kind: "round-aggregated";
  readonly round: number;
  readonly model: ObjectRef;
  readonly totalWeight: number;
  readonly shares: readonly { readonly siteId: string; readonly weight: number; readonly share: number }[];
  /** With `metrics: summed`: counts, losses and scores as the masked sum gave them; shares are then told by nobody. */
  readonly figures?: SummedFigures;
  /** With adaptive clipping: the next round's, from the noised count of this one. */
  readonly clipNorm?: number;
}

export interface AggregationFailed extends At {
  readonly kind: "aggregation-failed";
  readonly round: number;
  readonly code: ErrorCode;
  readonly reason: string;
}

/** A deadline may have passed. */
export interface TimeReached extends At {
  readonly kind: "time-reached";
}

/** The coordinator was away; deadlines that passed meanwhile are put off. */
export interface CoordinatorStarted extends At {
  readonly kind: "coordinator-started";
}

/** The operator ends the study underway. */
export interface StudyStopped extends At {
  readonly kind: "study-stopped";
  readonly reason: string;
}

/** No new work begins, and no deadline passes, until the study is resumed. */
export interface StudyPaused extends At {
  readonly kind: "study-paused";
  readonly reason: string;
}

export interface StudyResumed extends At {
  readonly kind: "study-resumed";
  readonly reason: string;
}

/** Other rules for the rounds of the study underway. */
export interface StudyChanged extends At, Partial<RoundRules> {
  readonly kind: "study-changed";
  readonly reason: string;
}

/** The first round begins without the sites that have not decided; they may still come. */
export interface StudyBegun extends At {
  readonly kind: "study-begun";
  readonly reason: string;
}

export type LiveEvent = StudyPaused | StudyResumed | StudyChanged | StudyBegun;

export type SiteEventKind =
  | ApprovalReceived
  | StatisticsReceived
  | UpdateReceived
  | MaskingReceived
  | EvaluationReceived
  | CrossEvaluationReceived
  | FailureReceived;

export type CoordinatorEvent =
  | SiteInvited
  | SiteEnrolled
  | SiteRenewed
  | SiteRevoked
  | AuthorityRotated
  | SiteReported
  | StudySubmitted
  | SiteEventKind
  | RoundAggregated
  | AggregationFailed
  | TimeReached
  | CoordinatorStarted
  | StudyStopped
  | LiveEvent;

const EVENT_KINDS = {
  "site-invited": true,
  "site-enrolled": true,
  "site-renewed": true,
  "site-revoked": true,
  "authority-rotated": true,
  "site-reported": true,
  "study-submitted": true,
  "approval-received": true,
  "update-received": true,
  "masking-received": true,
  "evaluation-received": true,
  "cross-evaluation-received": true,
  "statistics-received": true,
  "failure-received": true,
  "round-aggregated": true,
  "aggregation-failed": true,
  "time-reached": true,
  "coordinator-started": true,
  "study-stopped": true,
  "study-paused": true,
  "study-resumed": true,
  "study-changed": true,
  "study-begun": true,
} as const satisfies Record<CoordinatorEvent["kind"], true>;

/** Whether this version knows events of such a kind: a journal may be a later version's. */
export function isEventKind(kind: unknown): kind is CoordinatorEvent["kind"] {
  return typeof kind === "string" && Object.hasOwn(EVENT_KINDS, kind);
}
