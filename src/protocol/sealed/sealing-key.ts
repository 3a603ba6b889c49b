/**
 * The key that sites seal to, and how they know that it is the coordinator's: its certificate's key signs it, and that
 * certificate is of the authority which the invitation pinned.
 *
 * Keys live in the coordinator's memory alone, for an hour and a little more: what was recorded on the way cannot be
 * opened once its key is gone, by whoever takes the home then, nor taken again by a coordinator that was started anew.
 *
 * Signature: ECDSA P-256 with SHA-256 (FIPS 186-5), IEEE P1363, over "consilium.v1.sealing-key\0" and canonical
 * {challenge, notAfterMs, protocol, publicKey, timeMs}. The challenge is the asker's: no old statement passes for a new.
 */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { z } from "zod";
import { type Clock, ConsiliumError, canonicalJson, LIMITS, type Sha256, sha256 } from "../../base/index.ts";
import {
  type Credentials,
  certificateFingerprint,
  certificateToDer,
  certificateToPem,
  issuerIn,
  verifyCertificate,
} from "../certificates.ts";
import { type SealingKey, SealingKeySchema } from "../gen/consilium/v1/federation_pb.ts";
import { COORDINATOR_NAME, PROTOCOL_VERSION } from "../names.ts";
import { createHpkeKeyPair, ENCAPSULATED_BYTES, type HpkeKeyPair } from "./hpke.ts";
import { readCanonical, signHeader, verifyHeader } from "./signed-header.ts";

const DOMAIN = "consilium.v1.sealing-key\0";
/** Bytes of a key's name: the beginning of its SHA-256. */
export const KEY_ID_BYTES = 16;
export const CHALLENGE = /^[0-9a-f]{64}$/;
/** Certificates are renewed rarely; more keys than these are never good at a time. */
const KEYS_AT_MOST = 4;

const statementSchema = z.strictObject({
  protocol: z.literal(PROTOCOL_VERSION),
  publicKey: z.string().regex(new RegExp(`^[0-9a-f]{${2 * ENCAPSULATED_BYTES}}$`)),
  challenge: z.string().regex(CHALLENGE),
  timeMs: z.number().int().min(0),
  /** Until when calls are to be sealed to it. */
  notAfterMs: z.number().int().min(0),
});

/** A key at the coordinator, with what its answers are signed with. */
export interface OwnSealingKey extends HpkeKeyPair {
  readonly id: string;
  readonly signer: KeyObject;
  readonly certificateDer: Uint8Array;
  readonly authorityDer: Uint8Array;
  readonly notAfterMs: number;
}

export interface SealingKeys {
  /** The key that sites are told now. */
  present(): OwnSealingKey;
  /** The key of that name, as long as it is good. */
  find(id: string): OwnSealingKey | undefined;
  /** From now on another certificate speaks for the coordinator. */
  show(credentials: Credentials, authorityPem: string): void;
}

export function createSealingKeys(credentials: Credentials, authorityPem: string, clock: Clock): SealingKeys {
  let keys: readonly OwnSealingKey[] = [];
  let latestMs = 0;
  /** A call's number is forgotten by the clock: where that went back, nothing of before opens any more. */
  const nowOrForget = (): number => {
    const nowMs = clock.nowMs();
    if (nowMs < latestMs) keys = [];
    latestMs = nowMs;
    return nowMs;
  };
  const make = (by: Credentials, authority: string): void => {
    const nowMs = clock.nowMs();
    const kept = keys.filter(({ notAfterMs }) => nowMs <= notAfterMs + LIMITS.sealingKeyGraceMs);
    const made = newKey(by, authority, nowMs);
    keys = [made, ...kept].slice(0, KEYS_AT_MOST);
    // Gone from memory in time, also where nobody asks any more.
    const forget = (): void => {
      keys = keys.filter((each) => each !== made);
    };
    setTimeout(forget, LIMITS.sealingKeyMs + LIMITS.sealingKeyGraceMs).unref();
  };
  let shown = { credentials, authorityPem };
  return {
    present() {
      const nowMs = nowOrForget();
      if (keys.length === 0 || nowMs > keys[0].notAfterMs) make(shown.credentials, shown.authorityPem);
      return keys[0];
    },
    find(id) {
      const nowMs = nowOrForget();
      const key = keys.find((each) => each.id === id);
      return key && nowMs <= key.notAfterMs + LIMITS.sealingKeyGraceMs ? key : undefined;
    },
    show(next, nextAuthorityPem) {
      shown = { credentials: next, authorityPem: nextAuthorityPem };
      make(next, nextAuthorityPem);
    },
  };
}

function newKey({ certificatePem, keyPem }: Credentials, authorityPem: string, nowMs: number): OwnSealingKey {
  const pair = createHpkeKeyPair();
  return {
    ...pair,
    id: sealingKeyId(pair.publicKey),
    signer: createPrivateKey(keyPem),
    certificateDer: certificateToDer(certificatePem),
    authorityDer: certificateToDer(authorityPem),
    notAfterMs: nowMs + LIMITS.sealingKeyMs,
  };
}

export function stateSealingKey(key: OwnSealingKey, challenge: string, timeMs: number): SealingKey {
  const { publicKey, signer, certificateDer, authorityDer, notAfterMs } = key;
  const statement = new TextEncoder().encode(
    canonicalJson({
      protocol: PROTOCOL_VERSION,
      publicKey: Buffer.from(publicKey).toString("hex"),
      challenge,
      timeMs,
      notAfterMs,
    }),
  );
  return create(SealingKeySchema, {
    statement,
    signature: signHeader(DOMAIN, statement, signer),
    certificateDer: new Uint8Array(certificateDer),
    authorityDer: new Uint8Array(authorityDer),
  });
}

/** The coordinator's key at a site. */
export interface KnownSealingKey {
  readonly id: string;
  readonly publicKey: Uint8Array;
  /** Of the certificate under which answers are signed. */
  readonly coordinatorKey: KeyObject;
  /** When that certificate runs out. */
  readonly certificateExpiresMs: number;
  /** Fingerprint of the authority that issued it. */
  readonly authoritySha256: Sha256;
  /** The coordinator's clock when it stated the key, and until when it is to be used. */
  readonly timeMs: number;
  readonly notAfterMs: number;
}

export type BelievedAuthority = { readonly authorityPem: string } | { readonly fingerprint: string };

/**
 * @param believed authorities that the site believes; before it has joined, the fingerprint in its invitation
 * @throws ConsiliumError `certificate-untrusted`, `certificate-expired`, `signature-invalid`, `message-replayed`,
 * `sealing-invalid`
 */
export function believeSealingKey(
  message: SealingKey,
  believed: BelievedAuthority,
  challenge: string,
  nowMs: number,
): KnownSealingKey {
  const authorityPem = "authorityPem" in believed ? believed.authorityPem : pinned(message, believed.fingerprint);
  const facts = verifyCertificate(message.certificateDer, authorityPem, nowMs);
  if (facts.name !== COORDINATOR_NAME) {
    throw new ConsiliumError("signature-invalid", {
      subject: "the coordinator's key",
      expected: "the coordinator's certificate",
      actual: `that of ${facts.name}`,
      hint: "Another member of the federation answers in the coordinator's place: tell the study lead.",
    });
  }
  verifyHeader(DOMAIN, message.statement, message.signature, facts.publicKey, "the coordinator's key");
  const statement = readCanonical(statementSchema, message.statement, "the coordinator's key");
  if (statement.challenge !== challenge) {
    throw new ConsiliumError("message-replayed", {
      subject: "the coordinator's key",
      expected: "an answer to this question",
      actual: "one to another",
      hint: "Something between here and the coordinator repeats old answers: ask your network's operator.",
    });
  }
  const publicKey = new Uint8Array(Buffer.from(statement.publicKey, "hex"));
  const { timeMs, notAfterMs } = statement;
  return {
    id: sealingKeyId(publicKey),
    publicKey,
    coordinatorKey: facts.publicKey,
    certificateExpiresMs: facts.notAfterMs,
    authoritySha256: certificateFingerprint(issuerIn(authorityPem, certificateToPem(message.certificateDer))),
    timeMs,
    notAfterMs,
  };
}

function pinned({ authorityDer }: SealingKey, fingerprint: string): string {
  if (certificateFingerprint(authorityDer) === fingerprint) return certificateToPem(authorityDer);
  throw new ConsiliumError("certificate-untrusted", {
    subject: "the coordinator's key",
    expected: "the authority whose fingerprint the invitation names",
    actual: "another",
    hint: "The invitation is of another federation, or somebody answers in the coordinator's place: tell the study lead.",
  });
}

function sealingKeyId(publicKey: Uint8Array): string {
  return sha256(publicKey).slice(0, 2 * KEY_ID_BYTES);
}
