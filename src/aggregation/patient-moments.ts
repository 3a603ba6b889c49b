/**
 * How far a mean over cases can be trusted where single cases stay at their sites: with each sum a site tells three more,
 * from which the variance of the mean follows for its own cases and for those of several sites together.
 *
 * The mean is a ratio: sum of the patients' totals T over the sum of their numbers of cases C. Its variance is that of
 * the ratio estimator with patients as the units drawn (Cochran 1977, "Sampling Techniques", equation 6.13, without the
 * finite population's correction): n / (n - 1) times the sum of (T - mean C)^2, over the square of all cases. With one
 * case of each patient this is the usual squared standard error.
 *
 * Invariant: two scans of one patient are not two witnesses, as for intervals by resampling.
 */
import { groupedBy } from "../base/index.ts";
import { studentHalfWidth } from "./student-t.ts";

/** Over the patients that define a figure; all sums, so that those of several sites add up. */
export interface PatientMoments {
  readonly patients: number;
  /** Of T^2. */
  readonly squares: number;
  /** Of T C. */
  readonly timesCases: number;
  /** Of C^2. */
  readonly casesSquared: number;
}

export const NO_PATIENTS: PatientMoments = { patients: 0, squares: 0, timesCases: 0, casesSquared: 0 };

const LEVEL = 0.95;

/** Subjects in their order by name, so that the same cases give the same bits. */
export function momentsOf(samples: readonly { readonly subject: string; readonly value: number }[]): PatientMoments {
  const bySubject = [...groupedBy(samples, ({ subject }) => subject)].sort(([a], [b]) => (a < b ? -1 : 1));
  return bySubject.reduce((sum, [, own]) => {
    const total = own.reduce((all, { value }) => all + value, 0);
    return addMoments(sum, {
      patients: 1,
      squares: total * total,
      timesCases: total * own.length,
      casesSquared: own.length * own.length,
    });
  }, NO_PATIENTS);
}

/** Of two sites: no patient is at both. */
export function addMoments(a: PatientMoments, b: PatientMoments): PatientMoments {
  return {
    patients: a.patients + b.patients,
    squares: a.squares + b.squares,
    timesCases: a.timesCases + b.timesCases,
    casesSquared: a.casesSquared + b.casesSquared,
  };
}

/**
 * The 95 % interval of sum / cases by Student's t over patients, cut to what the figure can be; null with fewer than two
 * patients, and where their moments do not fit the sum.
 *
 * @param range of the figure: 0 and 1 for Dice, 0 and infinity for distances.
 */
export function intervalOfMoments(
  sum: number,
  cases: number,
  { patients, squares, timesCases, casesSquared }: PatientMoments,
  range: readonly [least: number, most: number],
): readonly [number, number] | null {
  if (patients < 2 || cases < patients) return null;
  const mean = sum / cases;
  const scatter = squares - 2 * mean * timesCases + mean * mean * casesSquared;
  // Equal values leave rounding errors of either sign.
  if (scatter < -1e-9 * squares) return null;
  const error = Math.sqrt((patients / (patients - 1)) * Math.max(0, scatter)) / cases;
  const half = studentHalfWidth(LEVEL, patients - 1) * error;
  return [Math.max(range[0], mean - half), Math.min(range[1], mean + half)];
}
