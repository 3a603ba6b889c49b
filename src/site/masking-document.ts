/**
 * Where a site is in a masked round: `study/<hash>/masking`, one document for the round that it is in. It names the
 * masked update's object, which must be kept for as long as the coordinator may ask for it.
 */
import { z } from "zod";
import type { Sha256 } from "../base/index.ts";
import { parseDocument } from "./home.ts";
import type { SiteStore } from "./site-store.ts";

const documentSchema = z.strictObject({
  round: z.number().int().min(1),
  /** The protocol's state, as canonical JSON with bytes. */
  state: z.string(),
  /** What was answered, by step. */
  answers: z.partialRecord(z.enum(["keys", "shares", "signature", "reveal"]), z.string()),
  /** The masked update, once it was made. */
  masked: z.strictObject({ sha256: z.string(), bytes: z.number().int().min(0) }).optional(),
});
export type MaskingDocument = z.infer<typeof documentSchema>;

export function maskingDocumentName(studyHash: Sha256): string {
  return `study/${studyHash}/masking`;
}

export async function readMaskingDocument(store: SiteStore, studyHash: Sha256): Promise<MaskingDocument | undefined> {
  const value = await store.read(maskingDocumentName(studyHash));
  return value === undefined
    ? undefined
    : parseDocument(documentSchema, value, `${maskingDocumentName(studyHash)}.json`);
}
