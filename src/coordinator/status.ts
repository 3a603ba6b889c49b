/** Where the federation is, for people and programs: one JSON document out of the state and the last signs of life. */
import { intervalOfMoments, NO_PATIENTS } from "../aggregation/index.ts";
import { type Sha256, sumBy } from "../base/index.ts";
import { certificateFingerprint, isIssued, readCertificate } from "../protocol/index.ts";
import { inRegionOrder, type Study } from "../study/index.ts";
import type { Authorities } from "./authority.ts";
import type { Contacts } from "./contacts.ts";
import type { Federation } from "./home.ts";
import { isClosing, isSummed, maskingOf, sitesHeard } from "./masked-round.ts";
import { type MatrixProgress, type MatrixStatus, matrixProgress, matrixStatuses } from "./matrix-status.ts";
import { nextModel } from "./phases/crossing.ts";
import { bestByRegion, bestOf } from "./phases/ending.ts";
import { siteMeanDice } from "./phases/evaluating.ts";
import type {
  EvaluationRecord,
  FailedRound,
  LeftOut,
  LiveChange,
  LocalFigures,
  PastStudy,
  RegionSums,
  RoundEvaluation,
  RoundRecord,
  RoundRules,
  StudyEnd,
  StudyRecord,
  UpdateRecord,
} from "./records.ts";
import { roundCount, roundsOf } from "./settled-rounds.ts";
import { type CoordinatorState, type Phase, participantsOf, pauseOf, rulesOf } from "./state.ts";
import { type StatisticsStatus, statisticsStatus } from "./statistics-status.ts";

export interface CoordinatorStatus {
  readonly federation: {
    readonly name: string;
    readonly id: Sha256;
    readonly address: string;
    readonly authority: AuthorityStatus;
  };
  /** Whether sites are being served: false where a stopped coordinator's home was read. */
  readonly serving: boolean;
  readonly sites: readonly SiteStatus[];
  readonly invitations: readonly InvitationStatus[];
  /** The study underway, or the one that ended last. */
  readonly study: StudyStatus | null;
  readonly past: readonly PastStatus[];
  /** The last thing that went wrong at the coordinator itself, where something did. */
  readonly trouble: { readonly message: string; readonly atMs: number } | null;
}

export interface AuthorityStatus {
  /** Whether its key is encrypted at rest. */
  readonly keySealed: boolean;
  readonly notAfterMs: number;
  /** While it is being rotated: the one before, until when both are believed, and sites that still have its certificates. */
  readonly rotation: {
    readonly fromSha256: Sha256;
    readonly endsMs: number;
    readonly awaited: readonly string[];
  } | null;
}

export interface SiteStatus {
  readonly id: string;
  readonly productVersion: string;
  /** Since when the site has its key. */
  readonly enrolledMs: number;
  readonly certificateExpiresMs: number;
  readonly revoked: string | null;
  readonly lastContactMs: number | null;
  /** The site's clock less the coordinator's, at its last sign of life since the coordinator started. */
  readonly clockOffsetMs: number | null;
  /** Whether its last message came over mutual TLS: not through a proxy that ends TLS. Null until it speaks. */
  readonly mutualTls: boolean | null;
  readonly activity: string | null;
  readonly stepsDone: number | null;
  readonly stepsTotal: number | null;
  readonly cases: { readonly training: number; readonly validation: number } | null;
  /** Of the study underway: null where the site is not on its roster or has not decided. */
  readonly approved: boolean | null;
}

export interface InvitationStatus {
  readonly siteId: string;
  readonly expiresMs: number;
  readonly used: boolean;
}

export interface StudyStatus {
  readonly name: string;
  readonly hash: Sha256;
  readonly phase: Exclude<Phase["kind"], "idle">;
  /** The round underway, or the last one. */
  readonly round: number;
  readonly roundsInAll: number;
  readonly deadlineMs: number | null;
  readonly roster: readonly string[];
  readonly decisions: Readonly<Record<string, { readonly approved: boolean; readonly reason: string }>>;
  /** Sites whose part of the present work is there. */
  readonly came: readonly string[];
  /** Where only some sites train in a round: those of the round underway; else null. */
  readonly drawn: readonly string[] | null;
  /** Failures at the present work, by site. */
  readonly failures: Readonly<Record<string, { readonly times: number; readonly code: string; readonly hint: string }>>;
  readonly rounds: readonly RoundStatus[];
  /** Rounds that became no model, and why. */
  readonly failedRounds: readonly FailedRound[];
  readonly best: { readonly round: number; readonly meanDice: number; readonly sha256: Sha256 } | null;
  /** The round and Dice of each region's best model so far. */
  readonly bestByRegion: Readonly<
    Record<string, { readonly round: number; readonly dice: number; readonly sha256: Sha256 }>
  >;
  /** Sites that train nothing. */
  readonly evaluateOnly: readonly string[];
  readonly end: StudyEnd | null;
  /** The rules of rounds as they hold now. */
  readonly rules: RoundRules;
  readonly paused: { readonly reason: string; readonly atMs: number } | null;
  /** What was changed while the study ran, in order. */
  readonly changes: readonly LiveChange[];
  /** Where the study declares statistics and its sites were asked: sums over sites, and who told nothing. */
  readonly statistics: StatisticsStatus | null;
  /** Cross-site matrices, in the order of their rounds; empty where none was asked for, or none is made yet. */
  readonly matrices: readonly MatrixStatus[];
  /** Where one is being made. */
  readonly matrixUnderway: MatrixProgress | null;
  /** What this study's privacy switches off, in words. */
  readonly off: readonly string[];
}

export interface RoundStatus {
  readonly round: number;
  readonly seconds: number;
  readonly startedMs: number;
  readonly aggregatedMs: number;
  /** When the last site's figures were there; null where the round was not evaluated. */
  readonly evaluatedMs: number | null;
  readonly modelSha256: Sha256;
  readonly sites: readonly RoundSiteStatus[];
  readonly leftOut: readonly LeftOut[];
  readonly dice: FigureStatus | null;
  /** Of sites that only evaluate, each and together; empty and null where there are none. */
  readonly outOfSample: {
    readonly sites: Readonly<Record<string, FigureStatus | null>>;
    readonly dice: FigureStatus;
  } | null;
  /** What all sites did together: by their own words, or, with `metrics: summed`, by the masked sum; `sites` is then empty. */
  readonly trained: TrainedStatus;
}

export interface TrainedStatus {
  /** Sites in the sum. */
  readonly sites: number;
  readonly trainingCases: number;
  readonly gradientSteps: number;
  /** Over the steps of all sites; null with patient-level privacy. */
  readonly meanLoss: number | null;
  readonly clippedCoordinates: number;
}

export interface RoundSiteStatus {
  readonly id: string;
  readonly share: number;
  /** What it would have counted for with every site of the roster in the round, as far as their cases are known. */
  readonly shareOfAll: number;
  readonly trainingCases: number;
  readonly gradientSteps: number;
  /** Of partial work: the steps that whole work would have been; null of whole work. */
  readonly stepsAsked: number | null;
  /** Null with patient-level privacy, where no loss leaves a site. */
  readonly meanLoss: number | null;
  readonly clippedCoordinates: number;
  /** When its update was there. */
  readonly cameMs: number;
  readonly updateBytes: number;
  readonly dice: FigureStatus | null;
  /** With `rounds.evaluateLocal`: on this site's validation cases, the round's model before training and its own after it. */
  readonly local: { readonly before: FigureStatus | null; readonly after: FigureStatus | null } | null;
}

export interface FigureStatus {
  /** Mean of the regions; null where none is defined. */
  readonly mean: number | null;
  readonly cases: number;
  readonly regions: Readonly<Record<string, RegionFigure>>;
}

export interface RegionFigure {
  /** Means over cases; HD95 in mm. */
  readonly dice: number | null;
  readonly hd95: number | null;
  /** 95 % by Student's t over patients; null where sites do not tell what it follows from. */
  readonly diceInterval: readonly [number, number] | null;
  readonly hd95Interval: readonly [number, number] | null;
}

export interface PastStatus {
  readonly name: string;
  readonly hash: Sha256;
  readonly rounds: number;
  readonly end: StudyEnd;
}

export interface StatusOptions {
  readonly federation: Federation & Authorities;
  readonly nowMs: number;
  readonly state: CoordinatorState;
  readonly contacts: Contacts;
  readonly serving: boolean;
  readonly trouble: CoordinatorStatus["trouble"];
  /** Rounds up to this one are left out. */
  readonly roundsAfter?: number;
}

type OfTask = Pick<Study, "task">;

const OFF_WHERE_SUMMED: readonly string[] = [
  "Cases, losses and Dice of single sites are off (metrics: summed): each site compares itself with the others.",
  "Shares of single sites in the model are off: weights are summed under masks.",
];

export function statusOf(options: StatusOptions): CoordinatorStatus {
  const { federation, state, contacts, serving, trouble, roundsAfter = 0 } = options;
  const { name, id, address } = federation;
  return {
    federation: { name, id, address, authority: authorityStatus(options) },
    serving,
    sites: Object.keys(state.sites)
      .sort()
      .map((siteId) => siteStatus(state, siteId, contacts)),
    invitations: Object.values(state.invitations).map(({ siteId, expiresMs, usedByKeySha256 }) => ({
      siteId,
      expiresMs,
      used: usedByKeySha256 !== undefined,
    })),
    study: state.study && studyStatus(state, state.study, roundsAfter),
    past: state.past.map(pastStatus),
    trouble,
  };
}

function authorityStatus({ federation: { authority, previous }, state, nowMs }: StatusOptions): AuthorityStatus {
  const { notAfterMs } = readCertificate(authority.certificatePem);
  const told = { keySealed: authority.sealed, notAfterMs };
  if (previous === null || nowMs >= previous.succession.endsMs) return { ...told, rotation: null };
  const awaited = Object.values(state.sites)
    .filter(
      ({ revoked, certificatePem }) => revoked === undefined && !isIssued(certificatePem, authority.certificatePem),
    )
    .map(({ siteId }) => siteId)
    .sort();
  const fromSha256 = certificateFingerprint(previous.certificatePem);
  return { ...told, rotation: { fromSha256, endsMs: previous.succession.endsMs, awaited } };
}

function siteStatus(state: CoordinatorState, siteId: string, contacts: Contacts): SiteStatus {
  const { keySha256, productVersion, enrolledMs, data, certificatePem, revoked } = state.sites[siteId];
  const active = contacts.activityOf(siteId);
  return {
    id: siteId,
    productVersion,
    enrolledMs,
    certificateExpiresMs: readCertificate(certificatePem).notAfterMs,
    revoked: revoked?.reason ?? null,
    lastContactMs: contacts.lastHeard(keySha256)?.atMs ?? null,
    clockOffsetMs: active?.clockOffsetMs ?? null,
    mutualTls: contacts.hasMutualTls(siteId) ?? null,
    activity: active?.activity ?? null,
    stepsDone: active?.stepsDone ?? null,
    stepsTotal: active?.stepsTotal ?? null,
    cases: data ? { training: data.trainingCases, validation: data.validationCases } : null,
    approved: state.study?.approvals[siteId]?.approved ?? null,
  };
}

function studyStatus({ phase }: CoordinatorState, study: StudyRecord, roundsAfter: number): StudyStatus {
  const best = bestStatus(study);
  const pause = pauseOf(study);
  return {
    name: study.study.name,
    hash: study.hash,
    phase: phase.kind === "idle" ? "failed" : phase.kind,
    round: roundShown(phase, study),
    roundsInAll: rulesOf(study).rounds,
    deadlineMs: "deadlineMs" in phase ? phase.deadlineMs : null,
    roster: study.roster.map(({ siteId }) => siteId),
    decisions: study.approvals,
    came: cameOf(phase),
    drawn: (phase.kind === "collecting" && phase.drawn) || null,
    failures: failuresOf(phase),
    rounds: roundsOf(study, roundsAfter).map((round) => roundStatusOf(round, study.study)),
    failedRounds: study.failedRounds ?? [],
    best,
    bestByRegion: Object.fromEntries(
      Object.entries(bestByRegion(study)).map(([region, { round, dice, model }]) => {
        return [region, { round, dice, sha256: model.sha256 }];
      }),
    ),
    evaluateOnly: study.study.evaluateOnly ?? [],
    end: phase.kind === "done" || phase.kind === "failed" ? phase : null,
    rules: rulesOf(study),
    paused: pause === undefined ? null : { reason: pause.reason, atMs: pause.atMs },
    changes: study.changes ?? [],
    statistics: statisticsStatus(study),
    matrices: matrixStatuses(study, roundsAfter),
    matrixUnderway: phase.kind === "crossing" ? matrixProgress(phase, participantsOf(study).length) : null,
    off: offIn(study),
  };
}

/** The closing round of summed figures has a number of its own, and is about the last round's model. */
function roundShown(phase: Phase, study: StudyRecord): number {
  const last = study.lastRound?.round ?? 0;
  if (!("round" in phase) || isClosing(study, phase.round)) return last;
  return Math.min(phase.round, rulesOf(study).rounds);
}

/** What a study's privacy switches off, in words. */
export function offIn(study: StudyRecord): readonly string[] {
  return isSummed(study) ? OFF_WHERE_SUMMED : [];
}

/** In a matrix the last failure of each site. */
function failuresOf(phase: Phase): StudyStatus["failures"] {
  switch (phase.kind) {
    case "surveying":
    case "collecting":
    case "evaluating":
      return phase.failures;
    case "crossing":
      return Object.fromEntries(
        Object.entries(phase.failures).map(([siteId, byModel]) => {
          return [siteId, Object.values(byModel).reduce((last, each) => (each.atMs > last.atMs ? each : last))];
        }),
      );
    default:
      return {};
  }
}

function cameOf(phase: Phase): readonly string[] {
  switch (phase.kind) {
    case "collecting":
      return Object.keys(phase.updates).sort();
    case "surveying":
      return Object.keys(phase.told).sort();
    case "evaluating":
      return Object.keys(phase.evaluations).sort();
    case "crossing":
      return Object.keys(phase.cells)
        .filter((siteId) => nextModel(phase, siteId) === undefined)
        .sort();
    case "agreeing":
    case "unmasking":
      return sitesHeard(maskingOf(phase.masking));
    default:
      return [];
  }
}

function bestStatus(study: StudyRecord): StudyStatus["best"] {
  const round = bestOf(study);
  const meanDice = round?.evaluation?.meanDice ?? null;
  return round && meanDice !== null ? { round: round.round, meanDice, sha256: round.model.sha256 } : null;
}

/** @param study whose round it is */
export function roundStatusOf(record: RoundRecord, study: OfTask): RoundStatus {
  const { round, startedMs, aggregatedMs, model, updates, shares, leftOut, evaluation, figures } = record;
  const present = 1 - leftOut.reduce((sum, { shareLost = 0 }) => sum + shareLost, 0);
  return {
    round,
    seconds: (aggregatedMs - startedMs) / 1000,
    startedMs,
    aggregatedMs,
    evaluatedMs: evaluation ? Math.max(aggregatedMs, ...Object.values(evaluation.sites).map(({ atMs }) => atMs)) : null,
    modelSha256: model.sha256,
    sites: shares.map(({ siteId, share }) => {
      const {
        trainingCases,
        gradientSteps,
        stepsAsked = null,
        meanLoss,
        clippedCoordinates,
        atMs,
        bytes,
        local,
      } = updates[siteId];
      const told = evaluation?.sites[siteId];
      const dice = told ? siteFigures(study, told) : null;
      const work = { trainingCases, gradientSteps, stepsAsked, meanLoss, clippedCoordinates };
      return {
        id: siteId,
        share,
        shareOfAll: share * present,
        ...work,
        cameMs: atMs,
        updateBytes: bytes,
        dice,
        local: local ? localStatus(study, local) : null,
      };
    }),
    leftOut,
    dice: evaluation ? allFigures(study, evaluation) : null,
    outOfSample: outOfSampleStatus(study, evaluation),
    trained:
      figures === undefined
        ? trainedBy(shares.map(({ siteId }) => updates[siteId]))
        : trainedInSum(Object.keys(updates).length, figures),
  };
}

/** The mean loss is null where a site keeps its own. */
function trainedBy(updates: readonly UpdateRecord[]): TrainedStatus {
  const gradientSteps = sumBy(updates, (update) => update.gradientSteps);
  const isTold = gradientSteps > 0 && updates.every(({ meanLoss }) => meanLoss !== null);
  return {
    sites: updates.length,
    trainingCases: sumBy(updates, ({ trainingCases }) => trainingCases),
    gradientSteps,
    meanLoss: isTold ? sumBy(updates, (update) => (update.meanLoss ?? 0) * update.gradientSteps) / gradientSteps : null,
    clippedCoordinates: sumBy(updates, ({ clippedCoordinates }) => clippedCoordinates),
  };
}

function trainedInSum(sites: number, figures: NonNullable<RoundRecord["figures"]>): TrainedStatus {
  const { trainingCases, gradientSteps, lossSum, lossSteps, clippedCoordinates } = figures;
  const meanLoss = lossSteps > 0 ? lossSum / lossSteps : null;
  return { sites, trainingCases, gradientSteps, meanLoss, clippedCoordinates };
}

function localStatus(study: OfTask, { cases, before, after }: LocalFigures): RoundSiteStatus["local"] {
  const figures = (regions: LocalFigures["before"]): FigureStatus | null =>
    siteFigures(study, { cases, regions, atMs: 0 });
  return { before: figures(before), after: figures(after) };
}

function outOfSampleStatus(study: OfTask, evaluation: RoundEvaluation | undefined): RoundStatus["outOfSample"] {
  if (evaluation?.outOfSample === undefined) return null;
  const { meanDice, regions } = evaluation.outOfSample;
  const sites = Object.fromEntries(
    evaluation.outOfSample.sites.map((siteId) => [siteId, siteFigures(study, evaluation.sites[siteId])]),
  );
  const cases = Object.values(sites).reduce((sum, each) => sum + (each?.cases ?? 0), 0);
  return { sites, dice: { mean: meanDice, cases, regions: meansOf(study, regions) } };
}

function siteFigures(study: OfTask, record: EvaluationRecord): FigureStatus | null {
  if (Object.keys(record.regions).length === 0) return null;
  return { mean: siteMeanDice(record), cases: record.cases, regions: meansOf(study, record.regions) };
}

function allFigures(study: OfTask, evaluation: RoundEvaluation): FigureStatus {
  const { meanDice, regions, sites, summedCases, outOfSample } = evaluation;
  const told = Object.entries(sites)
    .filter(([siteId, site]) => Object.keys(site.regions).length > 0 && !outOfSample?.sites.includes(siteId))
    .map(([, site]) => site);
  const cases = summedCases ?? told.reduce((sum, each) => sum + each.cases, 0);
  return { mean: meanDice, cases, regions: meansOf(study, regions) };
}

function meansOf(study: OfTask, regions: Readonly<Record<string, RegionSums>>): FigureStatus["regions"] {
  const ordered = Object.entries(inRegionOrder(study, regions));
  return Object.fromEntries(ordered.map(([region, sums]) => [region, figureOf(sums)]));
}

function figureOf({ diceSum, diceCases, hd95Sum, hd95Cases, diceMoments, hd95Moments }: RegionSums): RegionFigure {
  return {
    dice: diceCases > 0 ? diceSum / diceCases : null,
    hd95: hd95Cases > 0 ? hd95Sum / hd95Cases : null,
    diceInterval: intervalOfMoments(diceSum, diceCases, diceMoments ?? NO_PATIENTS, [0, 1]),
    hd95Interval: intervalOfMoments(hd95Sum, hd95Cases, hd95Moments ?? NO_PATIENTS, [0, Number.POSITIVE_INFINITY]),
  };
}

function pastStatus({ record, end }: PastStudy): PastStatus {
  return { name: record.study.name, hash: record.hash, rounds: roundCount(record), end };
}
