/**
 * A site's registered cases. The document lies in the home and nowhere else; what leaves is how many there are.
 *
 * A study keeps the cases that it first ran with, whatever is registered later: its weights and its bits depend on
 * them.
 */
import { z } from "zod";
import { ConsiliumError, type Json, type Sha256 } from "../base/index.ts";
import type { CaseFiles, LabelConvention, Triple } from "../imaging/index.ts";
import type { SiteData } from "../segmentation/index.ts";
import { checkPatchFits, type Study, siteTrains } from "../study/index.ts";
import { casesOf, type SplitRecord } from "./data-split.ts";
import { parseDocument } from "./home.ts";
import type { SiteStore } from "./site-store.ts";

const DATA_DOCUMENT = "data";

const caseSchema = z.looseObject({ id: z.string(), subject: z.string() });
const sideSchema = z.enum(["training", "validation"]);

const extent = z.tuple([z.number(), z.number(), z.number()]);

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
  smallestExtentMm: extent,
  registeredAtMs: z.number(),
  privateCounts: z.literal(true).optional(),
});

const snapshotSchema = z.strictObject({
  convention: z.string(),
  training: z.array(caseSchema),
  validation: z.array(caseSchema),
  smallestExtentMm: extent,
});

export interface RegisteredData {
  readonly dataset: string;
  readonly convention: LabelConvention;
  readonly seed: number;
  readonly cases: readonly CaseFiles[];
  readonly split: SplitRecord;
  readonly excluded: readonly string[];
  /** Of the cases' volumes, the smallest size along each axis (left-right, front-back, up-down). */
  readonly smallestExtentMm: Triple;
  readonly registeredAtMs: number;
  /** Numbers of cases are told to nobody: they leave inside masked sums alone. */
  readonly privateCounts?: true;
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

/** A site's data as one study uses it. */
export interface StudyData {
  readonly cases: SiteData;
  readonly smallestExtentMm: Triple;
}

/**
 * The cases that a study runs with at this site: those of its first order, ever after. A case that lacks a scan takes
 * part only in studies that are trained for that (`task.mayMiss`). Where the site only evaluates, all its cases do.
 *
 * @throws ConsiliumError `dataset-empty`
 */
export async function dataOfStudy(
  store: SiteStore,
  siteId: string,
  studyHash: Sha256,
  study: Pick<Study, "task" | "evaluateOnly">,
): Promise<StudyData> {
  const name = `study/${studyHash}/data`;
  const kept = await store.read(name);
  if (kept === undefined) await store.write(name, (await snapshot(store, siteId, study)) as unknown as Json);
  const { convention, training, validation, smallestExtentMm } = parseDocument(
    snapshotSchema,
    await store.read(name),
    `${name}.json`,
  );
  return {
    smallestExtentMm,
    cases: {
      siteId,
      convention: convention as LabelConvention,
      trainingCases: training as unknown as CaseFiles[],
      validationCases: validation as unknown as CaseFiles[],
    },
  };
}

/** Whether a study can use a case: every channel is there or may be missing, and one is there. */
function isUsable({ images }: Pick<CaseFiles, "images">, { channels, mayMiss = [] }: Study["task"]): boolean {
  const lacking = channels.filter((modality) => images[modality] === undefined);
  return lacking.length < channels.length && lacking.every((modality) => mayMiss.includes(modality));
}

async function snapshot(
  store: SiteStore,
  siteId: string,
  study: Pick<Study, "task" | "evaluateOnly">,
): Promise<z.infer<typeof snapshotSchema>> {
  const data = await readRegisteredData(store);
  const evaluates = !siteTrains(study, siteId);
  const usable = (cases: readonly CaseFiles[]): CaseFiles[] => cases.filter((each) => isUsable(each, study.task));
  const training = data === undefined || evaluates ? [] : usable(trainingCases(data));
  const measured = data === undefined ? [] : usable(evaluates ? data.cases : validationCases(data));
  if (data !== undefined && (evaluates ? measured : training).length > 0) {
    const { convention, smallestExtentMm } = data;
    const [x, y, z] = smallestExtentMm;
    const plain = (cases: readonly CaseFiles[]): z.infer<typeof caseSchema>[] => cases.map((each) => ({ ...each }));
    const validation = plain(measured);
    return { convention, training: plain(training), validation, smallestExtentMm: [x, y, z] };
  }
  throw new ConsiliumError("dataset-empty", {
    subject: "the site's data",
    expected: `at least one ${evaluates ? "" : "training "}case with the scans that the study needs`,
    actual: "none",
    hint: "Register cases with `consilium site data --home HOME --dataset DIR`.",
  });
}

/** @throws ConsiliumError `patch-too-large` for a study whose patch is larger than this site's smallest volume */
export function checkPatchFitsData(study: Study, smallestExtentMm: Triple): void {
  const [x, y, z] = smallestExtentMm.map((mm) => Math.round(mm / study.task.spacingMm));
  checkPatchFits(study, [x, y, z], `study "${study.name}" at this site`);
}
