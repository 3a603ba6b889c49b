/**
 * What is known of one case, kept on disk after every step: the state that it is in, what went wrong where it failed,
 * and what was found on the way. A run that was killed goes on from here.
 *
 * Invariant: nothing in it names a patient. Motions, figures, codes of errors, and a digest of the files and settings
 * that the case was made from; when that digest changes, the case starts anew.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ConsiliumError, ERROR_CODES, type ErrorCode } from "../base/index.ts";
import { MODALITIES, writeFileAtomically } from "../imaging/index.ts";

/** In the order in which a case passes through them. */
export const STATES = ["found", "recognised", "converted", "registered", "extracted", "aligned", "done"] as const;
export type CaseState = (typeof STATES)[number];

const byScan = <T extends z.ZodType>(value: T) =>
  z.strictObject({ t1: value.optional(), t1ce: value, t2: value.optional(), flair: value.optional() });
const affine = z.array(z.number()).length(16);

const recordSchema = z.strictObject({
  schema: z.literal("consilium.intake-case/1"),
  caseId: z.string(),
  subject: z.string(),
  sources: z.string(),
  /** The last state that was reached. */
  state: z.enum(STATES),
  failure: z
    .strictObject({
      /** The state that could not be reached. */
      towards: z.enum(STATES),
      code: z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]),
      subject: z.string(),
      expected: z.string(),
      actual: z.string(),
      hint: z.string(),
    })
    .optional(),
  /** Seconds that each state took. */
  seconds: z.record(z.string(), z.number()),
  /** Scans that the study lacks, as was declared. */
  missing: z.array(z.enum(MODALITIES)).optional(),
  grids: byScan(
    z.strictObject({ dims: z.tuple([z.number(), z.number(), z.number()]), affineVoxelToRas: affine }),
  ).optional(),
  motions: byScan(affine).optional(),
  atlasToReference: affine.optional(),
  information: z.record(z.string(), z.number()).optional(),
  checks: z.strictObject({ brainMl: z.number(), atlasOverlap: z.number(), coverage: byScan(z.number()) }).optional(),
  /** A label map that the site had drawn: under which convention, on which scan, and what became of it. */
  labels: z
    .strictObject({
      convention: z.enum(["brats2021", "brats2023", "brats2024"]),
      on: z.enum(MODALITIES),
      cavityMl: z.number(),
      drawnMl: z.number().optional(),
      keptMl: z.number().optional(),
      outsideBrain: z.number().optional(),
    })
    .optional(),
  /** Share of the head (what is no air) that lies outside the brain and was removed. */
  headRemoved: z.number().optional(),
  /** Names of identifying elements that the source files had; never their values. */
  identifying: z.array(z.string()).optional(),
});

export type CaseRecord = z.infer<typeof recordSchema>;

export function newRecord(caseId: string, subject: string, sources: string): CaseRecord {
  return { schema: "consilium.intake-case/1", caseId, subject, sources, state: "found", seconds: {} };
}

/** Where intake keeps what is its own, beside the cases. */
export function intakeFolder(out: string): string {
  return join(out, "intake");
}

const recordPath = (out: string, caseId: string): string => join(intakeFolder(out), "cases", `${caseId}.json`);

/** @throws ConsiliumError `file-corrupt`. */
export async function readRecord(out: string, caseId: string): Promise<CaseRecord | undefined> {
  let text: string;
  try {
    text = await readFile(recordPath(out, caseId), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  return parseDocument(recordSchema, text, `intake/cases/${caseId}.json`);
}

/** Of every case that this folder knows, sorted. @throws ConsiliumError `file-corrupt`. */
export async function readRecords(out: string): Promise<CaseRecord[]> {
  const names = (await readdir(join(intakeFolder(out), "cases"))).filter((name) => name.endsWith(".json")).sort();
  const records: CaseRecord[] = [];
  for (const name of names) {
    const record = await readRecord(out, name.slice(0, -".json".length));
    if (record !== undefined) records.push(record);
  }
  return records;
}

/** Whether this folder has a record of that very name. */
export async function hasRecord(out: string, caseId: string): Promise<boolean> {
  return (await readdir(join(intakeFolder(out), "cases"))).includes(`${caseId}.json`);
}

export async function writeRecord(out: string, record: CaseRecord): Promise<void> {
  await writeFileAtomically(recordPath(out, record.caseId), Buffer.from(`${JSON.stringify(record, null, 1)}\n`));
}

/** @throws ConsiliumError `file-corrupt` for what is no document of that kind. */
export function parseDocument<T extends z.ZodType>(schema: T, text: string, subject: string): z.infer<T> {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ConsiliumError("file-corrupt", {
      subject,
      expected: "a document as this version of intake writes it",
      actual: cause instanceof z.ZodError ? z.prettifyError(cause).split("\n")[0] : "text that is no JSON",
      hint: "Remove the file: its case is then taken in anew.",
      cause,
    });
  }
}
