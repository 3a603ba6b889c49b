/** A whole dataset looked at: what is wrong with each case, the figures of those that can be used, and who lies far off. */
import type { ConsiliumError } from "../base/index.ts";
import { type CaseFiles, type CaseProblem, compare, type Dataset } from "./dataset.ts";
import type { MeasuredCase } from "./find-outliers.ts";
import { inspectCase } from "./load-case.ts";
import type { CaseMeasures } from "./measure-case.ts";
import type { NegativeVoxels } from "./negative-voxels.ts";

export interface CheckedCase {
  readonly id: string;
  /** Null where the case is not complete; so with the label map. */
  readonly subject: string | null;
  readonly labelMap: boolean | null;
  readonly problems: readonly ConsiliumError[];
  /** Null where there are problems. */
  readonly measures: CaseMeasures | null;
}

export interface CheckDatasetOptions {
  /** Asked beside what every case is checked for. */
  readonly alsoWrong?: (files: CaseFiles) => ConsiliumError | undefined;
  /** Told before each case and at the end. May throw to stop. */
  readonly onCase?: (done: number, total: number) => void;
}

export interface NegativeScan extends NegativeVoxels {
  readonly caseId: string;
}

export interface DatasetCheck {
  /** Every case, sorted by id. */
  readonly cases: readonly CheckedCase[];
  /** As they were found: first those that names alone tell. */
  readonly problems: readonly CaseProblem[];
  /** Scans with negative voxels among the cases that can be read. */
  readonly negative: readonly NegativeScan[];
}

/** Cases are read one after another, since each takes hundreds of megabytes. */
export async function checkDataset(
  { cases, convention, problems: known }: Dataset,
  { alsoWrong, onCase }: CheckDatasetOptions = {},
): Promise<DatasetCheck> {
  const problems: CaseProblem[] = [...known];
  const negative: NegativeScan[] = [];
  const measured = new Map<string, CaseMeasures | undefined>();
  for (const [i, files] of cases.entries()) {
    onCase?.(i, cases.length);
    const inspected = await inspectCase(files, convention);
    problems.push(...inspected.problems);
    negative.push(...inspected.negative.map((each) => ({ caseId: files.id, ...each })));
    const also = alsoWrong?.(files);
    if (also !== undefined) problems.push({ caseId: files.id, error: also });
    measured.set(files.id, inspected.measures);
  }
  onCase?.(cases.length, cases.length);
  const complete = new Map(cases.map((files) => [files.id, files]));
  const ids = [...new Set([...complete.keys(), ...problems.map(({ caseId }) => caseId)])].sort(compare);
  const checked = ids.map((id): CheckedCase => {
    const files = complete.get(id);
    const own = problems.filter(({ caseId }) => caseId === id).map(({ error }) => error);
    return {
      id,
      subject: files?.subject ?? null,
      labelMap: files === undefined ? null : files.labelMap !== undefined,
      problems: own,
      measures: own.length > 0 ? null : (measured.get(id) ?? null),
    };
  });
  return { cases: checked, problems, negative };
}

/** Those that can be compared with each other. */
export function measuredCases(
  cases: readonly { readonly id: string; readonly measures: CaseMeasures | null }[],
): readonly MeasuredCase[] {
  return cases.flatMap(({ id, measures }) => (measures === null ? [] : [{ id, measures }]));
}
