/**
 * A dataset becomes a site's data: every case is read in full and checked, subjects are split into training and
 * validation, and all of it is written into the home at once. Nothing about single cases leaves the home. What the check
 * found is kept even where the dataset is refused, for those who are to mend it.
 *
 * Registering again merges: new subjects are drawn, old ones keep their side (`data-split.ts`).
 */
import { resolve } from "node:path";
import { type Clock, ConsiliumError, systemClock } from "../base/index.ts";
import {
  type CaseFiles,
  type CaseProblem,
  checkDataset,
  type Dataset,
  findOutliers,
  type LabelConvention,
  MODALITIES,
  type Modality,
  measuredCases,
  type Outlier,
  readNifti,
  reorient,
  scanDataset,
  spacingMmOf,
  type Triple,
} from "../imaging/index.ts";
import { writeDataCheck } from "./data-check.ts";
import { carryOver, splitBySubject } from "./data-split.ts";
import { openSite } from "./home.ts";
import {
  type RegisteredData,
  readRegisteredData,
  trainingCases,
  validationCases,
  writeRegisteredData,
} from "./site-data.ts";
import type { SiteStore } from "./site-store.ts";

export interface RegisterOptions {
  readonly home: string;
  readonly dataset: string;
  /** How labels are written, where file names do not tell. */
  readonly labels?: LabelConvention;
  /** Scans that a case may lack; it then takes part in studies alone that are trained for that. */
  readonly mayMiss?: readonly Modality[];
  /** Leave out cases with a problem; otherwise one problem refuses the dataset. */
  readonly excludeBroken?: boolean;
  /** Of the split; that of the first registration stays. */
  readonly seed?: number;
  /** Tell nobody how many cases there are, from now on; absent: as it was registered before. */
  readonly privateCounts?: boolean;
  readonly clock?: Clock;
  readonly onProgress?: (checked: number, cases: number) => void;
}

/** Counts, and the problems for the operator's eyes. */
export interface Registration {
  readonly training: number;
  readonly validation: number;
  readonly subjects: number;
  /** Cases that lack a scan, as `mayMiss` allows. */
  readonly incomplete: number;
  /** Cases that were not registered before. */
  readonly added: number;
  /** Cases registered before that the dataset no longer has. */
  readonly gone: number;
  readonly excluded: readonly CaseProblem[];
  /** Registered cases that lie far from the others. */
  readonly outliers: readonly Outlier[];
  readonly convention: LabelConvention;
  readonly privateCounts: boolean;
}

/**
 * @throws ConsiliumError `dataset-invalid` naming every problem where cases are broken and `excludeBroken` is not set,
 * `dataset-empty` where none is left, and what `scanDataset` and `openSite` throw.
 */
export async function registerDataset(options: RegisterOptions): Promise<Registration> {
  const { home, clock = systemClock } = options;
  const site = await openSite(home);
  try {
    const { labels, mayMiss } = options;
    const dataset = await scanDataset(resolve(options.dataset), {
      ...(labels !== undefined && { labels }),
      ...(mayMiss !== undefined && { mayMiss }),
    });
    const { cases: checked, problems } = await checkDataset(dataset, {
      alsoWrong: ({ id, labelMap }) => (labelMap === undefined ? labelMapMissing(id) : undefined),
      onCase: (done, total) => done > 0 && options.onProgress?.(done, total),
    });
    const { dir, convention } = dataset;
    await writeDataCheck(site.store, { dataset: dir, convention, checkedAtMs: clock.nowMs(), cases: checked });
    if (problems.length > 0 && options.excludeBroken !== true) throw broken(problems);
    const excluded = new Set(problems.map(({ caseId }) => caseId));
    const cases = dataset.cases.filter(({ id }) => !excluded.has(id));
    if (cases.length === 0) throw nothingLeft(problems.length);
    const outliers = findOutliers(measuredCases(checked));
    return { ...(await keep(site.store, dataset, cases, problems, options, clock.nowMs())), outliers };
  } finally {
    await site.close();
  }
}

async function keep(
  store: SiteStore,
  dataset: Dataset,
  cases: readonly CaseFiles[],
  excluded: readonly CaseProblem[],
  { seed = 0, privateCounts }: RegisterOptions,
  nowMs: number,
): Promise<Omit<Registration, "outliers">> {
  const earlier = await readRegisteredData(store);
  const tellsNobody = privateCounts ?? earlier?.privateCounts ?? false;
  const data: RegisteredData = {
    dataset: dataset.dir,
    convention: dataset.convention,
    seed: earlier?.seed ?? seed,
    cases: [...cases].sort((a, b) => (a.id < b.id ? -1 : 1)),
    split: splitBySubject(cases, earlier?.seed ?? seed, carryOver(earlier?.split ?? {}, earlier?.cases ?? [], cases)),
    excluded: [...new Set(excluded.map(({ caseId }) => caseId))].sort(),
    smallestExtentMm: await smallestExtent(cases),
    registeredAtMs: nowMs,
    ...(tellsNobody && { privateCounts: tellsNobody }),
  };
  await writeRegisteredData(store, data);
  const before = new Set((earlier?.cases ?? []).map(({ id }) => id));
  const now = new Set(cases.map(({ id }) => id));
  return {
    training: trainingCases(data).length,
    validation: validationCases(data).length,
    subjects: new Set(cases.map(({ subject }) => subject)).size,
    incomplete: cases.filter(({ images }) => MODALITIES.some((modality) => images[modality] === undefined)).length,
    added: [...now].filter((id) => !before.has(id)).length,
    gone: [...before].filter((id) => !now.has(id)).length,
    excluded,
    convention: data.convention,
    privateCounts: tellsNobody,
  };
}

/** Sizes of the volumes themselves, background included; all images of a case share one grid. */
async function smallestExtent(cases: readonly CaseFiles[]): Promise<Triple> {
  let smallest: Triple = [Number.MAX_VALUE, Number.MAX_VALUE, Number.MAX_VALUE];
  for (const { images } of cases) {
    const [path] = Object.values(images);
    const { dims, affineVoxelToRas } = reorient((await readNifti(path)).volume, "LPS");
    const spacing = spacingMmOf(affineVoxelToRas);
    const [x, y, z] = smallest.map((least, axis) => Math.min(least, dims[axis] * spacing[axis]));
    smallest = [x, y, z];
  }
  return smallest;
}

function labelMapMissing(caseId: string): ConsiliumError {
  return new ConsiliumError("modality-missing", {
    subject: `case ${caseId}`,
    expected: "a label map to train on",
    actual: "none",
    hint: "Add the label map, or leave the case out.",
  });
}

const LISTED_PROBLEMS = 20;

function broken(problems: readonly CaseProblem[]): ConsiliumError {
  const cases = new Set(problems.map(({ caseId }) => caseId)).size;
  const listed = problems.slice(0, LISTED_PROBLEMS).map(({ caseId, error }) => {
    return `${caseId}: [${error.code}] expected ${error.expected}, got ${error.actual}`;
  });
  const more = problems.length > LISTED_PROBLEMS ? `; and ${problems.length - LISTED_PROBLEMS} more` : "";
  return new ConsiliumError("dataset-invalid", {
    subject: "dataset",
    expected: "cases without problems",
    actual: `${cases} case(s) with problems: ${listed.join("; ")}${more}`,
    hint: "Correct them (`consilium cohort check DIR` shows each in full), or leave them out with --exclude-broken.",
  });
}

function nothingLeft(problems: number): ConsiliumError {
  return new ConsiliumError("dataset-empty", {
    subject: "dataset",
    expected: "at least one case that can be trained on",
    actual: `none: ${problems} problem(s)`,
    hint: "Correct the cases: `consilium cohort check DIR` shows what is wrong with each.",
  });
}
