/**
 * A site's registered cases. The document lies in the home and nowhere else; what leaves is how many there are.
 *
 * A study keeps the cases that it first ran with, whatever is registered later: its weights and its bits depend on
 * them.
 */
import { z } from "zod";
import { ConsiliumError, type Json, type Sha256 } from "../base/index.ts";
import type { CaseFiles, LabelConvention } from "../imaging/index.ts";
import type { SiteData } from "../segmentation/index.ts";
import { casesOf, type SplitRecord } from "./data-split.ts";
import { parseDocument } from "./home.ts";
import type { SiteStore } from "./site-store.ts";

const DATA_DOCUMENT = "data";

const caseSchema = z.looseObject({ id: z.string(), subject: z.string() });
const sideSchema = z.enum(["training", "validation"]);

const registeredSchema = z.strictObject({
  schema: z.literal("consilium.site-data/1"),
  /** The dataset's folder on this machine. */
  dataset: z.string(),
  convention: z.string(),
  seed: z.number().int(),
  /** Every case that is used, sorted by id. */
  cases: z.array(caseSchema),
  /** Subject to side, subjects included that have no case now. */
  split: z.record(z.string(), sideSchema),
  /** Cases left out because something is wrong with them. */
  excluded: z.array(z.string()),
  registeredAtMs: z.number(),
});

const snapshotSchema = z.strictObject({
  convention: z.string(),
  training: z.array(caseSchema),
  validation: z.array(caseSchema),
});

export interface RegisteredData {
  readonly dataset: string;
  readonly convention: LabelConvention;
  readonly seed: number;
  readonly cases: readonly CaseFiles[];
  readonly split: SplitRecord;
  readonly excluded: readonly string[];
  readonly registeredAtMs: number;
}

export async function readRegisteredData(store: SiteStore): Promise<RegisteredData | undefined> {
  const value = await store.read(DATA_DOCUMENT);
  if (value === undefined) return undefined;
  const { schema: _, ...rest } = parseDocument(registeredSchema, value, `${DATA_DOCUMENT}.json`);
  return rest as unknown as RegisteredData;
}

export async function writeRegisteredData(store: SiteStore, data: RegisteredData): Promise<void> {
  await store.write(DATA_DOCUMENT, { schema: "consilium.site-data/1", ...data } as unknown as Json);
}

export function trainingCases(data: RegisteredData): CaseFiles[] {
  return casesOf(data.cases, data.split, "training");
}

export function validationCases(data: RegisteredData): CaseFiles[] {
  return casesOf(data.cases, data.split, "validation");
}

/** The cases that a study runs with at this site: those of its first order, ever after. @throws ConsiliumError `dataset-empty` */
export async function dataOfStudy(store: SiteStore, siteId: string, studyHash: Sha256): Promise<SiteData> {
  const name = `study/${studyHash}/data`;
  const kept = await store.read(name);
  if (kept !== undefined) {
    const { convention, training, validation } = parseDocument(snapshotSchema, kept, `${name}.json`);
    return {
      siteId,
      convention: convention as LabelConvention,
      trainingCases: training as unknown as CaseFiles[],
      validationCases: validation as unknown as CaseFiles[],
    };
  }
  const data = await readRegisteredData(store);
  const training = data === undefined ? [] : trainingCases(data);
  if (data === undefined || training.length === 0) {
    throw new ConsiliumError("dataset-empty", {
      subject: "the site's data",
      expected: "at least one training case",
      actual: "none",
      hint: "Register cases with `consilium site data --home HOME --dataset DIR`.",
    });
  }
  const validation = validationCases(data);
  await store.write(name, { convention: data.convention, training, validation } as unknown as Json);
  return { siteId, convention: data.convention, trainingCases: training, validationCases: validation };
}
