/**
 * Rounds in the state. Only the last one is ever looked at site by site while a study goes on: of those before it the
 * state keeps what models are chosen by, and the rest as one short text, an eighth of the record, so that a study of
 * many rounds at many sites stays small in memory and in snapshots. Whoever tells of rounds unpacks them.
 *
 * Invariants: packing is a pure function of the record; unpacked, a record is the one that was packed.
 */
import { canonicalJson, invariant, type Json } from "../base/index.ts";
import { hadTheirTurn } from "./draw-sites.ts";
import { type Column, packColumn, unpackColumn } from "./pack-columns.ts";
import type {
  EvaluationRecord,
  RoundEvaluation,
  RoundRecord,
  SettledRound,
  StudyRecord,
  UpdateRecord,
} from "./records.ts";

/** What models are chosen by. */
export type RoundSummary = Pick<SettledRound, "round" | "model" | "evaluation">;

/** What one site did in a round: in the order of the sites' names. */
interface SiteRow {
  readonly update?: UpdateRecord;
  readonly share?: { readonly weight: number; readonly share: number };
  readonly evaluation?: EvaluationRecord;
}

/** What is packed: all of a record but its summary. */
interface Rest extends Omit<RoundRecord, "round" | "model" | "updates" | "shares" | "evaluation"> {
  readonly evaluation?: Omit<RoundEvaluation, "sites" | "regions" | "meanDice">;
  readonly sites: readonly string[];
  readonly rows: Column;
}

/** The study with one more round that has a model. */
export function withRound(study: StudyRecord, record: RoundRecord): StudyRecord {
  const { lastRound, settled, contributors, turns = [] } = study;
  const { updates, drawn = Object.keys(updates) } = record;
  return {
    ...study,
    settled: lastRound === undefined ? settled : [...settled, settle(lastRound)],
    lastRound: record,
    contributors: [...new Set([...contributors, ...Object.keys(updates)])].sort(),
    ...(study.study.rounds.sitesPerRound !== undefined && { turns: [...hadTheirTurn([turns, drawn])].sort() }),
  };
}

/** The study with the figures of its last round's model. */
export function withEvaluation(study: StudyRecord, evaluation: RoundEvaluation): StudyRecord {
  invariant(study.lastRound !== undefined, "an evaluation of a round");
  return { ...study, lastRound: { ...study.lastRound, evaluation } };
}

/**
 * The rounds of a study that have a model, in order.
 * @param after leaves out rounds up to this one
 */
export function roundsOf(study: StudyRecord | null | undefined, after = 0): RoundRecord[] {
  if (!study) return [];
  const last = study.lastRound !== undefined && study.lastRound.round > after ? [study.lastRound] : [];
  return [...study.settled.filter(({ round }) => round > after).map(unsettled), ...last];
}

/** One of them. */
export function roundOf(study: StudyRecord, round: number): RoundRecord | undefined {
  if (study.lastRound?.round === round) return study.lastRound;
  const found = study.settled.find((each) => each.round === round);
  return found && unsettled(found);
}

/** All of them, as far as models are chosen by them. */
export function summariesOf({ settled, lastRound }: StudyRecord): readonly RoundSummary[] {
  return lastRound === undefined ? settled : [...settled, lastRound];
}

/** How many they are. */
export function roundCount(study: StudyRecord | null | undefined): number {
  return study ? study.settled.length + (study.lastRound === undefined ? 0 : 1) : 0;
}

export function settle(record: RoundRecord): SettledRound {
  const { round, model, updates, shares, evaluation, ...rest } = record;
  const shareOf = new Map(shares.map(({ siteId, ...share }) => [siteId, share]));
  const told = evaluation?.sites ?? {};
  const sites = [...new Set([...Object.keys(updates), ...shareOf.keys(), ...Object.keys(told)])].sort();
  const rows = sites.map((siteId): SiteRow => {
    const share = shareOf.get(siteId);
    return {
      ...(Object.hasOwn(updates, siteId) && { update: updates[siteId] }),
      ...(share && { share }),
      ...(Object.hasOwn(told, siteId) && { evaluation: told[siteId] }),
    };
  });
  const packed: Rest = { ...rest, sites, rows: packColumn(rows as unknown as Json[]) };
  if (evaluation === undefined) return { round, model, rest: textOf(packed) };
  const { sites: _, meanDice, regions, ...others } = evaluation;
  return { round, model, evaluation: { meanDice, regions }, rest: textOf({ ...packed, evaluation: others }) };
}

export function unsettled({ round, model, evaluation, rest: text }: SettledRound): RoundRecord {
  const { sites, rows: column, evaluation: others, ...rest } = JSON.parse(text) as Rest;
  const rows = unpackColumn(column, sites.length) as unknown as SiteRow[];
  const each = <K extends keyof SiteRow>(key: K): [string, NonNullable<SiteRow[K]>][] =>
    rows.flatMap((row, i) => {
      const value = row[key];
      return value === undefined ? [] : [[sites[i], value]];
    });
  return {
    ...rest,
    round,
    model,
    updates: Object.fromEntries(each("update")),
    shares: each("share").map(([siteId, share]) => ({ siteId, ...share })),
    ...(evaluation &&
      others && { evaluation: { ...others, ...evaluation, sites: Object.fromEntries(each("evaluation")) } }),
  };
}

/** By way of bytes: a text that was put together keeps all of its parts in memory. */
function textOf(rest: Rest): string {
  return Buffer.from(canonicalJson(rest as unknown as Json), "utf8").toString("utf8");
}
