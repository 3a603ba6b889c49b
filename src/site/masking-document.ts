/**
 * Where a site is in a masked round: `study/<hash>/masking`, one document for the round that it is in. It names the
 * masked update's object, which must be kept for as long as the coordinator may ask for it.
 *
 * Invariants
 * - Once the study has ended here, the document holds no secret and no answer, and no round of it is masked again,
 *   whatever a coordinator asks for.
 * - It says from which models sums were made that this site helped to open, whatever rounds came between.
 */
import { z } from "zod";
import { ConsiliumError, type Sha256 } from "../base/index.ts";
import { parseDocument } from "./home.ts";
import type { Erased, SiteStore } from "./site-store.ts";

const documentSchema = z.strictObject({
  round: z.number().int().min(1),
  /** The protocol's state, as canonical JSON with bytes. */
  state: z.string(),
  /** What was answered, by step. */
  answers: z.partialRecord(z.enum(["keys", "shares", "signature", "reveal"]), z.string()),
  /** The masked update, once it was made. */
  masked: z.strictObject({ sha256: z.string(), bytes: z.number().int().min(0) }).optional(),
  /** The global model that the masked update starts from. */
  from: z.string().optional(),
  /** The same of every round before this one in which this site revealed shares: at most one for each round. */
  revealedFrom: z.array(z.string()).optional(),
});
export type MaskingDocument = z.infer<typeof documentSchema>;

/** For the document of a later round. */
export function revealedFrom(before: MaskingDocument | undefined): Pick<MaskingDocument, "revealedFrom"> {
  if (before === undefined) return {};
  const opened = before.answers.reveal !== undefined && before.from !== undefined ? [before.from] : [];
  const models = [...new Set([...(before.revealedFrom ?? []), ...opened])];
  return models.length === 0 ? {} : { revealedFrom: models };
}

/** What is left of it when the study has ended. */
const erasedSchema = z.strictObject({ round: z.number().int().min(1), erased: z.literal(true) });

export function maskingDocumentName(studyHash: Sha256): string {
  return `study/${studyHash}/masking`;
}

/** @throws ConsiliumError `masking-round-revealed` where the study has ended here, and its secrets are erased */
export async function readMaskingDocument(store: SiteStore, studyHash: Sha256): Promise<MaskingDocument | undefined> {
  const name = maskingDocumentName(studyHash);
  const value = await store.read(name);
  if (value === undefined) return undefined;
  if (erasedSchema.safeParse(value).success) {
    throw new ConsiliumError("masking-round-revealed", {
      subject: `study ${studyHash.slice(0, 12)}, masking`,
      expected: "no more of it: the study has ended at this site, and its secrets are erased",
      actual: "another step",
      hint: "The coordinator went back: was it restored from an old copy? The study has to be started anew.",
    });
  }
  return parseDocument(documentSchema, value, `${name}.json`);
}

/** Secrets and answers of the study's last masked round go, and the number of that round stays. */
export async function eraseMaskingSecrets(store: SiteStore, studyHash: Sha256): Promise<Erased> {
  const name = maskingDocumentName(studyHash);
  const value = await store.read(name);
  if (value === undefined || erasedSchema.safeParse(value).success) return { files: 0, bytes: 0 };
  const { round } = parseDocument(documentSchema, value, `${name}.json`);
  await store.write(name, { round, erased: true });
  return { files: 1, bytes: Buffer.byteLength(JSON.stringify(value)) };
}
