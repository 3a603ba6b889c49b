/**
 * What the last check of a dataset found at this site, case by case: kept in the home for the site's own people, whether
 * the dataset was registered or refused, and sent nowhere.
 */
import { z } from "zod";
import type { Json } from "../base/index.ts";
import {
  type CheckedCase,
  findOutliers,
  type LabelConvention,
  MEASURES,
  measuredCases,
  type Outlier,
} from "../imaging/index.ts";
import { parseDocument } from "./home.ts";
import type { SiteStore } from "./site-store.ts";

const DOCUMENT = "data-check";

const problemSchema = z.strictObject({
  code: z.string(),
  subject: z.string(),
  expected: z.string(),
  actual: z.string(),
  hint: z.string(),
});

const caseSchema = z.strictObject({
  id: z.string(),
  subject: z.string().nullable(),
  labelMap: z.boolean().nullable(),
  problems: z.array(problemSchema),
  measures: z.partialRecord(z.enum(MEASURES), z.number()).nullable(),
});

const checkSchema = z.strictObject({
  schema: z.literal("consilium.data-check/1"),
  /** The dataset's folder on this machine. */
  dataset: z.string(),
  convention: z.string(),
  checkedAtMs: z.number(),
  cases: z.array(caseSchema),
});

export type KeptCase = z.infer<typeof caseSchema>;

export interface DataCheck {
  readonly dataset: string;
  readonly convention: string;
  readonly checkedAtMs: number;
  readonly cases: readonly KeptCase[];
  readonly outliers: readonly Outlier[];
}

export interface FinishedCheck {
  readonly dataset: string;
  readonly convention: LabelConvention;
  readonly checkedAtMs: number;
  readonly cases: readonly CheckedCase[];
}

export async function writeDataCheck(store: SiteStore, { cases, ...rest }: FinishedCheck): Promise<void> {
  const kept = cases.map((each) => ({ ...each, problems: each.problems.map((problem) => problem.toJSON()) }));
  await store.write(DOCUMENT, { schema: "consilium.data-check/1", ...rest, cases: kept } as unknown as Json);
}

/** Undefined where no dataset was checked by this version. @throws ConsiliumError `home-invalid` */
export async function readDataCheck(store: SiteStore): Promise<DataCheck | undefined> {
  const value = await store.read(DOCUMENT);
  if (value === undefined) return undefined;
  const { schema: _, ...check } = parseDocument(checkSchema, value, `${DOCUMENT}.json`);
  return { ...check, outliers: findOutliers(measuredCases(check.cases)) };
}
