/**
 * Who vouches for a model folder: a signature (ECDSA P-256 with SHA-256, FIPS 186-5) over `model.json`, which names
 * every other file by its digest. It is made with the key of a member of a federation, the coordinator's or a site's,
 * and carries the member's certificate and the authority's, whose fingerprint is the federation's identity.
 *
 * Invariant: a signature shows that the folder is as that member wrote it. That the federation is the one you mean is
 * shown only by comparing its fingerprint with one that came another way.
 */
import { createPrivateKey, sign, verify, X509Certificate } from "node:crypto";
import { z } from "zod";
import { ConsiliumError, sha256 } from "../base/index.ts";

/** Key and certificates of a federation's member. */
export interface ModelSigner {
  readonly role: "coordinator" | "site";
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly authorityPem: string;
}

const signatureSchema = z.strictObject({
  schema: z.literal("consilium.model-signature/1"),
  role: z.enum(["coordinator", "site"]),
  certificatePem: z.string(),
  authorityPem: z.string(),
  /** base64, IEEE P1363 form. */
  signature: z.string(),
});

/** Of the authority's certificate, as invitations and `coordinator init` show it. */
export function federationIdOf(authorityPem: string): string {
  return sha256(new X509Certificate(authorityPem).raw);
}

/** The text of `signature.json`. */
export function signModel(modelJson: Uint8Array, { role, keyPem, certificatePem, authorityPem }: ModelSigner): string {
  const key = { key: createPrivateKey(keyPem), dsaEncoding: "ieee-p1363" } as const;
  const signature = sign("sha256", signed(modelJson), key).toString("base64");
  const document = { schema: "consilium.model-signature/1", role, certificatePem, authorityPem, signature };
  return `${JSON.stringify(document, null, 2)}\n`;
}

export interface VerifiedSigner {
  readonly role: "coordinator" | "site";
  readonly federationId: string;
}

/**
 * @param signatureJson the text of `signature.json`.
 * @throws ConsiliumError `signature-invalid` where signature, certificate or authority do not belong together.
 */
export function verifyModelSignature(modelJson: Uint8Array, signatureJson: string, subject: string): VerifiedSigner {
  try {
    const { role, certificatePem, authorityPem, signature } = signatureSchema.parse(JSON.parse(signatureJson));
    const [certificate, authority] = [new X509Certificate(certificatePem), new X509Certificate(authorityPem)];
    const issued = certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
    const key = { key: certificate.publicKey, dsaEncoding: "ieee-p1363" } as const;
    if (issued && verify("sha256", signed(modelJson), key, Buffer.from(signature, "base64"))) {
      return { role, federationId: federationIdOf(authorityPem) };
    }
  } catch {
    // Told below, in the same words: whatever is in the file, it is no signature of this model.
  }
  throw new ConsiliumError("signature-invalid", {
    subject,
    expected: "signature.json to be a federation member's signature of model.json",
    actual: "one that does not hold",
    hint: "The model was altered after it was signed: take a fresh copy.",
  });
}

/** Of `model.json`, and the heading under which it is signed. */
export const MODEL_SCHEMA = "consilium.model/3";

/** Under a heading of its own, so that no other signature of the same key means a model. */
function signed(modelJson: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${MODEL_SCHEMA}\0`), modelJson]);
}
