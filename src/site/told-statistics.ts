/**
 * What a site tells of its data: sums over its cases, with everything withheld that too few of its patients define.
 *
 * Invariants: several cases of one patient count as one patient; a figure that some cases define and others do not is
 * told only where both sides have enough patients; where single cells are withheld, those withheld of one histogram hold
 * at least so many patients together, so that subtracting the others from the whole tells of no fewer.
 */
import { AXES, cellCount, cellOf, type DataStatistics, PARTS_OF_UNIT, type Spread } from "../aggregation/index.ts";
import type { CaseFiles } from "../imaging/index.ts";
import type { CaseTally } from "../segmentation/index.ts";
import type { CellRange, StatisticsSpec, Study } from "../study/index.ts";

interface Tallied extends CaseTally {
  readonly patient: string;
}

/** @param cases the cases of the tallies, which say whose they are */
export function toldStatistics(
  { task }: Pick<Study, "task">,
  spec: StatisticsSpec,
  tallies: readonly CaseTally[],
  cases: readonly Pick<CaseFiles, "id" | "subject">[],
): DataStatistics {
  const subjects = new Map(cases.map(({ id, subject }) => [id, subject]));
  const all = tallies.map((tally): Tallied => ({ ...tally, patient: subjects.get(tally.caseId) ?? tally.caseId }));
  const patients = patientsOf(all).size;
  if (patients < spec.leastPatients) return { cases: null, patients: null };
  const { intensities, voxelSizes, volumes, labels } = spec;
  const each = <T>(names: readonly string[], of: (name: string) => T) =>
    Object.fromEntries(names.map((name) => [name, of(name)]));
  return {
    cases: all.length,
    patients,
    ...(intensities && {
      intensities: each(task.channels, (channel) => {
        const has = (tally: Tallied): boolean => tally.intensities[channel] !== undefined;
        if (!bothSidesAreEnough(all, has, spec.leastPatients)) return null;
        const having = all.filter(has);
        const cells = cellsOf(having, cellCount(intensities), (tally) => tally.intensities[channel], spec);
        return { cases: having.length, cells };
      }),
    }),
    ...(voxelSizes && {
      voxelSizes: each(AXES, (axis) => spreadOf(all, voxelSizes, (tally) => tally.voxelSizes[axis], spec)),
    }),
    ...(volumes && {
      volumes: each(Object.keys(task.regions), (region) =>
        spreadOf(all, volumes, (tally) => tally.volumes[region], spec),
      ),
    }),
    ...(labels && {
      labels: each(task.labels.slice(1), (label) => {
        const has = (tally: Tallied): boolean => tally.labels.includes(label);
        return bothSidesAreEnough(all, has, spec.leastPatients) ? all.filter(has).length : null;
      }),
    }),
  };
}

function patientsOf(tallies: readonly Tallied[]): Set<string> {
  return new Set(tallies.map(({ patient }) => patient));
}

function bothSidesAreEnough(all: readonly Tallied[], has: (tally: Tallied) => boolean, least: number): boolean {
  const sides = [all.filter(has), all.filter((tally) => !has(tally))];
  return sides.every((side) => side.length === 0 || patientsOf(side).size >= least);
}

function spreadOf(
  all: readonly Tallied[],
  range: CellRange,
  measure: (tally: Tallied) => number,
  spec: StatisticsSpec,
): Spread {
  const one = (tally: Tallied): number[] => {
    const cells = new Array<number>(cellCount(range)).fill(0);
    cells[cellOf(measure(tally) / PARTS_OF_UNIT, range)] = 1;
    return cells;
  };
  return {
    sum: all.reduce((sum, tally) => sum + measure(tally), 0),
    cells: cellsOf(all, cellCount(range), one, spec),
  };
}

function cellsOf(
  tallies: readonly Tallied[],
  length: number,
  countsOf: (tally: Tallied) => readonly number[],
  { smallCells, leastPatients }: StatisticsSpec,
): (number | null)[] {
  const counts = new Array<number>(length).fill(0);
  const patients = counts.map(() => new Set<string>());
  for (const tally of tallies) {
    for (const [cell, count] of countsOf(tally).entries()) {
      counts[cell] += count;
      if (count > 0) patients[cell].add(tally.patient);
    }
  }
  const hidden = smallCells === "told" ? new Set<number>() : hiddenCells(patients, leastPatients);
  return counts.map((count, cell) => (hidden.has(cell) ? null : count));
}

/** Cells of too few patients, and as many of the next smallest as it takes for the hidden ones to hold enough together. */
function hiddenCells(patients: readonly ReadonlySet<string>[], least: number): Set<number> {
  const filled = [...patients.keys()]
    .filter((cell) => patients[cell].size > 0)
    .sort((a, b) => patients[a].size - patients[b].size || a - b);
  const hidden = new Set<number>();
  const within = new Set<string>();
  for (const cell of filled) {
    const isSmall = patients[cell].size < least;
    const isBare = within.size > 0 && within.size < least;
    if (!isSmall && !isBare) break;
    hidden.add(cell);
    for (const patient of patients[cell]) within.add(patient);
  }
  return hidden;
}
