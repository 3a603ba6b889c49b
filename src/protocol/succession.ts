/**
 * How a federation's authority hands over to the next: a statement of the old one's key that names the new certificate
 * and the time until which both are believed. Only who holds the old authority's key (encrypted at rest) can make one;
 * the coordinator's everyday key cannot.
 *
 * Signature: ECDSA P-256 with SHA-256 (FIPS 186-5), IEEE P1363, over "consilium.v1.succession\0" and canonical
 * {endsMs, fromSha256, toSha256}, the fingerprints of both certificates.
 */
import { createPrivateKey, sign, verify } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ConsiliumError, canonicalJson } from "../base/index.ts";
import {
  type Credentials,
  certificateFingerprint,
  certificatesIn,
  certificateToPem,
  checkAuthority,
  readCertificate,
} from "./certificates.ts";

import type { AuthoritySuccession, AuthoritySuccessionSchema } from "./gen/consilium/v1/federation_pb.ts";

const DOMAIN = "consilium.v1.succession\0";

export interface Succession {
  /** The new authority's certificate (DER). */
  readonly authorityDer: Uint8Array;
  /** Until when certificates of the old authority are believed too. */
  readonly endsMs: number;
  readonly signature: Uint8Array;
}

export function signSuccession(previous: Credentials, next: string | Uint8Array, endsMs: number): Succession {
  const statement = signedBytes(previous.certificatePem, next, endsMs);
  const key = { key: createPrivateKey(previous.keyPem), dsaEncoding: "ieee-p1363" } as const;
  return {
    authorityDer: readCertificate(next).der,
    endsMs,
    signature: new Uint8Array(sign("sha256", statement, key)),
  };
}

/**
 * The authorities to believe from now on, the new one first, as one PEM text.
 * @param trustedPem the authorities believed so far
 * @throws ConsiliumError `signature-invalid`, `certificate-untrusted`, `certificate-expired` where its time is over
 */
export function followSuccession(
  { authorityDer, endsMs, signature }: Succession,
  trustedPem: string,
  nowMs: number,
): string {
  const trusted = certificatesIn(trustedPem);
  const fingerprint = certificateFingerprint(authorityDer);
  if (trusted.some((each) => certificateFingerprint(each) === fingerprint)) return trustedPem;
  const from = trusted.find((each) =>
    verify(
      "sha256",
      signedBytes(each, authorityDer, endsMs),
      { key: readCertificate(each).publicKey, dsaEncoding: "ieee-p1363" },
      signature,
    ),
  );
  if (from === undefined) {
    throw new ConsiliumError("signature-invalid", {
      subject: "change of the federation's authority",
      expected: "a statement signed by the authority that this site believes",
      actual: "one that does not verify",
      hint: "Do not go on: tell the study lead. Whoever answered cannot speak for the federation's authority.",
    });
  }
  if (nowMs > endsMs) {
    throw new ConsiliumError("certificate-expired", {
      subject: "change of the federation's authority",
      expected: `a contact before ${new Date(endsMs).toISOString()}`,
      actual: new Date(nowMs).toISOString(),
      hint: "Check this machine's clock; if it is right, join the federation anew with a new invitation.",
    });
  }
  checkAuthority(authorityDer);
  return `${certificateToPem(authorityDer).trim()}\n${from.trim()}\n`;
}

/** As answers carry it; to be spread, absent where there is none. */
export function successionMessage(succession: Succession | undefined): {
  readonly succession?: MessageInitShape<typeof AuthoritySuccessionSchema>;
} {
  if (succession === undefined) return {};
  const { authorityDer, endsMs, signature } = succession;
  return {
    succession: {
      authorityDer: new Uint8Array(authorityDer),
      endsMs: BigInt(endsMs),
      signature: new Uint8Array(signature),
    },
  };
}

export function readSuccession({ authorityDer, endsMs, signature }: AuthoritySuccession): Succession {
  return { authorityDer, endsMs: Number(endsMs), signature };
}

function signedBytes(from: string | Uint8Array, to: string | Uint8Array, endsMs: number): Uint8Array {
  const statement = { fromSha256: certificateFingerprint(from), toSha256: certificateFingerprint(to), endsMs };
  return Buffer.concat([Buffer.from(DOMAIN, "latin1"), Buffer.from(canonicalJson(statement))]);
}
