/**
 * Messages and states of a masked round as canonical JSON, for envelopes, journals and a site's documents. Bytes are
 * written as `{"$hex": "…"}`, everything else as it is.
 *
 * What comes from outside passes a schema with exact members and lengths before any function sees it; states are read
 * back only from where the same process wrote them.
 */
import { z } from "zod";
import { canonicalJson, type Json, LIMITS } from "../../base/index.ts";
import { KEY_BYTES } from "./mask-keys.ts";
import {
  type Advertisement,
  invalid,
  type ListSignature,
  type RevealedShares,
  type SealedShares,
  type SurvivorList,
} from "./masking-messages.ts";
import { SHARE_BYTES } from "./secret-shares.ts";

const LARGEST_SEALED = 256;
/** A P-256 public key (SPKI) and its signature take 155. */
const LARGEST_SIGNATURE = 512;

const bytes = (least: number, most = least) =>
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length >= least && value.length <= most);
const siteId = z.string().min(1).max(LIMITS.siteIdChars);
const sites = z.array(siteId).max(LIMITS.sitesPerFederation);
const signature = bytes(1, LARGEST_SIGNATURE);

const advertisement = z.strictObject({
  siteId,
  mask: z.strictObject({ kind: z.literal("maskCommitment"), publicKey: bytes(KEY_BYTES) }),
  share: z.strictObject({ kind: z.literal("shareCommitment"), publicKey: bytes(KEY_BYTES) }),
  self: z.strictObject({ kind: z.literal("selfCommitment"), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  signature,
});
const sealed = z
  .array(z.strictObject({ from: siteId, to: siteId, sealed: bytes(1, LARGEST_SEALED) }))
  .max(LIMITS.sitesPerFederation);
const list = z.strictObject({ survivors: sites, dropped: sites });
const listSignature = z.strictObject({ siteId, signature });
const revealedShares = z
  .array(z.strictObject({ of: siteId, share: bytes(SHARE_BYTES) }))
  .max(LIMITS.sitesPerFederation);

/** What a site answers, by the step that it was asked for. */
export const MASKING_REPLIES = {
  keys: advertisement as z.ZodType<Advertisement>,
  shares: sealed as z.ZodType<readonly SealedShares[]>,
  signature: listSignature as z.ZodType<ListSignature>,
  reveal: z.strictObject({ siteId, self: revealedShares, mask: revealedShares }) as z.ZodType<RevealedShares>,
} as const;

/** What a site is told with each step. */
export const MASKING_ORDERS = {
  keys: z.strictObject({}),
  shares: z.strictObject({ advertisements: z.array(advertisement).max(LIMITS.sitesPerFederation) }) as z.ZodType<{
    readonly advertisements: readonly Advertisement[];
  }>,
  input: z.strictObject({ sealed }) as z.ZodType<{ readonly sealed: readonly SealedShares[] }>,
  signature: z.strictObject({ list }) as z.ZodType<{ readonly list: SurvivorList }>,
  reveal: z.strictObject({
    list,
    signatures: z.array(listSignature).max(LIMITS.sitesPerFederation),
  }) as z.ZodType<{ readonly list: SurvivorList; readonly signatures: readonly ListSignature[] }>,
} as const;

export type MaskingStep = keyof typeof MASKING_REPLIES;

export function isMaskingStep(text: string): text is MaskingStep {
  return Object.hasOwn(MASKING_REPLIES, text);
}

/** Canonical JSON of a record with bytes in it. */
export function writeMasking(value: unknown): string {
  return canonicalJson(packed(value));
}

/** @throws ConsiliumError `masking-message-invalid` */
export function readMasking<T>(text: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = unpacked(JSON.parse(text) as Json);
  } catch {
    throw invalid("masking message", "JSON", `${text.length} characters of something else`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw invalid("masking message", "the members of its step", z.prettifyError(parsed.error).slice(0, 200));
}

/** A state that this process wrote itself. */
export function restoreMasking<T>(text: string): T {
  return unpacked(JSON.parse(text) as Json) as T;
}

function packed(value: unknown): Json {
  if (value instanceof Uint8Array) return { $hex: Buffer.from(value).toString("hex") };
  if (Array.isArray(value)) return value.map(packed);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, packed(member)]));
  }
  return value as Json;
}

function unpacked(value: Json): unknown {
  if (Array.isArray(value)) return value.map(unpacked);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value);
  const [[key, text] = []] = members;
  if (members.length === 1 && key === "$hex" && typeof text === "string" && /^([0-9a-f]{2})*$/.test(text)) {
    return new Uint8Array(Buffer.from(text, "hex"));
  }
  return Object.fromEntries(members.map(([name, member]) => [name, unpacked(member as Json)]));
}
