/**
 * Cases that lie far from the others of their dataset: none of them is wrong by that, all of them are worth a look.
 *
 * Each measure is judged by its modified z-score (Iglewicz and Hoaglin 1993): 0.6745 times the distance from the median,
 * over the median of these distances; where that is 0 (more than half are equal), the distance over 1.2533 times the
 * mean of the distances. Volumes and brightness spread by factors: the logarithm is judged where all values are positive.
 */
import { median } from "../base/index.ts";
import { type CaseMeasures, MEASURES, type Measure } from "./measure-case.ts";

/** Iglewicz and Hoaglin's bound. */
const OUTLIER_Z = 3.5;
/** Of fewer cases with a measure none is compared. */
const OUTLIER_MIN_CASES = 5;
/** What lies closer to the median than this part of it is no outlier, however equal the others are. */
const LEAST_DIFFERENCE = 0.05;
const REGIONS: readonly Measure[] = ["WT, ml", "TC, ml", "ET, ml"];

export interface MeasuredCase {
  readonly id: string;
  readonly measures: CaseMeasures;
}

export interface Outlier {
  readonly caseId: string;
  readonly measure: Measure;
  readonly value: number;
  readonly median: number;
  /** Null for a label map without any tumour, which is told whatever the others are. */
  readonly z: number | null;
}

/** @returns the farthest first; maps without tumour before them */
export function findOutliers(cases: readonly MeasuredCase[]): readonly Outlier[] {
  const found = MEASURES.flatMap((measure) => {
    const all = cases.flatMap(({ id, measures }) => {
      const value = measures[measure];
      return value === undefined ? [] : [{ caseId: id, value }];
    });
    const isRegion = REGIONS.includes(measure);
    // A tumour may lack a region; how large the region is where there is one is another question.
    const compared = isRegion ? all.filter(({ value }) => value > 0) : all;
    const empty = measure === "WT, ml" ? all.filter(({ value }) => value === 0) : [];
    const middle = compared.length === 0 ? 0 : Number(median(compared.map(({ value }) => value)).toPrecision(4));
    return [
      ...empty.map((each) => ({ ...each, measure, median: middle, z: null })),
      ...judged(compared, middle).map((each) => ({ ...each, measure, median: middle })),
    ];
  });
  const farness = ({ z }: Outlier): number => (z === null ? Number.POSITIVE_INFINITY : Math.abs(z));
  return found.sort((a, b) => (farness(a) === farness(b) ? 0 : farness(b) - farness(a)));
}

interface Value {
  readonly caseId: string;
  readonly value: number;
}

function judged(compared: readonly Value[], middle: number): (Value & { readonly z: number })[] {
  if (compared.length < OUTLIER_MIN_CASES) return [];
  const values = compared.map(({ value }) => value);
  const scores = robustZ(values.every((value) => value > 0) ? values.map(Math.log) : values);
  return compared.flatMap((each, i) => {
    const far = Math.abs(each.value - middle) > LEAST_DIFFERENCE * Math.abs(middle);
    return far && Math.abs(scores[i]) > OUTLIER_Z ? [{ ...each, z: Number(scores[i].toFixed(1)) }] : [];
  });
}

/** Modified z-scores; all 0 where all values are equal. */
export function robustZ(values: readonly number[]): readonly number[] {
  const middle = median(values);
  const distances = values.map((value) => Math.abs(value - middle));
  const medianDistance = median(distances);
  const meanDistance = distances.reduce((sum, distance) => sum + distance, 0) / distances.length;
  const scale = medianDistance > 0 ? medianDistance / 0.6745 : 1.2533 * meanDistance;
  return values.map((value) => (scale === 0 ? 0 : (value - middle) / scale));
}
