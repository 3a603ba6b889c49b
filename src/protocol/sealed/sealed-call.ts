/**
 * One call of a site and its answer, as a proxy that ends TLS sees them pass: sealed to the coordinator's key (HPKE,
 * RFC 9180), signed inside, the answer under a key that only this call's two ends can derive (RFC 9458, 4.4).
 *
 * ```
 * call    version 1 | key's name 16 | encapsulated key 65 | length of the head 2 | head | body
 * answer  version 1 | nonce 16 | header, signature and body
 * ```
 * Head and body are the first and second piece of one HPKE context. The head says what is asked, for whom, with the
 * body's digest, and is signed over all of it and over the encapsulated key: who asks is known before the body is read,
 * and what one site signed can be sealed to nobody else. An answer names the digest of the call that it belongs to.
 *
 * Invariants: nothing is believed of a piece before it opened; no more is read than the head allows, and the head is of
 * at most LIMITS.sealedHeadBytes; an answer opens for the call that it was given to and for no other.
 */
import { hkdfSync, type KeyObject, randomBytes } from "node:crypto";
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { z } from "zod";
import { ConsiliumError, canonicalJson, isSha256, LIMITS, type Sha256, sha256 } from "../../base/index.ts";
import {
  type SealedHead,
  SealedHeadSchema,
  type SealedReply,
  SealedReplySchema,
} from "../gen/consilium/v1/federation_pb.ts";
import { PROTOCOL_VERSION } from "../names.ts";
import { ENCAPSULATED_BYTES, type HpkeContext, hpkeFrom, hpkeTo, openWith, sealWith, TAG_BYTES } from "./hpke.ts";
import { KEY_ID_BYTES, type KnownSealingKey, type OwnSealingKey } from "./sealing-key.ts";
import { readCanonical, sealingInvalid, signHeader, verifyHeader } from "./signed-header.ts";

const VERSION = 1;
const INFO = Buffer.from("consilium.v1.sealed-call\0", "latin1");
const CALL_DOMAIN = "consilium.v1.sealed-call\0";
const REPLY_DOMAIN = "consilium.v1.sealed-reply\0";
const REPLY_NONCE_BYTES = 16;
/** Bytes of a call before its head. */
export const PREFIX_BYTES = 1 + KEY_ID_BYTES + ENCAPSULATED_BYTES + 2;
/** Room beside an envelope's or an answer's body for its header, signature and certificate. */
const ROOM_BYTES = 65_536;
/** The longest answer: a piece of an object or a message, and what is around it. */
export const REPLY_BYTES = Math.max(LIMITS.chunkBytes, LIMITS.messageBytes) + 2 * ROOM_BYTES;
const CALL = "sealed call";
const ANSWER = "sealed answer";

const whole = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const digest = z.string().refine(isSha256, "no SHA-256");
const piece = z.number().int().min(1).max(LIMITS.chunkBytes);
const callSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("enrol") }),
  z.strictObject({ kind: z.literal("exchange") }),
  z.strictObject({ kind: z.literal("read"), sha256: digest, offset: whole, bytes: piece }),
  z.strictObject({ kind: z.literal("held"), sha256: digest, totalBytes: whole }),
  z.strictObject({ kind: z.literal("write"), sha256: digest, offset: whole, totalBytes: whole }),
  z.strictObject({ kind: z.literal("probe-down"), bytes: piece }),
  z.strictObject({ kind: z.literal("probe-up") }),
]);

/** What a site asks for. */
export type Call = z.infer<typeof callSchema>;

/** The longest body of each kind of call. */
const BODY_BYTES = {
  enrol: LIMITS.enrolRequestBytes,
  exchange: LIMITS.messageBytes + ROOM_BYTES,
  read: 0,
  held: 0,
  write: LIMITS.chunkBytes,
  "probe-down": 0,
  "probe-up": LIMITS.chunkBytes,
} as const satisfies Record<Call["kind"], number>;

const headerSchema = z.strictObject({
  protocol: z.literal(PROTOCOL_VERSION),
  keyId: z.string(),
  encapsulated: z.string(),
  /** The call's number: 16 random bytes, taken once. */
  nonce: z.string().regex(/^[0-9a-f]{32}$/),
  /** By the coordinator's clock, as its key's statement told it. */
  timeMs: whole,
  call: callSchema,
  bodyBytes: whole,
  bodySha256: digest,
});

const recordSchema = z.strictObject({
  code: z.string().max(100),
  subject: z.string(),
  expected: z.string(),
  actual: z.string(),
  hint: z.string(),
});
const replySchema = z.strictObject({
  protocol: z.literal(PROTOCOL_VERSION),
  inReplyTo: digest,
  /** The coordinator's clock. */
  timeMs: whole,
  bodySha256: digest,
  answer: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("body") }),
    z.strictObject({ kind: z.literal("held"), held: whole }),
    /** `again`: the same may be asked once more, by the coordinator's clock as it is now. */
    z.strictObject({ kind: z.literal("refusal"), again: z.boolean(), record: recordSchema }),
  ]),
});

export type Reply = z.infer<typeof replySchema>["answer"];

export interface CallToSeal {
  readonly to: KnownSealingKey;
  readonly call: Call;
  readonly body: Uint8Array;
  /** The coordinator's clock now. */
  readonly timeMs: number;
  /** Absent where a site enrols. */
  readonly own: { readonly key: KeyObject; readonly certificateDer: Uint8Array } | undefined;
}

export interface SealedCall {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** @throws ConsiliumError `sealing-invalid`, `signature-invalid`, `message-replayed`, `protocol-version` */
  openReply(bytes: Uint8Array): OpenedReply;
}

export interface OpenedReply {
  readonly answer: Reply;
  readonly timeMs: number;
  readonly body: Uint8Array;
}

export function sealCall({ to, call, body, timeMs, own }: CallToSeal): SealedCall {
  const sent = hpkeTo(to.publicKey, INFO);
  if (sent === undefined) throw sealingInvalid("the coordinator's key", "a point of P-256", "another");
  const { encapsulated, context } = sent;
  const header = encode({
    protocol: PROTOCOL_VERSION,
    keyId: to.id,
    encapsulated: Buffer.from(encapsulated).toString("hex"),
    nonce: randomBytes(16).toString("hex"),
    timeMs,
    call,
    bodyBytes: body.length,
    bodySha256: sha256(body),
  });
  const head = toBinary(
    SealedHeadSchema,
    create(SealedHeadSchema, {
      header,
      ...(own && { signature: signHeader(CALL_DOMAIN, header, own.key) }),
      ...(own && { certificateDer: new Uint8Array(own.certificateDer) }),
    }),
  );
  const prefix = prefixOf(to.id, encapsulated, head.length + TAG_BYTES);
  const sealedHead = context.seal(head, prefix);
  const sealedBody = body.length === 0 ? new Uint8Array() : context.seal(body);
  const bytes = new Uint8Array(prefix.length + sealedHead.length + sealedBody.length);
  bytes.set(prefix);
  bytes.set(sealedHead, prefix.length);
  bytes.set(sealedBody, prefix.length + sealedHead.length);
  const inReplyTo = callDigest(prefix, sealedHead);
  return { bytes, openReply: (reply) => openReply(reply, { context, encapsulated, inReplyTo, by: to.coordinatorKey }) };
}

function prefixOf(keyId: string, encapsulated: Uint8Array, headBytes: number): Uint8Array {
  const length = Uint8Array.of(headBytes >> 8, headBytes & 0xff);
  return Buffer.concat([Uint8Array.of(VERSION), Buffer.from(keyId, "hex"), encapsulated, length]);
}

export interface CallPrefix {
  readonly bytes: Uint8Array;
  readonly keyId: string;
  readonly encapsulated: Uint8Array;
  /** Of the sealed head that follows. */
  readonly headBytes: number;
}

/** @throws ConsiliumError `sealing-invalid`, `protocol-version` */
export function readPrefix(bytes: Uint8Array | undefined): CallPrefix {
  if (bytes?.length !== PREFIX_BYTES) throw sealingInvalid(CALL, `${PREFIX_BYTES} bytes and more`, "fewer");
  if (bytes[0] !== VERSION) {
    throw new ConsiliumError("protocol-version", {
      subject: CALL,
      expected: `version ${VERSION}`,
      actual: `version ${bytes[0]}`,
      hint: "The site and the coordinator run different versions of Consilium: upgrade the older one.",
    });
  }
  const headBytes = bytes[PREFIX_BYTES - 2] * 256 + bytes[PREFIX_BYTES - 1];
  if (headBytes > LIMITS.sealedHeadBytes) {
    throw sealingInvalid(CALL, `a head of at most ${LIMITS.sealedHeadBytes} bytes`, `one of ${headBytes}`);
  }
  const keyId = Buffer.from(bytes.subarray(1, 1 + KEY_ID_BYTES)).toString("hex");
  return { bytes, keyId, encapsulated: bytes.slice(1 + KEY_ID_BYTES, PREFIX_BYTES - 2), headBytes };
}

/** A call whose head opened: what is asked, as long as `verify` and `openBody` hold. */
export interface OpenedCall {
  readonly header: z.infer<typeof headerSchema>;
  /** The certificate of who asks; empty where a site enrols. */
  readonly certificateDer: Uint8Array;
  /** Bytes of the sealed body that follows. */
  readonly sealedBodyBytes: number;
  /** @throws ConsiliumError `signature-invalid` */
  verify(publicKey: KeyObject): void;
  /** @throws ConsiliumError `sealing-invalid` */
  openBody(sealed: Uint8Array | undefined): Uint8Array;
}

/** Whoever knows the call's secret: can answer it, also where its head is refused. */
export interface CallInHand {
  /** @throws ConsiliumError `sealing-invalid`, `protocol-version` */
  read(): OpenedCall;
  sealReply(answer: Reply, timeMs: number, body?: Uint8Array): Uint8Array<ArrayBuffer>;
}

/** @throws ConsiliumError `sealing-invalid` where the head does not open under this key */
export function openCall(prefix: CallPrefix, sealedHead: Uint8Array | undefined, own: OwnSealingKey): CallInHand {
  const { encapsulated } = prefix;
  const context = hpkeFrom(encapsulated, own, INFO);
  const head = sealedHead && context?.open(sealedHead, prefix.bytes);
  if (context === undefined || sealedHead === undefined || head === undefined) {
    throw sealingInvalid(CALL, "a head that opens under the coordinator's key", "another");
  }
  const inReplyTo = callDigest(prefix.bytes, sealedHead);
  return {
    read: () => readHead(decoded(SealedHeadSchema, head, CALL), prefix, context),
    sealReply(answer, timeMs, body = new Uint8Array()) {
      const bodySha256 = sha256(body);
      const header = encode({ protocol: PROTOCOL_VERSION, inReplyTo, timeMs, bodySha256, answer });
      const signature = signHeader(REPLY_DOMAIN, header, own.signer);
      const plain = toBinary(
        SealedReplySchema,
        create(SealedReplySchema, {
          header,
          signature,
          body: new Uint8Array(body.buffer as ArrayBuffer, body.byteOffset, body.length),
        }),
      );
      const nonce = randomBytes(REPLY_NONCE_BYTES);
      const { key, iv } = replyKey(context, encapsulated, nonce);
      return new Uint8Array(Buffer.concat([Uint8Array.of(VERSION), nonce, sealWith(key, iv, plain, INFO)]));
    },
  };
}

function readHead(
  { header: bytes, signature, certificateDer }: SealedHead,
  prefix: CallPrefix,
  context: HpkeContext,
): OpenedCall {
  const header = readCanonical(headerSchema, bytes, CALL);
  const encapsulated = Buffer.from(prefix.encapsulated).toString("hex");
  if (header.keyId !== prefix.keyId || header.encapsulated !== encapsulated) {
    throw sealingInvalid(CALL, "a head that was signed for this call", "one for another");
  }
  const { kind } = header.call;
  if (header.bodyBytes > BODY_BYTES[kind]) {
    throw sealingInvalid(CALL, `a body of at most ${BODY_BYTES[kind]} bytes`, `one of ${header.bodyBytes}`);
  }
  return {
    header,
    certificateDer,
    sealedBodyBytes: header.bodyBytes === 0 ? 0 : header.bodyBytes + TAG_BYTES,
    verify: (publicKey) => verifyHeader(CALL_DOMAIN, bytes, signature, publicKey, CALL),
    openBody(sealed) {
      const body = header.bodyBytes === 0 ? new Uint8Array() : sealed && context.open(sealed);
      if (body !== undefined && body.length === header.bodyBytes && sha256(body) === header.bodySha256) return body;
      throw sealingInvalid(CALL, "the body that was signed", "another");
    },
  };
}

interface Asked {
  readonly context: HpkeContext;
  readonly encapsulated: Uint8Array;
  readonly inReplyTo: Sha256;
  readonly by: KeyObject;
}

function openReply(bytes: Uint8Array, { context, encapsulated, inReplyTo, by }: Asked): OpenedReply {
  const nonce = bytes.subarray(1, 1 + REPLY_NONCE_BYTES);
  const { key, iv } = replyKey(context, encapsulated, nonce);
  const plain = bytes[0] === VERSION ? openWith(key, iv, bytes.subarray(1 + REPLY_NONCE_BYTES), INFO) : undefined;
  if (plain === undefined) throw sealingInvalid(ANSWER, "an answer to this call, whole", "something else");
  const reply: SealedReply = decoded(SealedReplySchema, plain, ANSWER);
  verifyHeader(REPLY_DOMAIN, reply.header, reply.signature, by, ANSWER);
  const header = readCanonical(replySchema, reply.header, ANSWER);
  if (header.inReplyTo !== inReplyTo || header.bodySha256 !== sha256(reply.body)) {
    throw sealingInvalid(ANSWER, "the answer to this call", "another");
  }
  return { answer: header.answer, timeMs: header.timeMs, body: reply.body };
}

/** RFC 9458, 4.4, with labels of our own: a key for one answer, from the call's secret and the answer's nonce. */
function replyKey(context: HpkeContext, encapsulated: Uint8Array, nonce: Uint8Array) {
  const secret = context.exportSecret("consilium.v1 sealed reply", 16);
  const salt = Buffer.concat([encapsulated, nonce]);
  const derive = (label: string, bytes: number) => new Uint8Array(hkdfSync("sha256", secret, salt, label, bytes));
  return { key: derive("key", 16), iv: derive("nonce", 12) };
}

/** @throws ConsiliumError `sealing-invalid` */
export function decoded<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
  subject: string,
): MessageShape<Desc> {
  try {
    return fromBinary(schema, bytes);
  } catch {
    throw sealingInvalid(subject, `a message of type ${schema.typeName}`, `${bytes.length} bytes of something else`);
  }
}

function callDigest(prefix: Uint8Array, sealedHead: Uint8Array): Sha256 {
  return sha256(prefix, sealedHead);
}

function encode(header: Parameters<typeof canonicalJson>[0]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(canonicalJson(header)));
}
