/** Headers of the sealed channel: canonical JSON with one meaning and one spelling, signed under a domain of its own. */
import { type KeyObject, sign, verify } from "node:crypto";
import { z } from "zod";
import { ConsiliumError, canonicalJson, type Json } from "../../base/index.ts";
import { PROTOCOL_VERSION } from "../names.ts";

const SIGNATURE_BYTES = 64;

/** ECDSA P-256 with SHA-256, IEEE P1363. */
export function signHeader(domain: string, header: Uint8Array, key: KeyObject): Uint8Array<ArrayBuffer> {
  return new Uint8Array(sign("sha256", signedBytes(domain, header), { key, dsaEncoding: "ieee-p1363" }));
}

/** @throws ConsiliumError `signature-invalid` */
export function verifyHeader(
  domain: string,
  header: Uint8Array,
  signature: Uint8Array,
  key: KeyObject,
  subject: string,
): void {
  const genuine =
    signature.length === SIGNATURE_BYTES &&
    key.asymmetricKeyType === "ec" &&
    verify("sha256", signedBytes(domain, header), { key, dsaEncoding: "ieee-p1363" }, signature);
  if (genuine) return;
  throw new ConsiliumError("signature-invalid", {
    subject,
    expected: "a signature by the key of its certificate",
    actual: "one that does not verify",
    hint: "It was altered on its way or signed by another key: if it comes again, tell the study lead.",
  });
}

/** @throws ConsiliumError `protocol-version` for another protocol, `sealing-invalid` for anything but such a header */
export function readCanonical<T extends Json>(schema: z.ZodType<T>, bytes: Uint8Array, subject: string): T {
  const value = jsonOf(bytes);
  const protocol = typeof value === "object" && value !== null ? (value as { protocol?: unknown }).protocol : undefined;
  if (typeof protocol === "number" && protocol !== PROTOCOL_VERSION) {
    throw new ConsiliumError("protocol-version", {
      subject,
      expected: `protocol ${PROTOCOL_VERSION}`,
      actual: `protocol ${protocol}`,
      hint: "The site and the coordinator run different versions of Consilium: upgrade the older one.",
    });
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const issues = z.prettifyError(parsed.error).slice(0, 200);
    throw sealingInvalid(subject, "a header with exactly the protocol's members", issues);
  }
  if (Buffer.compare(Buffer.from(canonicalJson(parsed.data)), bytes) === 0) return parsed.data;
  throw sealingInvalid(subject, "a header in canonical JSON", "another spelling of it");
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

function signedBytes(domain: string, header: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(domain, "latin1"), header]);
}

export function sealingInvalid(subject: string, expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("sealing-invalid", {
    subject,
    expected,
    actual,
    hint: "It was altered on its way, or is of another protocol: if it comes again, ask your network's operator.",
  });
}
