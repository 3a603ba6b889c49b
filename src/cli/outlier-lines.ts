/** Cases that lie far from the others, for people. */
import type { Outlier } from "../imaging/index.ts";

/** @returns none where there are no such cases */
export function outlierLines(outliers: readonly Outlier[]): readonly string[] {
  return outliers.length === 0 ? [] : ["Far from the other cases, worth a look:", ...outliers.map(wordsOf)];
}

function wordsOf({ caseId, measure, value, median, z }: Outlier): string {
  if (z === null) return `  ${caseId}: no tumour in its label map`;
  return `  ${caseId}: ${measure} ${value}, where the median is ${median} (z ${z})`;
}
