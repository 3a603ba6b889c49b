/**
 * Joining a federation, the site's part: a key made here, a certificate request bound to the invitation's secret, and
 * the checks on what comes back. The private key and the secret never leave; a proof of the secret does.
 *
 * The proof is HMAC-SHA256 (RFC 2104) under the secret over canonical {invitationId, siteId, csrSha256}: an eavesdropper
 * or a false coordinator learns nothing with which to enrol another key.
 */
import { createHmac, createPublicKey, timingSafeEqual } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { ConsiliumError, canonicalJson, sha256 } from "../base/index.ts";
import {
  certificateFingerprint,
  certificateToPem,
  createPrivateKeyPem,
  createSigningRequest,
  publicKeySha256,
  readCertificate,
  verifyCertificate,
} from "./certificates.ts";
import { type EnrolReply, type EnrolRequest, EnrolRequestSchema } from "./gen/consilium/v1/federation_pb.ts";
import type { Invitation } from "./invitation.ts";
import { followSuccession, readSuccession } from "./succession.ts";

/** What a site keeps of its enrolment; the key stays with it. */
export interface Enrolment {
  readonly siteId: string;
  readonly certificatePem: string;
  /** The federation's authority; while it is being rotated the new one, and the old one after it. */
  readonly authorityPem: string;
  readonly federationName: string;
  /** The authority's fingerprint: the federation's identity. */
  readonly federationId: string;
}

/** Carries an enrolment request to the coordinator: over TLS pinned by the invitation, or in memory. */
export type EnrolChannel = (request: EnrolRequest) => Promise<EnrolReply>;

export interface EnrolOptions {
  readonly invitation: Invitation;
  /** The site's private key (`createSiteKey`), kept before enrolling: a lost answer can then be asked for again. */
  readonly keyPem: string;
  readonly productVersion: string;
  readonly nowMs: number;
}

/** A new private key for a site, PKCS #8 PEM: keep it with mode 0600. */
export function createSiteKey(): string {
  return createPrivateKeyPem();
}

/**
 * Turns an invitation into a certificate.
 * @throws ConsiliumError `invitation-used`, `invitation-expired`, `invitation-invalid` as the coordinator judges it;
 * `certificate-untrusted` where the answer does not hold.
 */
export async function enrolThrough(channel: EnrolChannel, options: EnrolOptions): Promise<Enrolment> {
  const { invitation, keyPem, productVersion, nowMs } = options;
  const csrDer = await createSigningRequest(invitation.siteId, keyPem);
  const reply = await channel(
    create(EnrolRequestSchema, {
      protocol: 1,
      invitationId: invitation.invitationId,
      siteId: invitation.siteId,
      csrDer,
      proof: enrolmentProof(invitation.secret, invitation.invitationId, invitation.siteId, csrDer),
      productVersion,
    }),
  );
  return checkedEnrolment(reply, invitation, keyPem, nowMs);
}

export function enrolmentProof(
  secret: string,
  invitationId: string,
  siteId: string,
  csrDer: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const statement = canonicalJson({ invitationId, siteId, csrSha256: sha256(csrDer) });
  const key = Buffer.from(secret, "base64url");
  return new Uint8Array(createHmac("sha256", key).update(statement).digest());
}

/** The coordinator's side of the proof, in constant time. */
export function isEnrolmentProof(proof: Uint8Array, expected: Uint8Array): boolean {
  return proof.length === expected.length && timingSafeEqual(proof, expected);
}

function checkedEnrolment(reply: EnrolReply, invitation: Invitation, keyPem: string, nowMs: number): Enrolment {
  const authorityPem = certificateToPem(reply.caCertificateDer);
  const fingerprint = certificateFingerprint(reply.caCertificateDer);
  if (fingerprint !== invitation.caFingerprint) {
    throw untrusted("the authority that the invitation names", `one of fingerprint ${fingerprint}`);
  }
  const believed =
    reply.succession === undefined
      ? authorityPem
      : followSuccession(readSuccession(reply.succession), authorityPem, nowMs);
  const facts = verifyCertificate(reply.certificateDer, believed, nowMs);
  const own = publicKeySha256(createPublicKey(keyPem));
  if (facts.name !== invitation.siteId || facts.keySha256 !== own) {
    throw untrusted(`a certificate of ${invitation.siteId} for this site's key`, `one of ${facts.name}`);
  }
  return {
    siteId: invitation.siteId,
    certificatePem: certificateToPem(readCertificate(reply.certificateDer).der),
    authorityPem: believed,
    federationName: reply.federationName,
    federationId: reply.federationId,
  };
}

function untrusted(expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("certificate-untrusted", {
    subject: "enrolment",
    expected,
    actual,
    hint: "Do not go on: whoever answered is not the coordinator that invited you. Tell the study lead.",
  });
}
