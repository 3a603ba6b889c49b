/** What the coordinator knows, as plain readonly records: the state is JSON, and equal states have equal JSON. */
import type { DataStatistics, PatientMoments } from "../aggregation/index.ts";
import type { Sha256 } from "../base/index.ts";
import type { SummedFigures } from "../privacy/index.ts";
import type { Study } from "../study/index.ts";

/** Counts only: what a site says about its data. */
export interface DataCounts {
  readonly trainingCases: number;
  readonly validationCases: number;
  readonly channels: readonly string[];
  readonly labelConvention: string;
}

export interface InvitationRecord {
  readonly invitationId: string;
  readonly siteId: string;
  readonly expiresMs: number;
  /** The key that used it. */
  readonly usedByKeySha256?: Sha256;
}

export interface SiteRecord {
  readonly siteId: string;
  /** SHA-256 of the public key (SPKI): who the site is. */
  readonly keySha256: Sha256;
  readonly certificatePem: string;
  readonly enrolledMs: number;
  readonly productVersion: string;
  readonly data?: DataCounts;
  /** The site is heard no more; joining anew, with another key, ends this. */
  readonly revoked?: { readonly reason: string; readonly atMs: number };
}

/** A site of a study, by the key that its approvers saw. */
export interface RosterEntry {
  readonly siteId: string;
  readonly keySha256: Sha256;
}

export interface ObjectRef {
  readonly sha256: Sha256;
  readonly bytes: number;
}

export interface StudyRecord {
  readonly hash: Sha256;
  readonly study: Study;
  /** Sorted by site; fixed when the study is submitted. */
  readonly roster: readonly RosterEntry[];
  readonly submittedMs: number;
  readonly initial: ObjectRef;
  /** The ONNX model, where the network is a file. */
  readonly network?: ObjectRef;
  /** Elements of the parameters; how many bytes an update has for them is the encoding's. */
  readonly parameterCount: number;
  readonly approvals: Readonly<Record<string, Decision>>;
  /** Rounds that were aggregated, in order, but for the last (`settled-rounds.ts` reads all of them). */
  readonly settled: readonly SettledRound[];
  /** The last round that was aggregated; absent before the first. */
  readonly lastRound?: RoundRecord;
  /** Sites whose updates are in any of these rounds, sorted. */
  readonly contributors: readonly string[];
  /** Where some sites are drawn for each round: those that had their turn in the cycle underway, sorted. */
  readonly turns?: readonly string[];
  /** Masked rounds that failed, in order; absent where none did. Their numbers are used up. */
  readonly failedRounds?: readonly FailedRound[];
  /** What the study lead changed while it ran, in order; absent where nothing was. */
  readonly changes?: readonly LiveChange[];
  /** With `metrics: summed`: what the last masked sum said, for every site to compare itself with. */
  readonly lastFigures?: ToldFigures;
  /** With adaptive clipping: of the next round. */
  readonly clipNorm?: number;
  /** Why it ends before its last round, once that is known: with `metrics: summed` a closing round is still to come. */
  readonly early?: string;
  /** Where the study declares statistics: what its sites told before the first round. */
  readonly statistics?: StatisticsRecord;
  /** Where the study declares them: cross-site matrices that were made, in the order of their rounds. */
  readonly matrices?: readonly MatrixRecord[];
}

/** Each site's own model of a round, on every site's validation cases. */
export interface MatrixRecord {
  readonly round: number;
  readonly startedMs: number;
  readonly closedMs: number;
  /** Sites whose models were measured, sorted. */
  readonly models: readonly string[];
  readonly cells: MatrixCells;
  /** Cells that never came, and why; sorted by the site that did not tell them. */
  readonly missing: readonly MissingCells[];
}

/** By the site that measured, and then by the site whose model it measured. */
export type MatrixCells = Readonly<Record<string, Readonly<Record<string, EvaluationRecord>>>>;

export interface MissingCells {
  readonly siteId: string;
  /** Whose models. */
  readonly models: readonly string[];
  readonly reason: string;
}

export interface StatisticsRecord {
  readonly startedMs: number;
  readonly closedMs: number;
  readonly sites: Readonly<Record<string, ToldStatistics>>;
  /** Sites of the roster that told nothing, and why. */
  readonly leftOut: readonly LeftOut[];
}

export interface ToldStatistics {
  readonly figures: DataStatistics;
  readonly atMs: number;
}

/** A sum of figures, of the sites named. */
export interface ToldFigures {
  readonly round: number;
  readonly sites: readonly string[];
  readonly figures: SummedFigures;
}

/** The rules of rounds that may change while a study runs. */
export interface RoundRules {
  readonly deadlineS: number;
  readonly quorum: number | "all";
  /** At most as many as the reviewers approved. */
  readonly rounds: number;
}

/** One live change, with its number from 1. Sites are told of it, and keep it. */
export interface LiveChange extends Partial<RoundRules> {
  readonly number: number;
  readonly kind: "paused" | "resumed" | "changed" | "begun";
  readonly reason: string;
  readonly atMs: number;
}

export interface Decision {
  readonly approved: boolean;
  /** Not the reviewer's word: the study lead revoked the site. */
  readonly revoked?: true;
  /** The round in which the site changed its mind, where the study was in one. */
  readonly inRound?: number;
  readonly reason: string;
  readonly atMs: number;
}

export interface UpdateRecord {
  readonly sha256: Sha256;
  readonly bytes: number;
  readonly trainingCases: number;
  readonly gradientSteps: number;
  /** Of partial work: the steps that whole work would have been; absent of whole work. */
  readonly stepsAsked?: number;
  readonly clippedCoordinates: number;
  readonly meanLoss: number | null;
  readonly runRecordSha256: Sha256;
  readonly attempt: number;
  readonly atMs: number;
  /** With `rounds.evaluateLocal`: the model that the round started from, and this site's own after training. */
  readonly local?: LocalFigures;
}

/** Scores on one site's validation cases, before its training and after it. */
export interface LocalFigures {
  readonly cases: number;
  readonly before: Readonly<Record<string, RegionSums>>;
  readonly after: Readonly<Record<string, RegionSums>>;
}

/** Sums over the cases in which a figure is defined, so that means of any grouping follow. */
export interface RegionSums {
  readonly diceSum: number;
  readonly diceCases: number;
  readonly hd95Sum: number;
  readonly hd95Cases: number;
  /** Where every site that has the figure tells them: the mean's interval follows. */
  readonly diceMoments?: PatientMoments;
  readonly hd95Moments?: PatientMoments;
}

export interface EvaluationRecord {
  readonly cases: number;
  /** Empty where the site has too few validation cases to tell. */
  readonly regions: Readonly<Record<string, RegionSums>>;
  readonly atMs: number;
}

export interface FailureRecord {
  /** How often the site failed at this piece of work. */
  readonly times: number;
  readonly code: string;
  readonly hint: string;
  readonly atMs: number;
}

export interface LeftOut {
  readonly siteId: string;
  readonly reason: string;
  /** Of a round's weights: what the site would have counted for, had every site been in; absent where its cases are not known. */
  readonly shareLost?: number;
}

/** A round that became no model: the study went on from the model before it. */
export interface FailedRound {
  readonly round: number;
  readonly startedMs: number;
  readonly atMs: number;
  readonly code: string;
  readonly reason: string;
  /** Updates that came and count nowhere. */
  readonly unused: readonly Sha256[];
}

/** A round that has a new global model. */
export interface RoundRecord {
  readonly round: number;
  readonly startedMs: number;
  readonly aggregatedMs: number;
  /** The model that the round started from. */
  readonly global: ObjectRef;
  readonly model: ObjectRef;
  readonly updates: Readonly<Record<string, UpdateRecord>>;
  /** Where not all sites train in a round: those that were drawn for this one, sorted. */
  readonly drawn?: readonly string[];
  readonly totalWeight: number;
  /** What each site counted for; shares sum to 1. */
  readonly shares: readonly { readonly siteId: string; readonly weight: number; readonly share: number }[];
  /** Sites of the roster without an update in it, and why. */
  readonly leftOut: readonly LeftOut[];
  readonly evaluation?: RoundEvaluation;
  /** With `metrics: summed`: what the masked sum said of this round's training, and of the model that it started from. */
  readonly figures?: SummedFigures;
}

/** A round before the last: what models are chosen by, and all else of its record as one text (`settled-rounds.ts`). */
export interface SettledRound {
  readonly round: number;
  readonly model: ObjectRef;
  readonly evaluation?: Pick<RoundEvaluation, "meanDice" | "regions">;
  readonly rest: string;
}

export interface RoundEvaluation {
  readonly sites: Readonly<Record<string, EvaluationRecord>>;
  readonly leftOut: readonly LeftOut[];
  readonly regions: Readonly<Record<string, RegionSums>>;
  /** Mean over the regions of the mean Dice over cases; null where no site has figures. */
  readonly meanDice: number | null;
  /** Validation cases in a masked sum of figures, where no site tells its own. */
  readonly summedCases?: number;
  /** Of sites that only evaluate: no model is chosen by it. */
  readonly outOfSample?: OutOfSample;
}

export interface OutOfSample {
  readonly sites: readonly string[];
  readonly regions: Readonly<Record<string, RegionSums>>;
  readonly meanDice: number | null;
}

/** A study that ended. */
export interface PastStudy {
  readonly record: StudyRecord;
  readonly end: StudyEnd;
}

export type StudyEnd = DoneEnd | FailedEnd;

export interface DoneEnd {
  readonly kind: "done";
  readonly atMs: number;
  readonly final: ObjectRef;
  readonly finalRound: number;
  readonly best: ObjectRef;
  readonly bestRound: number;
  /** The model of the highest mean Dice in each region; absent where no site has figures. */
  readonly bestByRegion?: Readonly<Record<string, RegionBest>>;
  /** Why it ended before its last round, where it did. */
  readonly early?: string;
}

export interface RegionBest {
  readonly round: number;
  readonly model: ObjectRef;
  readonly dice: number;
}

export interface FailedEnd {
  readonly kind: "failed";
  readonly atMs: number;
  readonly reason: string;
  readonly code: string;
  readonly round: number;
  /** Updates of the round that never became a model. */
  readonly unused: readonly Sha256[];
}

/** The bytes that a site signed, kept beside what they led to. */
export interface Evidence {
  /** The envelope's header, canonical JSON. */
  readonly header: string;
  /** base64 */
  readonly body: string;
  /** base64 */
  readonly signature: string;
}
