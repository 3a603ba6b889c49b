/** The models that studies ended with, latest first: their lineage and their figures by site. */
import type { Study } from "../study/index.ts";
import { roundCount, roundOf, summariesOf } from "./settled-rounds.ts";
import type { CoordinatorState } from "./state.ts";
import { type FigureStatus, offIn, type RoundStatus, roundStatusOf, type TrainedStatus } from "./status.ts";

export interface ModelEntry {
  readonly study: string;
  readonly studyHash: string;
  readonly endedMs: number;
  /** Null for a study that ended without one. */
  readonly reason: string | null;
  readonly best: { readonly round: number; readonly sha256: string; readonly bytes: number } | null;
  readonly final: { readonly round: number; readonly sha256: string; readonly bytes: number } | null;
  readonly network: string;
  readonly parameterCount: number;
  readonly trainedFrom: { readonly sha256: string; readonly given: boolean };
  readonly rounds: number;
  readonly sites: readonly ModelSite[];
  /** What all sites did together in the best model's round. */
  readonly trained: TrainedStatus | null;
  /** What of single sites the study's privacy switches off, in words. */
  readonly off: readonly string[];
  /** Of the best model, over all sites that tell. */
  readonly figures: FigureStatus | null;
  readonly privacy: string;
}

interface ModelSite {
  readonly id: string;
  readonly share: number;
  readonly trainingCases: number;
  readonly first: FigureStatus | null;
  readonly best: FigureStatus | null;
}

type Record = NonNullable<CoordinatorState["study"]>;
type End = CoordinatorState["past"][number]["end"];

export function modelsOf(state: CoordinatorState): readonly ModelEntry[] {
  const { phase, study, past } = state;
  const latest = study !== null && (phase.kind === "done" || phase.kind === "failed") ? [entry(study, phase)] : [];
  return [...latest, ...past.map(({ record, end }) => entry(record, end)).reverse()];
}

function entry(record: Record, end: End): ModelEntry {
  const { study, hash, parameterCount, initial } = record;
  const done = end.kind === "done";
  const shown = (round: number | undefined): RoundStatus | undefined => {
    const found = round === undefined ? undefined : roundOf(record, round);
    return found && roundStatusOf(found, study);
  };
  const best = done ? shown(end.bestRound) : undefined;
  const first = shown(summariesOf(record)[0]?.round);
  const figuresAt = (round: RoundStatus | undefined, id: string): FigureStatus | null =>
    round?.sites.find((site) => site.id === id)?.dice ?? null;
  return {
    study: study.name,
    studyHash: hash,
    endedMs: end.atMs,
    reason: done ? null : end.reason,
    best: done ? { round: end.bestRound, ...end.best } : null,
    final: done ? { round: end.finalRound, ...end.final } : null,
    network: study.network.kind,
    parameterCount,
    trainedFrom: { sha256: initial.sha256, given: study.initial !== undefined },
    rounds: roundCount(record),
    sites: record.roster.map(({ siteId: id }) => {
      const counted = best?.sites.find((site) => site.id === id);
      return {
        id,
        share: counted?.share ?? 0,
        trainingCases: counted?.trainingCases ?? 0,
        first: figuresAt(first, id),
        best: figuresAt(best, id),
      };
    }),
    trained: best === undefined ? null : best.trained,
    off: offIn(record),
    figures: best?.dice ?? null,
    privacy: privacyOf(study),
  };
}

function privacyOf({ privacy }: Study): string {
  const { patientLevel, siteLevel, secureAggregation } = privacy;
  const noise = [
    ...(patientLevel === undefined ? [] : ["noise for each patient"]),
    ...(siteLevel === undefined ? [] : ["noise for each site"]),
  ];
  const bound = noise.length === 0 ? "no noise: nothing bounds what it says of a patient" : noise.join(" and ");
  return `${secureAggregation === undefined ? "updates seen one by one" : "updates masked"}; ${bound}`;
}
