/**
 * Federated statistics of the sites' data: what one site tells, and whether that can be true.
 *
 * Every figure is a whole number (cases, voxels, micrometres, cubic millimetres), so sums over sites are exact and equal
 * to the same figures of the pooled data. `null` is a cell or figure that is withheld, which is not zero.
 *
 * Invariants
 * - A site with fewer patients than the study's least tells nothing but that.
 * - A count over some of the cases is told where it is none or all of them, or where both sides have enough patients:
 *   what is left out is as telling as what is in.
 */
import { z } from "zod";
import { canonicalJson, LIMITS } from "../base/index.ts";
import type { CellRange, Study } from "../study/index.ts";

export type Cells = readonly (number | null)[];

export interface ScanIntensities {
  /** Cases that have the scan. */
  readonly cases: number;
  /** Voxels. */
  readonly cells: Cells;
}

/** Over all cases of a site. */
export interface Spread {
  /** Micrometres, or cubic millimetres. */
  readonly sum: number;
  /** Cases. */
  readonly cells: Cells;
}

/** What one site tells; of members that the study asks for, all or none are there. */
export interface DataStatistics {
  readonly cases: number | null;
  readonly patients: number | null;
  readonly intensities?: Readonly<Record<string, ScanIntensities | null>>;
  readonly voxelSizes?: Readonly<Record<string, Spread>>;
  readonly volumes?: Readonly<Record<string, Spread>>;
  /** Cases in which the class is. */
  readonly labels?: Readonly<Record<string, number | null>>;
}

const whole = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const cases = whole.max(LIMITS.casesPerDataset);
const cells = z.array(whole.nullable()).max(LIMITS.cellsPerHistogram);
const named = <T extends z.ZodType>(figure: T) => z.record(z.string().max(64), figure);
const spread = z.strictObject({ sum: whole, cells });

/** The shape and ranges of `DataStatistics`. */
export const dataStatisticsSchema = z.strictObject({
  cases: cases.nullable(),
  patients: cases.nullable(),
  intensities: named(z.strictObject({ cases, cells }).nullable()).optional(),
  voxelSizes: named(spread).optional(),
  volumes: named(spread).optional(),
  labels: named(cases.nullable()).optional(),
});

/** Up to this, a figure's sum over as many sites as may be is exact. */
const MOST_OF_SITE = Math.floor(Number.MAX_SAFE_INTEGER / LIMITS.sitesPerFederation);

/** Left to right, front to back, foot to head. */
export const AXES = ["x", "y", "z"] as const;

/** What a spread's sum is counted in: parts of a millimetre, and of a millilitre. */
export const PARTS_OF_UNIT = 1000;

/** Cells: below `from`, then the bins, then `to` and above. Each holds its lower end and not its upper one. */
export function cellCount({ bins }: CellRange): number {
  return bins + 2;
}

export function cellOf(value: number, { from, to, bins }: CellRange): number {
  if (value < from) return 0;
  if (value >= to) return bins + 1;
  return 1 + Math.min(bins - 1, Math.floor(((value - from) / (to - from)) * bins));
}

/** The value at which a cell begins; minus infinity for the first. */
export function cellStart(cell: number, { from, to, bins }: CellRange): number {
  return cell === 0 ? Number.NEGATIVE_INFINITY : from + ((cell - 1) / bins) * (to - from);
}

type Problem = readonly [expected: string, actual: string];
export type Asking = Pick<Study, "task" | "statistics">;

/**
 * Why a site's figures cannot be those that the study asks for.
 * @param mostCases cases that the site said it has, where it did
 */
export function statisticsProblem(study: Asking, told: DataStatistics, mostCases?: number): Problem | undefined {
  const spec = study.statistics;
  if (spec === undefined) return ["no statistics: the study asks for none", "some"];
  const { cases, patients, ...members } = told;
  if (cases === null || patients === null) {
    const silent = cases === patients && Object.keys(members).length === 0;
    return silent ? undefined : ["nothing at all where cases are withheld", "more"];
  }
  if (patients < spec.leastPatients || patients > cases) {
    return [`from ${spec.leastPatients} patients to one for each of ${cases} cases`, String(patients)];
  }
  if (mostCases !== undefined && cases > mostCases) {
    return [`at most the ${mostCases} cases that the site says it has`, String(cases)];
  }
  return membersProblem(study, told) ?? figuresProblem(study, told, cases);
}

/** Names of the figures that a study asks for, by member. */
export function askedFor({ task, statistics }: Asking): Readonly<Record<string, readonly string[]>> {
  const { intensities, voxelSizes, volumes, labels } = statistics ?? {};
  return {
    ...(intensities && { intensities: task.channels }),
    ...(voxelSizes && { voxelSizes: AXES }),
    ...(volumes && { volumes: Object.keys(task.regions) }),
    ...(labels && { labels: task.labels.slice(1) }),
  };
}

function membersProblem(study: Asking, { cases: _, patients: __, ...told }: DataStatistics): Problem | undefined {
  const namesOf = (members: Readonly<Record<string, readonly string[]>>): string =>
    Object.entries(members)
      .map(([member, names]) => `${member} ${canonicalJson([...names].sort())}`)
      .sort()
      .join(", ");
  const expected = namesOf(askedFor(study));
  const actual = namesOf(
    Object.fromEntries(Object.entries(told).map(([name, figures]) => [name, Object.keys(figures)])),
  );
  return expected === actual ? undefined : [expected, actual];
}

function figuresProblem({ statistics: spec }: Asking, told: DataStatistics, cases: number): Problem | undefined {
  if (spec === undefined) return undefined;
  const least = spec.leastPatients;
  const leastInCell = spec.smallCells === "withheld" ? least : 1;
  const problems: (Problem | undefined)[] = [];
  for (const [scan, figures] of Object.entries(told.intensities ?? {})) {
    if (figures === null || spec.intensities === undefined) continue;
    problems.push(
      sidesProblem(`cases with ${scan}`, figures.cases, cases, least),
      cellsProblem(`intensities of ${scan}`, figures.cells, spec.intensities, leastInCell),
      voxelsProblem(scan, figures),
      emptyProblem(scan, figures),
    );
  }
  for (const [member, spreads, range] of [
    ["voxel sizes", told.voxelSizes, spec.voxelSizes],
    ["volumes", told.volumes, spec.volumes],
  ] as const) {
    for (const [name, spread] of Object.entries(spreads ?? {})) {
      if (range === undefined) continue;
      const what = `${member} of ${name}`;
      problems.push(
        cellsProblem(what, spread.cells, range, leastInCell),
        spreadProblem(what, spread, range, cases, least),
      );
    }
  }
  for (const [label, count] of Object.entries(told.labels ?? {})) {
    if (count !== null) problems.push(sidesProblem(`cases with ${label}`, count, cases, least));
  }
  return problems.find((problem) => problem !== undefined);
}

function sidesProblem(what: string, count: number, cases: number, least: number): Problem | undefined {
  if (count === 0 || count === cases || (count >= least && cases - count >= least)) return undefined;
  return [`${what}: 0, ${cases}, or at least ${least} with and without`, String(count)];
}

function cellsProblem(what: string, cells: Cells, range: CellRange, least: number): Problem | undefined {
  const wanted = cellCount(range);
  if (cells.length !== wanted) return [`${what} in ${wanted} cells`, String(cells.length)];
  const small = cells.find((count) => count !== null && count > 0 && count < least);
  return small === undefined ? undefined : [`cells of ${what} with 0 or at least ${least}`, String(small)];
}

/** A voxel takes a byte of its scan at least. */
function voxelsProblem(scan: string, { cases, cells }: ScanIntensities): Problem | undefined {
  const voxels = cells.reduce<number>((total, count) => total + (count ?? 0), 0);
  const most = Math.min(cases * LIMITS.volumeBytes, MOST_OF_SITE);
  return voxels <= most ? undefined : [`at most ${most} voxels of ${scan} in ${cases} cases`, String(voxels)];
}

/** Voxels are there where scans are, and nowhere else. */
function emptyProblem(scan: string, { cases, cells }: ScanIntensities): Problem | undefined {
  const isEmpty = cells.every((count) => count === 0);
  if (isEmpty === (cases === 0)) return undefined;
  return [`voxels of ${scan} where a case has it, and only there`, `${isEmpty ? "none" : "some"} of ${cases} cases`];
}

/** Cells hold all cases, and the sum lies where they say and can be added to others. */
function spreadProblem(
  what: string,
  { sum, cells }: Spread,
  range: CellRange,
  cases: number,
  least: number,
): Problem | undefined {
  const told = cells.reduce<number>((total, count) => total + (count ?? 0), 0);
  const rest = cases - told;
  const hides = cells.includes(null);
  if (hides ? rest < least : rest !== 0) {
    const expected = hides ? `at least ${least} of ${cases} cases in withheld cells` : `${cases} cases in the cells`;
    return [`${what}: ${expected}`, hides ? String(rest) : String(told)];
  }
  const sumOf = (endOf: (cell: number) => number): number =>
    cells.reduce<number>((total, count, cell) => (count ? total + count * endOf(cell) : total), 0);
  const lowest = sumOf((cell) => Math.max(0, cellStart(cell, range)));
  const highest = hides || cells.at(-1) !== 0 ? Number.POSITIVE_INFINITY : sumOf((cell) => cellStart(cell + 1, range));
  if (sum > MOST_OF_SITE) return [`a sum of ${what} of at most ${MOST_OF_SITE}`, String(sum)];
  const value = sum / PARTS_OF_UNIT;
  if (value >= lowest * (1 - 1e-9) && value <= highest * (1 + 1e-9)) return undefined;
  return [`a sum of ${what} from ${lowest} to ${highest}, as the cells say`, String(value)];
}
