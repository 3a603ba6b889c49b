/**
 * Keys of secure aggregation (Bonawitz et al. 2017, section 3.1 and figure 4, round 0), secret and public halves as
 * different types: what a function may send cannot be what it must keep.
 *
 *   mask keys    X25519 (RFC 7748); two sites agree on the seed of their pair mask. A dropped site's is reconstructed.
 *   share keys   X25519; two sites agree on the key under which shares travel between them. Never reconstructed.
 *   self seed    256 random bits, the seed of a site's own mask. A survivor's is reconstructed.
 *
 * Seeds and keys come from HKDF-SHA256 (RFC 5869) with the study's hash as salt, over an info that names purpose,
 * round, attempt, threshold, both sites and both public keys.
 *
 * Divergence: a site also publishes SHA-256 of its self seed. Of 256 random bits the digest tells nothing, and a seed
 * that was reconstructed from bad shares is noticed instead of spoiling the sum.
 */
import { createPrivateKey, createPublicKey, diffieHellman, hkdfSync, type KeyObject } from "node:crypto";
import { ConsiliumError, type Sha256, sha256 } from "../../base/index.ts";
import { boundBytes, type RoundContext } from "./round-context.ts";

export const KEY_BYTES = 32;

export interface MaskSecret {
  readonly kind: "maskSecret";
  readonly privateKey: Uint8Array;
}

export interface MaskCommitment {
  readonly kind: "maskCommitment";
  readonly publicKey: Uint8Array;
}

export interface ShareSecret {
  readonly kind: "shareSecret";
  readonly privateKey: Uint8Array;
}

export interface ShareCommitment {
  readonly kind: "shareCommitment";
  readonly publicKey: Uint8Array;
}

export interface SelfSecret {
  readonly kind: "selfSecret";
  readonly bytes: Uint8Array;
}

export interface SelfCommitment {
  readonly kind: "selfCommitment";
  readonly sha256: Sha256;
}

/** Expands to a mask; used for one vector only. */
export interface MaskSeed {
  readonly kind: "maskSeed";
  readonly bytes: Uint8Array;
}

/** One end of a pair: a site with its public key. */
interface PairEnd<C> {
  readonly siteId: string;
  readonly commitment: C;
}

// RFC 8410: the DER that stands before the 32 bytes of an X25519 key.
const PRIVATE_PREFIX = Buffer.from("302e020100300506032b656e04220420", "hex");
const PUBLIC_PREFIX = Buffer.from("302a300506032b656e032100", "hex");

export function maskCommitmentOf({ privateKey }: MaskSecret): MaskCommitment {
  return { kind: "maskCommitment", publicKey: publicKeyOf(privateKey) };
}

export function shareCommitmentOf({ privateKey }: ShareSecret): ShareCommitment {
  return { kind: "shareCommitment", publicKey: publicKeyOf(privateKey) };
}

export function selfCommitmentOf({ bytes }: SelfSecret): SelfCommitment {
  return { kind: "selfCommitment", sha256: sha256(bytes) };
}

/** The seed of the mask between two sites: the same from either end. @throws ConsiliumError `masking-key-invalid` */
export function pairSeed(
  context: RoundContext,
  secret: MaskSecret,
  mine: PairEnd<MaskCommitment>,
  theirs: PairEnd<MaskCommitment>,
): MaskSeed {
  const ends = [mine, theirs].sort((a, b) => (a.siteId < b.siteId ? -1 : 1));
  const shared = agree(secret.privateKey, theirs.commitment.publicKey, theirs.siteId);
  return { kind: "maskSeed", bytes: derive(context, "pair mask", shared, ends) };
}

/** The seed of a site's own mask. */
export function selfSeed(context: RoundContext, secret: SelfSecret, siteId: string): MaskSeed {
  const info = boundBytes(context, "self mask", { sites: [siteId] });
  return { kind: "maskSeed", bytes: expand(context, secret.bytes, info) };
}

/** The key under which `from` sends shares to `to`; the way back has another. */
export function shareKey(
  context: RoundContext,
  secret: ShareSecret,
  theirs: PairEnd<ShareCommitment>,
  ends: { readonly from: PairEnd<ShareCommitment>; readonly to: PairEnd<ShareCommitment> },
): Uint8Array {
  const shared = agree(secret.privateKey, theirs.commitment.publicKey, theirs.siteId);
  return derive(context, "shares", shared, [ends.from, ends.to]);
}

function derive(
  context: RoundContext,
  purpose: string,
  shared: Uint8Array,
  ends: readonly PairEnd<MaskCommitment | ShareCommitment>[],
): Uint8Array {
  const info = boundBytes(context, purpose, {
    sites: ends.map(({ siteId }) => siteId),
    keys: ends.map(({ commitment }) => Buffer.from(commitment.publicKey).toString("hex")),
  });
  return expand(context, shared, info);
}

function expand({ studyHash }: RoundContext, secret: Uint8Array, info: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, Buffer.from(studyHash, "hex"), info, KEY_BYTES));
}

function agree(privateKey: Uint8Array, publicKey: Uint8Array, siteId: string): Uint8Array {
  try {
    // OpenSSL refuses a result of zeros, which keys of low order would give (RFC 7748, section 6.1).
    return diffieHellman({ privateKey: privateKeyObject(privateKey), publicKey: publicKeyObject(publicKey) });
  } catch (cause) {
    throw new ConsiliumError("masking-key-invalid", {
      subject: `masking keys of site ${siteId}`,
      expected: "an X25519 public key of 32 bytes and full order",
      actual: `${publicKey.length} bytes that agree on nothing`,
      hint: "That site does not follow the protocol: leave it out of the study and look into it.",
      cause,
    });
  }
}

function privateKeyObject(bytes: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PRIVATE_PREFIX, bytes]), format: "der", type: "pkcs8" });
}

function publicKeyObject(bytes: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, bytes]), format: "der", type: "spki" });
}

function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  const der = createPublicKey(privateKeyObject(privateKey)).export({ format: "der", type: "spki" });
  return new Uint8Array(der.subarray(PUBLIC_PREFIX.length));
}
