/**
 * Signatures of masked rounds by the keys that reviewers approved. A roster names a site by the SHA-256 of its public
 * key, so the key travels with each signature and is believed if its digest is the roster's.
 *
 * Signature: public key (SPKI, RFC 5480, 91 bytes for P-256), then ECDSA P-256 with SHA-256 in IEEE P1363 encoding
 * (64 bytes) over "consilium.v1.masking\0" and the message, which no envelope's signature can be mistaken for.
 */
import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { type Sha256, sha256 } from "../../base/index.ts";
import type { SignPort, VerifyPort } from "./masking-messages.ts";

const DOMAIN = Buffer.from("consilium.v1.masking\0", "latin1");
const SIGNATURE_BYTES = 64;

export function signWithSiteKey(privateKey: KeyObject): SignPort {
  const publicKey = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return {
    sign: (bytes) => {
      const signature = sign("sha256", Buffer.concat([DOMAIN, bytes]), { key: privateKey, dsaEncoding: "ieee-p1363" });
      return new Uint8Array(Buffer.concat([publicKey, signature]));
    },
  };
}

export function verifyByRoster(roster: readonly { readonly siteId: string; readonly keySha256: Sha256 }[]): VerifyPort {
  const keys = new Map(roster.map(({ siteId, keySha256 }) => [siteId, keySha256]));
  return {
    verify: (siteId, bytes, signature) => {
      const end = signature.length - SIGNATURE_BYTES;
      const publicKey = signature.subarray(0, Math.max(0, end));
      if (end <= 0 || sha256(publicKey) !== keys.get(siteId)) return false;
      const key = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
      const message = Buffer.concat([DOMAIN, bytes]);
      return verify("sha256", message, { key, dsaEncoding: "ieee-p1363" }, signature.subarray(end));
    },
  };
}
