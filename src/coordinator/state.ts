/**
 * The coordinator's state: who belongs to the federation, and where the study is.
 *
 * Invariants
 * - The state is the fold of `step` over the journal, and nothing else: no clock, no file, no chance enters it.
 * - One study is underway at a time; phases only move forward, and an ended study never moves again.
 * - `study` is there in every phase but `idle`.
 */
import { LIMITS, type Sha256 } from "../base/index.ts";
import { siteTrains } from "../study/index.ts";
import type { MaskingText } from "./masked-round.ts";
import type {
  DoneEnd,
  EvaluationRecord,
  FailedEnd,
  FailureRecord,
  InvitationRecord,
  LeftOut,
  LiveChange,
  MatrixCells,
  ObjectRef,
  PastStudy,
  RoundRules,
  SiteRecord,
  StudyRecord,
  ToldStatistics,
  UpdateRecord,
} from "./records.ts";

/** Enrolling goes on in every phase; `idle` is when nothing else does. */
export interface Idle {
  readonly kind: "idle";
}

/** The roster's reviewers look at the study. */
export interface Approving {
  readonly kind: "approving";
}

/** Before the first round: sites tell the statistics of their data that the study declares. */
export interface Surveying {
  readonly kind: "surveying";
  readonly round: 0;
  readonly startedMs: number;
  readonly deadlineMs: number;
  readonly told: Readonly<Record<string, ToldStatistics>>;
  readonly failures: Readonly<Record<string, FailureRecord>>;
}

/** Before a masked round: sites exchange keys and shares of their secrets. */
export interface Agreeing {
  readonly kind: "agreeing";
  readonly round: number;
  readonly startedMs: number;
  readonly deadlineMs: number;
  readonly global: ObjectRef;
  readonly masking: MaskingText;
}

/** The round's model is offered, and updates are taken. */
export interface Collecting {
  readonly kind: "collecting";
  readonly round: number;
  readonly startedMs: number;
  readonly deadlineMs: number;
  readonly global: ObjectRef;
  readonly updates: Readonly<Record<string, UpdateRecord>>;
  readonly failures: Readonly<Record<string, FailureRecord>>;
  /** Where not all sites train in a round: those of this one, sorted. */
  readonly drawn?: readonly string[];
  /** In a masked round. */
  readonly masking?: MaskingText;
}

/** A masked round is closed: its survivors sign who they are, and reveal what opens the sum. */
export interface Unmasking {
  readonly kind: "unmasking";
  readonly round: number;
  readonly startedMs: number;
  readonly deadlineMs: number;
  readonly global: ObjectRef;
  readonly updates: Readonly<Record<string, UpdateRecord>>;
  readonly leftOut: readonly LeftOut[];
  readonly masking: MaskingText;
}

/** The round is closed; its updates are being summed. */
export interface Aggregating {
  readonly kind: "aggregating";
  readonly round: number;
  readonly startedMs: number;
  readonly global: ObjectRef;
  readonly updates: Readonly<Record<string, UpdateRecord>>;
  readonly leftOut: readonly LeftOut[];
  readonly drawn?: readonly string[];
  /** In a masked round: what opens the sum. */
  readonly masking?: MaskingText;
}

/** The round's new model is measured on each site's validation cases. */
export interface Evaluating {
  readonly kind: "evaluating";
  readonly round: number;
  readonly startedMs: number;
  readonly deadlineMs: number;
  readonly model: ObjectRef;
  readonly evaluations: Readonly<Record<string, EvaluationRecord>>;
  readonly failures: Readonly<Record<string, FailureRecord>>;
}

/** Each site's own model of a round is measured on every site's validation cases. */
export interface Crossing {
  readonly kind: "crossing";
  readonly round: number;
  readonly startedMs: number;
  /** Put off by every cell that comes. */
  readonly deadlineMs: number;
  /** Sites whose models are measured, sorted; one that leaves takes its model along. */
  readonly models: readonly string[];
  readonly cells: MatrixCells;
  /** By the site that failed, and then by the site whose model it was to measure. */
  readonly failures: Readonly<Record<string, Readonly<Record<string, FailureRecord>>>>;
}

/** The study has its final model. */
export type Done = DoneEnd;

/** The study ended without one, for a reason that is told to everybody. */
export type Failed = FailedEnd;

export type Phase =
  | Idle
  | Approving
  | Surveying
  | Agreeing
  | Collecting
  | Unmasking
  | Aggregating
  | Evaluating
  | Crossing
  | Done
  | Failed;

export interface CoordinatorState {
  readonly invitations: Readonly<Record<string, InvitationRecord>>;
  readonly sites: Readonly<Record<string, SiteRecord>>;
  readonly phase: Phase;
  /** The study underway, or the one that ended last. */
  readonly study: StudyRecord | null;
  /** Studies before it, the latest last. */
  readonly past: readonly PastStudy[];
}

/**
 * Names the shape of the state and what `step` makes of events. Whoever changes either raises it: snapshots of another
 * format are left aside, and the state is folded from the first record once. (A test holds the two together.)
 */
export const STATE_FORMAT = "consilium.state/7";

export const INITIAL_STATE: CoordinatorState = {
  invitations: {},
  sites: {},
  phase: { kind: "idle" },
  study: null,
  past: [],
};

/**
 * Whether the study and its models are for a site: on the roster with the key that it has now, and not a refuser, or
 * one whose updates are in the model. The final model is not for those who never decided.
 */
export function isParticipant(state: CoordinatorState, siteId: string): boolean {
  const { study, phase } = state;
  if (study === null || !hasRosterKey(state, siteId)) return false;
  if (phase.kind !== "done" && candidatesOf(study).includes(siteId)) return true;
  return participantsOf(study).includes(siteId) || study.contributors.includes(siteId);
}

/** Sites of the roster that have not refused, sorted: before the first round all of them may still take part. */
export function candidatesOf(study: StudyRecord): string[] {
  return study.roster.map(({ siteId }) => siteId).filter((siteId) => study.approvals[siteId]?.approved !== false);
}

/** Sites of the roster whose reviewers approved, sorted: those of the rounds. */
export function participantsOf(study: StudyRecord): string[] {
  return study.roster.map(({ siteId }) => siteId).filter((siteId) => study.approvals[siteId]?.approved === true);
}

/** Whether a site's updates make the rounds: all but those that only evaluate. */
export function trains({ study }: StudyRecord, siteId: string): boolean {
  return siteTrains(study, siteId);
}

/** Those of these sites whose updates make the rounds. */
export function trainersAmong(study: StudyRecord, siteIds: readonly string[]): string[] {
  return siteIds.filter((siteId) => trains(study, siteId));
}

/** Sites of the roster that train, whatever they decided. */
export function rosterTrainers(study: StudyRecord): string[] {
  return trainersAmong(
    study,
    study.roster.map(({ siteId }) => siteId),
  );
}

export function hasRosterKey(state: CoordinatorState, siteId: string): boolean {
  const key: Sha256 | undefined = state.sites[siteId]?.keySha256;
  return state.study?.roster.some((entry) => entry.siteId === siteId && entry.keySha256 === key) ?? false;
}

/**
 * The fewest updates with which a round closes: "all" are the sites of the roster that train, or, where some of them are
 * drawn for each round, as many as are drawn. A study with fewer trainers can close no round.
 */
export function quorumOf(study: StudyRecord): number {
  const { quorum } = rulesOf(study);
  return quorum === "all" ? trainersPerRound(study) : quorum;
}

/** How many sites train in a round while nobody of the roster is missing. */
export function trainersPerRound(study: StudyRecord): number {
  const all = rosterTrainers(study).length;
  return Math.min(all, study.study.rounds.sitesPerRound ?? all);
}

/** The rules of rounds as they hold now: those that reviewers approved, with every change since. */
export function rulesOf({ study, changes = [] }: StudyRecord): RoundRules {
  const { deadlineS, quorum, count } = study.rounds;
  const rules: RoundRules = { deadlineS, quorum, rounds: count };
  return Object.assign(rules, ...changes.map(rulesIn)) as RoundRules;
}

/** The rules that a change names. */
export function rulesIn({ deadlineS, quorum, rounds }: Partial<RoundRules>): Partial<RoundRules> {
  return {
    ...(deadlineS !== undefined && { deadlineS }),
    ...(quorum !== undefined && { quorum }),
    ...(rounds !== undefined && { rounds }),
  };
}

/** How long a round collects, how long it evaluates, and how long a matrix waits for its next cell. */
export function deadlineMsOf(study: StudyRecord): number {
  return Math.ceil(rulesOf(study).deadlineS * 1000);
}

/** How long a step of masking may take: sites answer at once, if they are there. */
export function maskingStepMsOf(study: StudyRecord): number {
  return Math.min(LIMITS.maskingStepMs, deadlineMsOf(study));
}

/** The pause that the study is in. */
export function pauseOf(study: StudyRecord | null): LiveChange | undefined {
  const last = study?.changes?.findLast(({ kind }) => kind === "paused" || kind === "resumed");
  return last?.kind === "paused" ? last : undefined;
}
