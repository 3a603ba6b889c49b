/** The bodies of envelopes: a site's messages, the coordinator's answers, and how either end reads the other's. */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { ConsiliumError, type Sha256 } from "../base/index.ts";
import { verifyCertificate } from "./certificates.ts";
import { type EnvelopeHeader, envelopeDigest, openEnvelope, sealEnvelope } from "./envelope.ts";
import {
  type CoordinatorMessage,
  CoordinatorMessageSchema,
  type SignedEnvelope,
  type SiteMessage,
  SiteMessageSchema,
} from "./gen/consilium/v1/federation_pb.ts";
import { COORDINATOR_NAME } from "./names.ts";

export interface SiteMessageToSeal {
  readonly siteId: string;
  readonly key: KeyObject;
  readonly studyHash: Sha256 | "";
  readonly round: number;
  readonly attempt: number;
  /** Above every number that this site ever used; make it durable before sending. */
  readonly sequence: number;
  readonly timeMs: number;
  readonly message: SiteMessage;
}

export function sealSiteMessage(message: SiteMessageToSeal): SignedEnvelope {
  const { siteId, key, message: body, ...rest } = message;
  return sealEnvelope({ ...rest, sender: siteId, privateKey: key, body: toBinary(SiteMessageSchema, body) });
}

/** @throws ConsiliumError `message-invalid` for a body that is no site's message. */
export function readSiteMessage(envelope: SignedEnvelope): SiteMessage {
  return decode(SiteMessageSchema, envelope.body);
}

export interface AnswerToSeal {
  readonly request: SignedEnvelope;
  /** The request's, as `readHeader` gave it. */
  readonly asked: EnvelopeHeader;
  readonly studyHash: Sha256 | "";
  readonly timeMs: number;
  readonly key: KeyObject;
  readonly certificateDer: Uint8Array;
  readonly answer: CoordinatorMessage;
}

export function sealAnswer({ request, asked, answer, key, ...rest }: AnswerToSeal): SignedEnvelope {
  const { round, attempt, sequence } = asked;
  return sealEnvelope({
    ...rest,
    round,
    attempt,
    sequence,
    sender: COORDINATOR_NAME,
    inReplyTo: envelopeDigest(request),
    privateKey: key,
    body: toBinary(CoordinatorMessageSchema, answer),
  });
}

export interface OpenedAnswer {
  readonly header: EnvelopeHeader;
  readonly answer: CoordinatorMessage;
}

/**
 * The coordinator's answer, once its certificate, signature and bond to the request hold.
 * @throws ConsiliumError `certificate-untrusted`, `certificate-expired`, `signature-invalid`, `message-replayed`,
 * `message-invalid`, `protocol-version`
 */
export function openAnswer(
  envelope: SignedEnvelope,
  expected: { readonly request: SignedEnvelope; readonly authorityPem: string; readonly nowMs: number },
): OpenedAnswer {
  const { name, publicKey } = verifyCertificate(envelope.certificateDer, expected.authorityPem, expected.nowMs);
  if (name !== COORDINATOR_NAME) {
    throw new ConsiliumError("signature-invalid", {
      subject: "answer",
      expected: "the coordinator's certificate",
      actual: `that of ${name}`,
      hint: "Another member of the federation answers in the coordinator's place: tell the study lead.",
    });
  }
  const header = openEnvelope(envelope, { sender: COORDINATOR_NAME, publicKey, request: expected.request });
  return { header, answer: decode(CoordinatorMessageSchema, envelope.body) };
}

/** A private key from its PEM, parsed once and used for every message. */
export function readPrivateKey(keyPem: string): KeyObject {
  return createPrivateKey(keyPem);
}

function decode<Desc extends DescMessage>(schema: Desc, body: Uint8Array): MessageShape<Desc> {
  try {
    return fromBinary(schema, body);
  } catch (cause) {
    throw new ConsiliumError("message-invalid", {
      subject: "message",
      expected: `a body of type ${schema.typeName}`,
      actual: `${body.length} bytes of something else`,
      hint: "The sender does not follow the protocol: compare the versions at both ends.",
      cause,
    });
  }
}
