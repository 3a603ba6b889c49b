/**
 * Sealed calls at the coordinator: GET /sealed/key tells the key to seal to, POST /sealed takes a call, over HTTP/1.1 and
 * without a client certificate, which a proxy that ends TLS cannot pass on.
 *
 * Invariants: a call is opened, its caller's certificate and signature verified, its time and number taken, in this
 * order and before its body is read; whatever is refused after a call opened is refused inside a sealed answer, so that
 * a proxy can neither read nor invent it. What is refused before says one of four codes and nothing of anybody.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { toBinary } from "@bufbuild/protobuf";
import { type Clock, ConsiliumError, type ErrorCode, LIMITS } from "../../base/index.ts";
import { type Credentials, verifyIssued } from "../certificates.ts";
import {
  EnrolReplySchema,
  EnrolRequestSchema,
  SealingKeySchema,
  SignedEnvelopeSchema,
} from "../gen/consilium/v1/federation_pb.ts";
import { errorRecord } from "../refusal.ts";
import type { FederationService, Peer } from "../service.ts";
import { REFUSAL_HEADER } from "../wire.ts";
import { type ByteReader, byteReader } from "./byte-reader.ts";
import { createCallsTaken, timeOff } from "./calls-taken.ts";
import {
  type CallInHand,
  decoded,
  type OpenedCall,
  openCall,
  PREFIX_BYTES,
  type Reply,
  readPrefix,
} from "./sealed-call.ts";
import { CHALLENGE, createSealingKeys, stateSealingKey } from "./sealing-key.ts";
import { sealingInvalid } from "./signed-header.ts";

export const SEALED_PATH = "/sealed";
export const SEALING_KEY_PATH = "/sealed/key";
/** Whoever enrols has no key yet. */
const STRANGER = "";

export interface SealedDeskOptions {
  readonly service: FederationService;
  readonly credentials: Credentials;
  readonly authorityPem: string;
  /** Authorities whose certificates are believed of callers. */
  readonly believed: () => string;
  readonly clock: Clock;
  /** Whether the holder of this key may ask now. */
  readonly mayCall: (keySha256: string) => boolean;
}

export interface SealedDesk {
  answer(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Another certificate speaks for the coordinator from now on. */
  show(credentials: Credentials, authorityPem: string): void;
}

/** How an answer is given to a call that opened. */
interface Answered {
  readonly answer: Reply;
  readonly body?: Uint8Array;
}

export function createSealedDesk(options: SealedDeskOptions): SealedDesk {
  const { service, believed, clock, mayCall } = options;
  const keys = createSealingKeys(options.credentials, options.authorityPem, clock);
  const taken = createCallsTaken(clock);
  const reading = new Map<string, number>();

  async function tellKey(url: URL, response: ServerResponse): Promise<void> {
    const challenge = url.searchParams.get("challenge") ?? "";
    if (!CHALLENGE.test(challenge)) throw sealingInvalid("question for the key", "a challenge of 32 bytes", "another");
    give(response, toBinary(SealingKeySchema, stateSealingKey(keys.present(), challenge, clock.nowMs())));
  }
  async function takeCall(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const reader = byteReader(request);
    try {
      const prefix = readPrefix(await reader.take(PREFIX_BYTES));
      const key = keys.find(prefix.keyId);
      if (key === undefined) throw keyUnknown();
      const inHand = openCall(prefix, await reader.take(prefix.headBytes), key);
      const { answer, body } = await answered(inHand, reader);
      give(response, inHand.sealReply(answer, clock.nowMs(), body));
    } finally {
      reader.drop();
    }
  }
  async function answered(inHand: CallInHand, reader: ByteReader): Promise<Answered> {
    try {
      const call = inHand.read();
      const { kind } = call.header.call;
      const peer = kind === "enrol" ? undefined : callerOf(call);
      const off = timeOff(call.header.timeMs, clock.nowMs());
      if (off !== undefined) return refused(tooFarOff(off), "again");
      taken.take(peer?.keySha256 ?? STRANGER, call.header.nonce, call.header.timeMs);
      if (peer !== undefined && !mayBegin(peer.keySha256)) return refused(tooMuchAtOnce(), "again");
      const body = await counted(peer?.keySha256, () => bodyOf(call, reader));
      return await serve(call, peer, body);
    } catch (error) {
      return refused(error);
    }
  }
  function callerOf(call: OpenedCall): Peer {
    const facts = verifyIssued(call.certificateDer, believed());
    call.verify(facts.publicKey);
    const peer = { siteId: facts.name, keySha256: facts.keySha256, sealed: true } as const;
    return clock.nowMs() <= facts.notAfterMs ? peer : { ...peer, expiredMs: facts.notAfterMs };
  }
  function mayBegin(keySha256: string): boolean {
    return (reading.get(keySha256) ?? 0) < LIMITS.sealedCallsAtOnce && mayCall(keySha256);
  }
  async function counted<T>(caller: string = STRANGER, work: () => Promise<T>): Promise<T> {
    reading.set(caller, (reading.get(caller) ?? 0) + 1);
    try {
      return await work();
    } finally {
      const left = (reading.get(caller) ?? 1) - 1;
      if (left > 0) reading.set(caller, left);
      else reading.delete(caller);
    }
  }
  async function serve({ header }: OpenedCall, peer: Peer | undefined, body: Uint8Array): Promise<Answered> {
    const { call } = header;
    if (call.kind === "enrol" || peer === undefined) {
      const reply = await service.enrol(decoded(EnrolRequestSchema, body, "sealed call"));
      return { answer: { kind: "body" }, body: toBinary(EnrolReplySchema, reply) };
    }
    switch (call.kind) {
      case "exchange": {
        const reply = await service.exchange(peer, decoded(SignedEnvelopeSchema, body, "sealed call"));
        return { answer: { kind: "body" }, body: toBinary(SignedEnvelopeSchema, reply) };
      }
      case "read": {
        const { sha256, offset, bytes } = call;
        return { answer: { kind: "body" }, body: await service.readObject(peer, { sha256, offset, bytes }) };
      }
      case "held": {
        const { sha256, totalBytes } = call;
        return { answer: { kind: "held", held: await service.heldBytes(peer, { sha256, totalBytes }) } };
      }
      case "write": {
        const { sha256, offset, totalBytes } = call;
        if (body.length === 0 || offset + body.length > totalBytes) {
          throw sealingInvalid("sealed call", "a piece within the object", "another");
        }
        return {
          answer: { kind: "held", held: await service.writeObject(peer, { sha256, offset, totalBytes, bytes: body }) },
        };
      }
      case "probe-down":
        return { answer: { kind: "body" }, body: new Uint8Array(call.bytes) };
      case "probe-up":
        return { answer: { kind: "body" } };
      default:
        return call satisfies never;
    }
  }
  return {
    async answer(request, response) {
      try {
        const url = URL.parse(request.url ?? "", "http://coordinator");
        if (request.method === "GET" && url?.pathname === SEALING_KEY_PATH) await tellKey(url, response);
        else if (request.method === "POST" && url?.pathname === SEALED_PATH) await takeCall(request, response);
        else throw sealingInvalid("request", `POST of ${SEALED_PATH} or GET of ${SEALING_KEY_PATH}`, "another");
      } catch (error) {
        refusePlainly(response, error);
      }
    },
    show: keys.show,
  };
}

/** @param again where the same may be asked once more */
function refused(error: unknown, again?: "again"): Answered {
  return { answer: { kind: "refusal", again: again !== undefined, record: errorRecord(error) } };
}

async function bodyOf(call: OpenedCall, reader: ByteReader): Promise<Uint8Array> {
  const sealed = call.sealedBodyBytes === 0 ? undefined : await reader.take(call.sealedBodyBytes);
  if (!(await reader.atEnd())) throw sealingInvalid("sealed call", "its end", "more");
  return call.openBody(sealed);
}

function give(response: ServerResponse, bytes: Uint8Array): void {
  response.writeHead(200, {
    "content-type": "application/octet-stream",
    "content-length": bytes.length,
    "cache-control": "no-store, no-transform",
  });
  response.end(bytes);
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  "sealing-refused": 403,
  "sealing-key-unknown": 409,
  internal: 500,
};

/** Where there is no call to answer: in the open, for anybody to read. */
export function refusePlainly(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const record = errorRecord(error);
  response
    .writeHead(STATUS[record.code as ErrorCode] ?? 400, {
      [REFUSAL_HEADER]: encodeURIComponent(JSON.stringify(record)),
      "cache-control": "no-store",
      "content-length": 0,
    })
    .end();
}

export function sealingOff(): ConsiliumError {
  return new ConsiliumError("sealing-refused", {
    subject: "coordinator",
    expected: "that its operator lets sites in without mutual TLS",
    actual: "that it does not",
    hint: "Ask the study lead to start the coordinator with --allow-sealed, or your network's operator to let this address through unopened.",
  });
}

function keyUnknown(): ConsiliumError {
  return new ConsiliumError("sealing-key-unknown", {
    subject: "sealed call",
    expected: "one to a key that this coordinator has now",
    actual: "one to another",
    hint: "Ask for its key and seal the call again; what was sealed before its last start cannot be opened.",
  });
}

function tooFarOff(offMs: number): ConsiliumError {
  return new ConsiliumError("message-replayed", {
    subject: "sealed call",
    expected: `a time within ${LIMITS.sealedCallWindowMs / 1000} s of the coordinator's`,
    actual: `${Math.round(Math.abs(offMs) / 1000)} s ${offMs < 0 ? "before" : "after"} it`,
    hint: "It was on its way too long, or is repeated by something between: ask your network's operator.",
  });
}

function tooMuchAtOnce(): ConsiliumError {
  return new ConsiliumError("limit-exceeded", {
    subject: "calls of a site",
    expected: "fewer at a time",
    actual: "more",
    hint: "Wait a moment and try again.",
  });
}
