/**
 * A site's line through a proxy that ends TLS: every message and every piece of an object is a sealed call over HTTP/1.1
 * (`sealed-call.ts`), so that the proxy passes on what it can neither read nor change. Mutual TLS is off on it, and the
 * site has chosen so.
 *
 * Invariants: the proxy's certificates are believed on this line alone, and only to let the bytes through; who the
 * coordinator is follows from the federation's authority. No answer longer than REPLY_BYTES is read, and none is waited
 * for longer than LIMITS.requestTimeoutMs without a byte moving.
 */
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import { toBinary } from "@bufbuild/protobuf";
import { ConsiliumError, type ErrorCode, LIMITS } from "../../base/index.ts";
import { certificateToDer } from "../certificates.ts";
import { type Enrolment, type EnrolOptions, enrolThrough } from "../enrolment.ts";
import {
  EnrolReplySchema,
  EnrolRequestSchema,
  SealingKeySchema,
  SignedEnvelopeSchema,
} from "../gen/consilium/v1/federation_pb.ts";
import type { CoordinatorLink } from "../link.ts";
import { readPrivateKey } from "../messages.ts";
import { fetchThrough, type ObjectChannel, sendThrough } from "../object-transfer.ts";
import type { Environment } from "../proxy.ts";
import { type ErrorRecord, errorFromRecord, networkError } from "../refusal.ts";
import { throttled } from "../throttle.ts";
import { dialTls } from "../tunnel.ts";
import { REFUSAL_HEADER } from "../wire.ts";
import { type Call, type CallToSeal, decoded, type OpenedReply, REPLY_BYTES, sealCall } from "./sealed-call.ts";
import { SEALED_PATH, SEALING_KEY_PATH } from "./sealed-desk.ts";
import { type BelievedAuthority, believeSealingKey, type KnownSealingKey } from "./sealing-key.ts";

/** Connections to the proxy: messages, pieces both ways, a sign of life. */
const CONNECTIONS = 6;
const ANSWER = "sealed answer";
const NOTHING = new Uint8Array();
/** What may be believed of a refusal that anybody on the way can have written. */
const PLAIN_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  "sealing-refused",
  "sealing-invalid",
  "sealing-key-unknown",
  "protocol-version",
]);

export interface SealedWay {
  /** host:port of the coordinator. */
  readonly address: string;
  /** Certificates under which the proxy answers in the coordinator's name; those that Node believes unless given. */
  readonly proxyCaPem?: string | undefined;
  readonly environment?: Environment | undefined;
  readonly timeoutMs?: number | undefined;
}

export interface SealedLinkOptions extends SealedWay {
  readonly authorityPem: string;
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly maxBytesPerSecond?: number | undefined;
}

export function sealedLink(options: SealedLinkOptions): CoordinatorLink {
  const { maxBytesPerSecond } = options;
  let line = sealedLine({ ...options, believed: options });
  const key = readPrivateKey(options.keyPem);
  let own = { key, certificateDer: certificateToDer(options.certificatePem) };
  let authorityPem = options.authorityPem;
  const channel = sealedChannel((call, body, signal) => line.ask(call, body, own, signal));
  const paced = maxBytesPerSecond === undefined ? channel : throttled(channel, maxBytesPerSecond);
  return {
    async exchange(envelope) {
      const { body } = await line.ask({ kind: "exchange" }, toBinary(SignedEnvelopeSchema, envelope), own);
      return decoded(SignedEnvelopeSchema, body, ANSWER);
    },
    fetchObject: (request) => fetchThrough(paced, request),
    sendObject: (request) => sendThrough(paced, request),
    useCertificate(certificatePem, believedPem) {
      own = { key, certificateDer: certificateToDer(certificatePem) };
      authorityPem = believedPem ?? authorityPem;
      line.close();
      line = sealedLine({ ...options, believed: { authorityPem } });
    },
    close: async () => line.close(),
  };
}

/**
 * Joins a federation through a proxy that ends TLS: the authority is pinned by the invitation before anything is sent.
 * @throws ConsiliumError `unreachable`, `certificate-untrusted`, `sealing-refused`, and what the coordinator answers.
 */
export async function enrolSealed(options: EnrolOptions, way: Omit<SealedWay, "address">): Promise<Enrolment> {
  const { address, caFingerprint } = options.invitation;
  const line = sealedLine({ ...way, address, believed: { fingerprint: caFingerprint } });
  try {
    return await enrolThrough(async (request) => {
      const { body } = await line.ask({ kind: "enrol" }, toBinary(EnrolRequestSchema, request), undefined);
      return decoded(EnrolReplySchema, body, ANSWER);
    }, options);
  } finally {
    line.close();
  }
}

type Ask = (call: Call, body: Uint8Array, signal?: AbortSignal) => Promise<OpenedReply>;

export function sealedChannel(ask: Ask): ObjectChannel {
  const held = ({ answer }: OpenedReply): number => (answer.kind === "held" ? answer.held : Number.NaN);
  return {
    async read({ sha256, offset, bytes }, signal, into) {
      const { body } = await ask({ kind: "read", sha256, offset, bytes }, NOTHING, signal);
      if (into === undefined || body.length > into.length) return body;
      into.set(body);
      return into.subarray(0, body.length);
    },
    held: async ({ sha256, totalBytes }) => held(await ask({ kind: "held", sha256, totalBytes }, NOTHING)),
    write: async ({ sha256, offset, totalBytes, bytes }, signal) =>
      held(await ask({ kind: "write", sha256, offset, totalBytes }, bytes, signal)),
  };
}

export interface SealedLine {
  /** The coordinator's key, asked for again once its time is over. */
  key(): Promise<KnownSealingKey>;
  ask(call: Call, body: Uint8Array, own: CallToSeal["own"], signal?: AbortSignal): Promise<OpenedReply>;
  close(): void;
}

interface FreshKey extends KnownSealingKey {
  /** The coordinator's clock. */
  nowMs(): number;
}

export function sealedLine(options: SealedWay & { readonly believed: BelievedAuthority }): SealedLine {
  const { address, believed, proxyCaPem, environment = process.env, timeoutMs = LIMITS.requestTimeoutMs } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const tls = { ALPNProtocols: ["http/1.1"], ...(proxyCaPem !== undefined && { ca: proxyCaPem }) };
  agent.createConnection = () => dialTls(address, tls, environment);
  let known: Promise<FreshKey> | undefined;

  async function send(path: string, body: Uint8Array | undefined, signal?: AbortSignal): Promise<Uint8Array> {
    try {
      const method = body === undefined ? "GET" : "POST";
      return await exchanged({ agent, method, path, headers: headersFor(address, body), signal }, body, timeoutMs);
    } catch (error) {
      throw networkError(error, address);
    }
  }
  async function askForKey(): Promise<FreshKey> {
    const challenge = randomBytes(32).toString("hex");
    const message = await send(`${SEALING_KEY_PATH}?challenge=${challenge}`, undefined);
    const key = believeSealingKey(decoded(SealingKeySchema, message, ANSWER), believed, challenge, Date.now());
    const startMs = performance.now();
    return { ...key, nowMs: () => Math.round(key.timeMs + performance.now() - startMs) };
  }
  /** The answer to the question of several at a time is one. */
  async function present(): Promise<FreshKey> {
    known ??= askForKey();
    const asked = known;
    const key = await asked.catch((error: unknown) => {
      if (known === asked) known = undefined;
      throw error;
    });
    if (key.nowMs() <= key.notAfterMs) return key;
    if (known === asked) known = undefined;
    return present();
  }
  async function askOnce(
    call: Call,
    body: Uint8Array,
    own: CallToSeal["own"],
    signal: AbortSignal | undefined,
  ): Promise<OpenedReply> {
    const to = await present();
    const sealed = sealCall({ to, call, body, timeMs: to.nowMs(), own });
    return sealed.openReply(await send(SEALED_PATH, sealed.bytes, signal));
  }
  async function ask(
    call: Call,
    body: Uint8Array,
    own: CallToSeal["own"],
    signal?: AbortSignal,
    last = false,
  ): Promise<OpenedReply> {
    const using = known;
    const renewed = (): Promise<OpenedReply> => {
      if (known === using) known = undefined;
      return ask(call, body, own, signal, true);
    };
    let reply: OpenedReply;
    try {
      reply = await askOnce(call, body, own, signal);
    } catch (error) {
      if (!last && error instanceof ConsiliumError && error.code === "sealing-key-unknown") return renewed();
      throw error;
    }
    if (reply.answer.kind !== "refusal") return reply;
    if (reply.answer.again && !last) return renewed();
    throw reply.answer.again ? busy(errorFromRecord(reply.answer.record)) : errorFromRecord(reply.answer.record);
  }
  return {
    key: present,
    ask,
    close: () => agent.destroy(),
  };
}

function headersFor(address: string, body: Uint8Array | undefined): RequestOptions["headers"] {
  return {
    host: address,
    "accept-encoding": "identity",
    "cache-control": "no-store",
    ...(body && { "content-type": "application/octet-stream", "content-length": body.length }),
  };
}

function exchanged(options: RequestOptions, body: Uint8Array | undefined, timeoutMs: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(options, (response) => {
      answerOf(response).then(resolve, (error: unknown) => {
        request.destroy();
        reject(error as Error);
      });
    });
    request.setTimeout(timeoutMs, () => request.destroy(new Error("no byte moved before the time limit")));
    request.on("error", reject);
    request.end(body);
  });
}

async function answerOf(response: IncomingMessage): Promise<Uint8Array> {
  const status = response.statusCode ?? 0;
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > REPLY_BYTES) throw new Error("a longer answer than any is");
    pieces.push(piece);
  }
  if (status === 200) return Buffer.concat(pieces, length);
  const record = plainRefusal(response.headers[REFUSAL_HEADER]);
  if (record !== undefined) throw errorFromRecord(record);
  throw new ConsiliumError("unreachable", {
    subject: "coordinator, through the proxy",
    expected: "a sealed answer",
    actual: `an answer of status ${status}`,
    hint: "The proxy does not reach the coordinator, or something else listens there: ask your network's operator.",
  });
}

/** Only what stops this line is believed: a proxy could stop it anyway. */
function plainRefusal(header: string | string[] | undefined): ErrorRecord | undefined {
  if (typeof header !== "string") return undefined;
  try {
    const record = JSON.parse(decodeURIComponent(header)) as ErrorRecord;
    return PLAIN_CODES.has(record.code) ? record : undefined;
  } catch {
    return undefined;
  }
}

/** As it is where a coordinator has too much to do over mutual TLS: it may have time later. */
function busy(error: ConsiliumError): ConsiliumError {
  if (error.code !== "limit-exceeded") return error;
  const { subject, expected, actual, hint } = error;
  return new ConsiliumError("unreachable", {
    subject: `coordinator, ${subject}`,
    expected,
    actual,
    hint,
    cause: error,
  });
}
