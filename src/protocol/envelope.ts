/**
 * The signed envelope: who says what about which study and round, provable without the connection it came through.
 *
 * Signature: ECDSA P-256 with SHA-256 (FIPS 186-5), IEEE P1363 encoding (r, s of 32 bytes each), over
 * "consilium.v1.envelope\0" and the header's bytes. The header holds the body's digest, so it covers the body.
 *
 * Invariants:
 * - The header is canonical JSON with exactly the members below: one meaning, one byte sequence.
 * - A site's sequence numbers strictly increase, across restarts too; whoever receives them keeps the last one durably.
 * - An answer repeats its request's sequence number and names the digest of the request's header, so an answer given
 *   to one message can never pass for the answer to another.
 */
import { type KeyObject, sign, verify } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { z } from "zod";
import { ConsiliumError, canonicalJson, LIMITS, type Sha256, sha256 } from "../base/index.ts";
import { type SignedEnvelope, SignedEnvelopeSchema } from "./gen/consilium/v1/federation_pb.ts";
import { COORDINATOR_NAME, PROTOCOL_VERSION } from "./names.ts";

const DOMAIN = "consilium.v1.envelope\0";
const SIGNATURE_BYTES = 64;

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const whole = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const headerSchema = z.strictObject({
  protocol: z.literal(PROTOCOL_VERSION),
  /** The study that the message is about, or empty where it is about none. */
  studyHash: z.union([digest, z.literal("")]),
  round: whole,
  attempt: whole,
  sender: z.string().min(1).max(LIMITS.siteIdChars),
  sequence: whole,
  /** The sender's clock. */
  timeMs: whole,
  bodySha256: digest,
  /** In answers: SHA-256 of the request's header. */
  inReplyTo: digest.optional(),
});

export type EnvelopeHeader = z.infer<typeof headerSchema>;

export interface EnvelopeToSeal {
  readonly studyHash: Sha256 | "";
  readonly round: number;
  readonly attempt: number;
  readonly sender: string;
  readonly sequence: number;
  readonly timeMs: number;
  readonly inReplyTo?: Sha256 | undefined;
  readonly body: Uint8Array;
  /** P-256 private key of the sender's certificate. */
  readonly privateKey: KeyObject;
  /** The coordinator's certificate, in its answers. */
  readonly certificateDer?: Uint8Array | undefined;
}

export function sealEnvelope(message: EnvelopeToSeal): SignedEnvelope {
  const { studyHash, round, attempt, sender, sequence, timeMs, inReplyTo, body } = message;
  const header = new TextEncoder().encode(
    canonicalJson({
      protocol: PROTOCOL_VERSION,
      studyHash,
      round,
      attempt,
      sender,
      sequence,
      timeMs,
      bodySha256: sha256(body),
      inReplyTo,
    }),
  );
  const signature = sign("sha256", signedBytes(header), { key: message.privateKey, dsaEncoding: "ieee-p1363" });
  return create(SignedEnvelopeSchema, {
    header,
    body,
    signature: new Uint8Array(signature),
    certificateDer: message.certificateDer ?? new Uint8Array(),
  });
}

/** The name under which an answer refers to this envelope. */
export function envelopeDigest(envelope: SignedEnvelope): Sha256 {
  return sha256(envelope.header);
}

/**
 * The header as it claims to be; believe it only after `openEnvelope`.
 * @throws ConsiliumError `protocol-version` for another protocol, `message-invalid` for anything but a header,
 * `limit-exceeded` for a body over the limit.
 */
export function readHeader(envelope: SignedEnvelope): EnvelopeHeader {
  if (envelope.body.length > LIMITS.messageBytes) {
    throw new ConsiliumError("limit-exceeded", {
      subject: "message",
      expected: `a body of at most ${LIMITS.messageBytes} bytes`,
      actual: `${envelope.body.length} bytes`,
      hint: "Large objects travel beside messages: this sender does not follow the protocol.",
    });
  }
  const value = parseHeader(envelope.header);
  checkProtocol(value);
  const parsed = headerSchema.safeParse(value);
  if (!parsed.success) {
    throw invalid("a header with exactly the protocol's members", z.prettifyError(parsed.error).slice(0, 200));
  }
  if (Buffer.compare(Buffer.from(canonicalJson(parsed.data)), envelope.header) !== 0) {
    throw invalid("a header in canonical JSON", "another spelling of it");
  }
  return parsed.data;
}

export interface EnvelopeExpectation {
  readonly sender: string;
  readonly publicKey: KeyObject;
  /** The last sequence number accepted from this sender. */
  readonly afterSequence?: number;
  /** For an answer: the request that it must belong to. */
  readonly request?: SignedEnvelope;
}

/**
 * Verifies an envelope and returns its header; its body is then the sender's word.
 * @throws ConsiliumError `signature-invalid`, `message-replayed`, and what `readHeader` throws.
 */
export function openEnvelope(envelope: SignedEnvelope, expected: EnvelopeExpectation): EnvelopeHeader {
  const header = readHeader(envelope);
  checkEnvelope(envelope, header, expected);
  return header;
}

/**
 * Verifies an envelope whose header was read before.
 * @param header as `readHeader` gave it for this very envelope
 * @throws ConsiliumError `signature-invalid`, `message-replayed`
 */
export function checkEnvelope(envelope: SignedEnvelope, header: EnvelopeHeader, expected: EnvelopeExpectation): void {
  if (header.sender !== expected.sender) throw forged(`a message of ${expected.sender}`, `one of ${header.sender}`);
  if (sha256(envelope.body) !== header.bodySha256) throw forged("the body that was signed", "another body");
  const genuine =
    envelope.signature.length === SIGNATURE_BYTES &&
    verify(
      "sha256",
      signedBytes(envelope.header),
      { key: expected.publicKey, dsaEncoding: "ieee-p1363" },
      envelope.signature,
    );
  if (!genuine) throw forged(`a signature by the key of ${expected.sender}`, "one that does not verify");
  checkFreshness(header, expected);
}

function checkFreshness(header: EnvelopeHeader, expected: EnvelopeExpectation): void {
  const { request, afterSequence } = expected;
  if (request !== undefined) {
    const asked = readHeader(request);
    if (header.inReplyTo !== envelopeDigest(request) || header.sequence !== asked.sequence) {
      throw replayed(header, `the answer to message ${asked.sequence}`, `an answer to message ${header.sequence}`);
    }
    return;
  }
  if (header.inReplyTo !== undefined) throw invalid("a message", "an answer");
  if (afterSequence !== undefined && header.sequence <= afterSequence) {
    throw replayed(header, `a sequence number above ${afterSequence}`, String(header.sequence));
  }
}

function signedBytes(header: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(DOMAIN, "latin1"), header]);
}

function parseHeader(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw invalid("a JSON header", `${bytes.length} bytes of something else`);
  }
}

function checkProtocol(value: unknown): void {
  const protocol = typeof value === "object" && value !== null ? (value as { protocol?: unknown }).protocol : undefined;
  if (protocol === PROTOCOL_VERSION || typeof protocol !== "number") return;
  throw new ConsiliumError("protocol-version", {
    subject: "message",
    expected: `protocol ${PROTOCOL_VERSION}`,
    actual: `protocol ${protocol}`,
    hint: "The site and the coordinator run different versions of Consilium: upgrade the older one.",
  });
}

function invalid(expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("message-invalid", {
    subject: "message",
    expected,
    actual,
    hint: "The sender does not follow the protocol: compare the versions at both ends.",
  });
}

function forged(expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("signature-invalid", {
    subject: "message",
    expected,
    actual,
    hint: "It was altered on its way or signed by another key: if it comes again, join the federation anew.",
  });
}

function replayed(header: EnvelopeHeader, expected: string, actual: string): ConsiliumError {
  const advice =
    header.sender === COORDINATOR_NAME
      ? "Something between here and the coordinator repeats old answers: ask your network's operator."
      : "It was sent before, or this site's home was restored from an old copy: join the federation anew.";
  return new ConsiliumError("message-replayed", {
    subject: `message ${header.sequence} of ${header.sender}`,
    expected,
    actual,
    hint: advice,
  });
}
