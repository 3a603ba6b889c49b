/**
 * Which large objects the coordinator still needs, whom they may go to, and which it may remove under the study's
 * `retain: none | last:N | all`.
 *
 * Invariants: initial, current, best (of all and of each region) and final models of every study are never removed; an
 * update goes to sites only while the cross-site matrix of its round is open, and is kept until that is made.
 */
import type { Sha256 } from "../base/index.ts";
import { bestByRegion, bestOf } from "./phases/ending.ts";
import type { ObjectRef, RoundRecord, StudyRecord } from "./records.ts";
import { roundCount, roundsOf, summariesOf } from "./settled-rounds.ts";
import { type CoordinatorState, participantsOf } from "./state.ts";

/** What a site of the study may fetch: models and the network's file; others' updates for a matrix alone, once it approved. */
export function readableObjects({ study, phase }: CoordinatorState, siteId: string): Map<Sha256, number> {
  if (study === null) return new Map();
  const readable: (ObjectRef | undefined)[] = [study.network, currentModel(study)];
  if (phase.kind === "done") {
    readable.push(phase.final, phase.best, ...Object.values(phase.bestByRegion ?? {}).map(({ model }) => model));
  }
  const crossed = study.lastRound;
  if (phase.kind === "crossing" && crossed !== undefined && participantsOf(study).includes(siteId)) {
    readable.push(crossed.global, ...phase.models.map((siteId) => crossed.updates[siteId]));
  }
  return new Map(readable.flatMap((object) => (object ? [[object.sha256, object.bytes] as const] : [])));
}

/** Up to where nothing is left to remove but models: studies that ended, and rounds of the one after them. */
export interface Pruned {
  readonly studies: number;
  readonly rounds: number;
}

export const NOTHING_PRUNED: Pruned = { studies: 0, rounds: 0 };

/** Where those stand that were asked for the obsolete objects of this state, and removed them. */
export function prunedUpTo({ study, past, phase }: CoordinatorState): Pruned {
  const held = neededForMatrix(study, phase).length > 0 ? 1 : 0;
  const rounds = study === null ? 0 : Math.min(firstRetained(study), roundCount(study) - held);
  return { studies: past.length, rounds };
}

/**
 * Objects of rounds that are past and nothing needs, over all studies.
 * @param pruned updates of these rounds were removed before, and are left out
 */
export function obsoleteObjects(
  { study, past, phase }: CoordinatorState,
  pruned: Pruned = NOTHING_PRUNED,
): Set<Sha256> {
  const ended = past.map(({ record, end }) => ({ record, unused: end.kind === "failed" ? end.unused : [] }));
  const last = study ? [{ record: study, unused: phase.kind === "failed" ? phase.unused : [] }] : [];
  const all = [...ended, ...last];
  const known = new Set(all.flatMap(({ record, unused }, i) => passing(record, unused, roundsPruned(pruned, i))));
  for (const object of neededForMatrix(study, phase)) known.delete(object);
  for (const { record } of all) for (const object of modelsKept(record)) known.delete(object);
  // What the last rounds keep is read where there is anything that it could keep.
  for (const { record, unused } of all) {
    if (known.size === 0) break;
    for (const object of retained(record, unused)) known.delete(object);
  }
  return known;
}

function roundsPruned({ studies, rounds }: Pruned, study: number): number {
  if (study < studies) return Number.POSITIVE_INFINITY;
  return study === studies ? rounds : 0;
}

/** What the study's rounds brought, and does not stay by its `retain`: other things may keep it. */
function passing(record: StudyRecord, unused: readonly Sha256[], pruned: number): Sha256[] {
  if (record.study.retain === "all") return [];
  const first = firstRetained(record);
  const models = summariesOf(record).map(({ model }) => model.sha256);
  const updates = roundsOf(record, roundBefore(record, pruned))
    .slice(0, Math.max(0, first - pruned))
    .flatMap(updatesOf);
  const failed = (record.failedRounds ?? []).flatMap((round) => round.unused);
  return [...models, ...updates, ...failed, ...unused];
}

/** The last round's updates and the model that they move, while its matrix is open or may be asked for. */
function neededForMatrix(study: StudyRecord | null, phase: CoordinatorState["phase"]): Sha256[] {
  const last = study?.lastRound;
  if (study?.study.rounds.crossSite === undefined || last === undefined) return [];
  if (phase.kind !== "evaluating" && phase.kind !== "crossing") return [];
  return [last.global.sha256, ...objectsOf(last)];
}

function objectsOf(round: RoundRecord): Sha256[] {
  return [round.model.sha256, ...updatesOf(round)];
}

function updatesOf({ updates }: RoundRecord): Sha256[] {
  return Object.values(updates).map(({ sha256 }) => sha256);
}

function modelsKept(study: StudyRecord): Sha256[] {
  const models = [study.initial, study.network, currentModel(study), bestOf(study)?.model];
  const byRegion = Object.values(bestByRegion(study)).map(({ model }) => model);
  return [...models, ...byRegion].flatMap((object) => object?.sha256 ?? []);
}

function retained(record: StudyRecord, unused: readonly Sha256[]): Sha256[] {
  const rounds = roundsOf(record, roundBefore(record, firstRetained(record))).flatMap(objectsOf);
  if (record.study.retain !== "all") return rounds;
  return [...rounds, ...(record.failedRounds ?? []).flatMap((round) => round.unused), ...unused];
}

/** How many rounds lie before those that `retain` keeps. */
function firstRetained(record: StudyRecord): number {
  const { retain } = record.study;
  if (retain === "all") return 0;
  if (retain === "none") return roundCount(record);
  return Math.max(0, roundCount(record) - Number(retain.slice("last:".length)));
}

/** The number of the last of so many rounds, counted from the first. */
function roundBefore(record: StudyRecord, rounds: number): number {
  if (rounds <= 0) return 0;
  return summariesOf(record)[rounds - 1]?.round ?? Number.POSITIVE_INFINITY;
}

function currentModel(study: StudyRecord): ObjectRef {
  return study.lastRound?.model ?? study.initial;
}
