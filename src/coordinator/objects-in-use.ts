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
import { type CoordinatorState, participantsOf } from "./state.ts";

/** What a site of the study may fetch: models and the network's file; others' updates for a matrix alone, once it approved. */
export function readableObjects({ study, phase }: CoordinatorState, siteId: string): Map<Sha256, number> {
  if (study === null) return new Map();
  const readable: (ObjectRef | undefined)[] = [study.network, currentModel(study)];
  if (phase.kind === "done") {
    readable.push(phase.final, phase.best, ...Object.values(phase.bestByRegion ?? {}).map(({ model }) => model));
  }
  const crossed = study.rounds.at(-1);
  if (phase.kind === "crossing" && crossed !== undefined && participantsOf(study).includes(siteId)) {
    readable.push(crossed.global, ...phase.models.map((siteId) => crossed.updates[siteId]));
  }
  return new Map(readable.flatMap((object) => (object ? [[object.sha256, object.bytes] as const] : [])));
}

/** Objects of rounds that are past and nothing needs, over all studies. */
export function obsoleteObjects({ study, past, phase }: CoordinatorState): Set<Sha256> {
  const ended = past.map(({ record, end }) => ({ record, unused: end.kind === "failed" ? end.unused : [] }));
  const last = study ? [{ record: study, unused: phase.kind === "failed" ? phase.unused : [] }] : [];
  const kept = new Set<Sha256>();
  const known = new Set<Sha256>();
  for (const object of neededForMatrix(study, phase)) kept.add(object);
  for (const { record, unused } of [...ended, ...last]) {
    for (const object of keptOf(record)) kept.add(object);
    for (const object of record.rounds.flatMap(objectsOf)) known.add(object);
    const failed = (record.failedRounds ?? []).flatMap((round) => round.unused);
    for (const object of failed) (record.study.retain === "all" ? kept : known).add(object);
    for (const object of unused) (record.study.retain === "all" ? kept : known).add(object);
  }
  return new Set([...known].filter((object) => !kept.has(object)));
}

/** The last round's updates and the model that they move, while its matrix is open or may be asked for. */
function neededForMatrix(study: StudyRecord | null, phase: CoordinatorState["phase"]): Sha256[] {
  const last = study?.rounds.at(-1);
  if (study?.study.rounds.crossSite === undefined || last === undefined) return [];
  if (phase.kind !== "evaluating" && phase.kind !== "crossing") return [];
  return [last.global.sha256, ...objectsOf(last)];
}

function objectsOf({ model, updates }: RoundRecord): Sha256[] {
  return [model.sha256, ...Object.values(updates).map(({ sha256 }) => sha256)];
}

function keptOf(study: StudyRecord): Sha256[] {
  const retained = study.rounds.slice(firstRetained(study));
  const models = [study.initial, study.network, currentModel(study), bestOf(study.rounds)?.model];
  const byRegion = Object.values(bestByRegion(study.rounds)).map(({ model }) => model);
  return [...[...models, ...byRegion].flatMap((object) => object?.sha256 ?? []), ...retained.flatMap(objectsOf)];
}

function firstRetained({ study, rounds }: StudyRecord): number {
  const { retain } = study;
  if (retain === "all") return 0;
  if (retain === "none") return rounds.length;
  return Math.max(0, rounds.length - Number(retain.slice("last:".length)));
}

function currentModel(study: StudyRecord): ObjectRef {
  return study.rounds.at(-1)?.model ?? study.initial;
}
