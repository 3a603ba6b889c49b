/** Cross-site matrices for people and programs: a row for each model, the global one first, a cell for each site. */
import { inRegionOrder, type Study } from "../study/index.ts";
import { meanDiceOf } from "./phases/evaluating.ts";
import type { EvaluationRecord, MatrixRecord, MissingCells, RoundRecord, StudyRecord } from "./records.ts";
import { roundOf } from "./settled-rounds.ts";
import type { Crossing } from "./state.ts";

export interface MatrixStatus {
  readonly round: number;
  readonly closedMs: number;
  /** Columns: the sites that measured, or were to, sorted. */
  readonly sites: readonly string[];
  readonly rows: readonly MatrixRow[];
  /** Cells that never came, and why. */
  readonly missing: readonly MissingCells[];
}

export interface MatrixRow {
  /** Whose model; null of the round's global model. */
  readonly of: string | null;
  /** In the order of `sites`; null where it never came, or where the site has too few validation cases to tell. */
  readonly cells: readonly (MatrixCell | null)[];
}

export interface MatrixCell {
  readonly cases: number;
  /** Mean over regions of the mean Dice over cases; null where none is defined. */
  readonly mean: number | null;
  /** Means over cases; HD95 in mm. */
  readonly regions: Readonly<Record<string, { readonly dice: number | null; readonly hd95: number | null }>>;
}

/** How far a matrix is that is being made. */
export interface MatrixProgress {
  readonly round: number;
  readonly cells: number;
  readonly cellsInAll: number;
}

/** @param roundsAfter leaves out matrices of rounds up to this one */
export function matrixStatuses(study: StudyRecord, roundsAfter = 0): MatrixStatus[] {
  const { matrices = [] } = study;
  return matrices
    .filter(({ round }) => round > roundsAfter)
    .map((matrix) => matrixStatus(study.study, matrix, roundOf(study, matrix.round)));
}

function matrixStatus(study: Study, matrix: MatrixRecord, summed: RoundRecord | undefined): MatrixStatus {
  const { round, closedMs, models, cells, missing } = matrix;
  const evaluated = summed?.evaluation?.sites ?? {};
  const told = [...Object.keys(cells), ...Object.keys(evaluated), ...missing.map(({ siteId }) => siteId)];
  const sites = [...new Set(told)].sort();
  const row = (of: string | null, at: (siteId: string) => EvaluationRecord | undefined): MatrixRow => ({
    of,
    cells: sites.map((siteId) => cellOf(study, at(siteId))),
  });
  const rows = [
    row(null, (siteId) => evaluated[siteId]),
    ...models.map((of) => row(of, (siteId) => cells[siteId]?.[of])),
  ];
  return { round, closedMs, sites, rows, missing };
}

function cellOf(study: Study, told: EvaluationRecord | undefined): MatrixCell | null {
  if (told === undefined || Object.keys(told.regions).length === 0) return null;
  const regions = Object.fromEntries(
    Object.entries(inRegionOrder(study, told.regions)).map(([region, { diceSum, diceCases, hd95Sum, hd95Cases }]) => {
      return [region, { dice: meanOf(diceSum, diceCases), hd95: meanOf(hd95Sum, hd95Cases) }];
    }),
  );
  return { cases: told.cases, mean: meanDiceOf(told.regions), regions };
}

function meanOf(sum: number, cases: number): number | null {
  return cases > 0 ? sum / cases : null;
}

/** @param participants how many sites measure */
export function matrixProgress({ round, models, cells }: Crossing, participants: number): MatrixProgress {
  const came = Object.values(cells).reduce((sum, row) => sum + Object.keys(row).length, 0);
  return { round, cells: came, cellsInAll: models.length * participants };
}
