/**
 * Shares of a site's two secrets, as they travel from site to site and come together again (Bonawitz et al. 2017,
 * figure 4, rounds 1 and 4).
 *
 * Shamir's scheme by shamir-secret-sharing (GF(2^8), byte by byte). Both shares for one site travel in one message
 * under AES-256-GCM (NIST SP 800-38D) with a key of this pair, direction and attempt, so the coordinator, who
 * forwards it, learns nothing and can change or swap nothing. A key seals one message, under a random nonce.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { combine, split } from "shamir-secret-sharing";
import { ConsiliumError, invariant } from "../../base/index.ts";
import { KEY_BYTES } from "./mask-keys.ts";

/** A share is its 32 bytes and the point where it lies. */
export const SHARE_BYTES = KEY_BYTES + 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What one site holds of another's secrets. At most one of the two is ever revealed. */
export interface SharePair {
  /** Of the other's mask key. */
  readonly mask: Uint8Array;
  /** Of the other's self seed. */
  readonly self: Uint8Array;
}

/** @returns one share for each holder, in any order; `threshold` of them give the secret. */
export async function splitSecret(secret: Uint8Array, holders: number, threshold: number): Promise<Uint8Array[]> {
  invariant(secret.length === KEY_BYTES, "a secret of 32 bytes");
  return split(Uint8Array.from(secret), holders, threshold);
}

/**
 * The secret, if the shares are genuine and enough: whoever calls compares it with what the site committed to.
 * @throws ConsiliumError `masking-share-invalid` for shares that cannot belong together.
 */
export async function combineShares(shares: readonly Uint8Array[], siteId: string): Promise<Uint8Array> {
  if (shares.some((share) => share.length !== SHARE_BYTES)) throw badShare(siteId, "a share of another length");
  try {
    return await combine(shares.map((share) => Uint8Array.from(share)));
  } catch (cause) {
    throw badShare(siteId, "shares that do not belong together", cause);
  }
}

export function badShare(siteId: string, actual: string, cause?: unknown): ConsiliumError {
  return new ConsiliumError("masking-share-invalid", {
    subject: `shares of site ${siteId}`,
    expected: "shares that give what the site committed to",
    actual,
    hint: "A site sent wrong shares: the round fails and nothing is learned. Find out which before trying again.",
    cause,
  });
}

export interface SealingPorts {
  readonly randomBytes: (length: number) => Uint8Array;
}

/** nonce, ciphertext, tag. @param about what the message is bound to besides its key. */
export function sealShares(shares: SharePair, key: Uint8Array, about: Uint8Array, ports: SealingPorts): Uint8Array {
  const nonce = ports.randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(about);
  const sealed = [cipher.update(shares.mask), cipher.update(shares.self), cipher.final()];
  return new Uint8Array(Buffer.concat([nonce, ...sealed, cipher.getAuthTag()]));
}

/** @throws ConsiliumError `masking-share-invalid` */
export function openShares(sealed: Uint8Array, key: Uint8Array, about: Uint8Array, from: string): SharePair {
  if (sealed.length !== NONCE_BYTES + 2 * SHARE_BYTES + TAG_BYTES)
    throw badShare(from, `${sealed.length} sealed bytes`);
  const end = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(about).setAuthTag(sealed.subarray(end));
  try {
    const plain = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, end)), decipher.final()]);
    return { mask: new Uint8Array(plain.subarray(0, SHARE_BYTES)), self: new Uint8Array(plain.subarray(SHARE_BYTES)) };
  } catch (cause) {
    throw badShare(from, "a message that was altered, or sealed for another", cause);
  }
}
