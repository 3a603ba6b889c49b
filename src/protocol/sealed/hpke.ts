/**
 * Hybrid public key encryption (RFC 9180) in its base mode and one suite: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256,
 * AES-128-GCM. Curve, hash and cipher are OpenSSL's; here is only what the RFC lays over them, section by section.
 *
 * Invariants: a context's sequence number rises with each piece that is sealed or opened, so that no key and nonce meet
 * twice and pieces open in their order alone; a piece that does not open leaves the number as it was.
 */
import { createCipheriv, createDecipheriv, createECDH, createHmac } from "node:crypto";
import { invariant } from "../../base/index.ts";

/** Bytes of an encapsulated key, which is an uncompressed point of P-256 (section 7.1.1). */
export const ENCAPSULATED_BYTES = 65;
/** What sealing adds to a piece. */
export const TAG_BYTES = 16;
const KEY_BYTES = 16;
const NONCE_BYTES = 12;
const HASH_BYTES = 32;
const CURVE = "prime256v1";
const MODE_BASE = Uint8Array.of(0);
/** "KEM" and the identifier of DHKEM(P-256, HKDF-SHA256), section 4.1; "HPKE" and those of all three, section 5.1. */
const KEM_SUITE = Buffer.concat([Buffer.from("KEM"), Uint8Array.of(0x00, 0x10)]);
const HPKE_SUITE = Buffer.concat([Buffer.from("HPKE"), Uint8Array.of(0x00, 0x10, 0x00, 0x01, 0x00, 0x01)]);
const NOTHING = new Uint8Array();

export interface HpkeKeyPair {
  /** Uncompressed point. */
  readonly publicKey: Uint8Array;
  /** Scalar, 32 bytes. */
  readonly privateKey: Uint8Array;
}

export interface HpkeContext {
  /** The next piece in its order. */
  seal(plain: Uint8Array, aad?: Uint8Array): Uint8Array<ArrayBuffer>;
  /** @returns undefined where it is not the next piece of this context, whole */
  open(sealed: Uint8Array, aad?: Uint8Array): Uint8Array<ArrayBuffer> | undefined;
  /** A secret that both ends have and nobody else, of at most 32 bytes (section 5.3). */
  exportSecret(label: string | Uint8Array, bytes: number): Uint8Array;
}

export function createHpkeKeyPair(): HpkeKeyPair {
  const curve = createECDH(CURVE);
  curve.generateKeys();
  return keyPairOf(curve);
}

/**
 * Section 5.1.1, SetupBaseS.
 * @param ephemeral for published vectors; a new one unless given
 */
export function hpkeTo(
  publicKey: Uint8Array,
  info: Uint8Array,
  ephemeral: HpkeKeyPair = createHpkeKeyPair(),
): { readonly encapsulated: Uint8Array; readonly context: HpkeContext } | undefined {
  const shared = sharedPoint(ephemeral.privateKey, publicKey);
  if (shared === undefined) return undefined;
  const encapsulated = ephemeral.publicKey;
  return { encapsulated, context: contextOf(sharedSecret(shared, encapsulated, publicKey), info) };
}

/** Section 5.1.1, SetupBaseR. @returns undefined where the encapsulated key is no point of the curve */
export function hpkeFrom(encapsulated: Uint8Array, own: HpkeKeyPair, info: Uint8Array): HpkeContext | undefined {
  const shared = sharedPoint(own.privateKey, encapsulated);
  return shared && contextOf(sharedSecret(shared, encapsulated, own.publicKey), info);
}

/** Section 7.1: the x-coordinate; OpenSSL refuses points that are not on the curve, and the one at infinity. */
function sharedPoint(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  if (publicKey.length !== ENCAPSULATED_BYTES || publicKey[0] !== 4) return undefined;
  const curve = createECDH(CURVE);
  curve.setPrivateKey(privateKey);
  try {
    return curve.computeSecret(publicKey);
  } catch {
    return undefined;
  }
}

/** Section 4.1, ExtractAndExpand. */
function sharedSecret(point: Uint8Array, encapsulated: Uint8Array, recipient: Uint8Array): Uint8Array {
  const extracted = extract(KEM_SUITE, NOTHING, "eae_prk", point);
  return expand(KEM_SUITE, extracted, "shared_secret", Buffer.concat([encapsulated, recipient]), HASH_BYTES);
}

/** Section 5.1, KeySchedule with neither pre-shared key nor its name. */
function contextOf(shared: Uint8Array, info: Uint8Array): HpkeContext {
  const pskId = extract(HPKE_SUITE, NOTHING, "psk_id_hash", NOTHING);
  const schedule = Buffer.concat([MODE_BASE, pskId, extract(HPKE_SUITE, NOTHING, "info_hash", info)]);
  const secret = extract(HPKE_SUITE, shared, "secret", NOTHING);
  const key = expand(HPKE_SUITE, secret, "key", schedule, KEY_BYTES);
  const baseNonce = expand(HPKE_SUITE, secret, "base_nonce", schedule, NONCE_BYTES);
  const exporter = expand(HPKE_SUITE, secret, "exp", schedule, HASH_BYTES);
  let sequence = 0;
  return {
    seal(plain, aad = NOTHING) {
      return sealWith(key, nonceOf(baseNonce, sequence++), plain, aad);
    },
    open(sealed, aad = NOTHING) {
      const plain = openWith(key, nonceOf(baseNonce, sequence), sealed, aad);
      if (plain !== undefined) sequence++;
      return plain;
    },
    exportSecret: (label, bytes) => expand(HPKE_SUITE, exporter, "sec", Buffer.from(label), bytes),
  };
}

/** AES-128-GCM, the tag after the text. */
export function sealWith(
  key: Uint8Array,
  nonce: Uint8Array,
  plain: Uint8Array,
  aad: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const cipher = createCipheriv("aes-128-gcm", key, nonce).setAAD(aad);
  const sealed = new Uint8Array(plain.length + TAG_BYTES);
  sealed.set(cipher.update(plain));
  cipher.final();
  sealed.set(cipher.getAuthTag(), plain.length);
  return sealed;
}

/** @returns undefined where the tag does not hold */
export function openWith(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  aad: Uint8Array,
): Uint8Array<ArrayBuffer> | undefined {
  const length = sealed.length - TAG_BYTES;
  if (length < 0) return undefined;
  const decipher = createDecipheriv("aes-128-gcm", key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(aad)
    .setAuthTag(sealed.subarray(length));
  const plain = decipher.update(sealed.subarray(0, length));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return new Uint8Array(plain.buffer as ArrayBuffer, plain.byteOffset, plain.length);
}

/** Section 5.2: the base nonce XOR the sequence number in its last bytes. */
function nonceOf(base: Uint8Array, sequence: number): Uint8Array {
  const nonce = Buffer.from(base);
  nonce.writeUInt32BE((nonce.readUInt32BE(NONCE_BYTES - 4) ^ sequence) >>> 0, NONCE_BYTES - 4);
  return nonce;
}

/** Section 4, LabeledExtract. */
function extract(suite: Uint8Array, salt: Uint8Array, label: string, keying: Uint8Array): Uint8Array {
  return hmac(salt, Buffer.concat([Buffer.from("HPKE-v1"), suite, Buffer.from(label), keying]));
}

/** Section 4, LabeledExpand, for what fits into one block of HKDF (RFC 5869, 2.3). */
function expand(suite: Uint8Array, key: Uint8Array, label: string, info: Uint8Array, bytes: number): Uint8Array {
  invariant(bytes > 0 && bytes <= HASH_BYTES, "a length of at most one block");
  const length = Uint8Array.of(bytes >> 8, bytes & 0xff);
  const labelled = Buffer.concat([length, Buffer.from("HPKE-v1"), suite, Buffer.from(label), info, Uint8Array.of(1)]);
  return hmac(key, labelled).subarray(0, bytes);
}

function hmac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return createHmac("sha256", key).update(data).digest();
}

function keyPairOf(curve: ReturnType<typeof createECDH>): HpkeKeyPair {
  const scalar = curve.getPrivateKey();
  const privateKey = new Uint8Array(HASH_BYTES);
  privateKey.set(scalar, HASH_BYTES - scalar.length);
  return { publicKey: new Uint8Array(curve.getPublicKey()), privateKey };
}
