/**
 * Pieces of large objects over plain HTTP/2 with mutual TLS, on the coordinator's one port: GET /objects/<sha256> with
 * Range, PUT with Content-Range, HEAD for what is held. Messages go by Connect beside it; tensors would be copied
 * three times there (measured: 68 to 312 MB/s, against about 500 MB/s so).
 *
 * Invariants: one session, opened when needed and again after a break; no request waits longer than
 * LIMITS.requestTimeoutMs without a byte moving; no answer longer than asked for is read.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
} from "node:http2";
import { ConsiliumError, LIMITS } from "../base/index.ts";
import type { ObjectChannel } from "./object-transfer.ts";
import { PROBE_PATH } from "./probe-route.ts";
import { type ErrorRecord, errorFromRecord, networkError } from "./refusal.ts";
import type { ClientTls, DialTls } from "./tls.ts";
import {
  formatContentRange,
  formatRange,
  formatUnsatisfied,
  HELD_HEADER,
  objectPath,
  REFUSAL_HEADER,
  WINDOW_BYTES,
} from "./wire.ts";

interface Answer {
  readonly headers: IncomingHttpHeaders & IncomingHttpStatusHeader;
  readonly body: Uint8Array;
}

export interface Http2Channel extends ObjectChannel {
  /** Moves so many zeros, to be timed. @returns the coordinator's clock, to a second */
  probe(direction: "down" | "up", bytes: number): Promise<{ readonly dateMs: number }>;
  close(): void;
}

/** @param address host:port of the coordinator */
export function http2Channel(address: string, tls: ClientTls, dial: DialTls): Http2Channel {
  let opening: Promise<ClientHttp2Session> | undefined;

  async function session(): Promise<ClientHttp2Session> {
    const current = await opening?.catch(() => undefined);
    if (current !== undefined && !current.closed && !current.destroyed) return current;
    opening = openSession(address, tls, dial);
    return opening;
  }
  async function ask(
    headers: OutgoingHttpHeaders,
    body?: Uint8Array,
    signal?: AbortSignal,
    into?: Uint8Array,
  ): Promise<Answer> {
    try {
      const stream = (await session()).request(headers, { endStream: body === undefined, ...(signal && { signal }) });
      if (body !== undefined) stream.end(body);
      return checked(await answerOf(stream, into), address);
    } catch (error) {
      throw networkError(error, address);
    }
  }
  return {
    async read({ sha256, offset, bytes }, signal, into) {
      const headers = { ":method": "GET", ":path": objectPath(sha256), range: formatRange({ offset, bytes }) };
      return (await ask(headers, undefined, signal, into)).body;
    },
    async held({ sha256, totalBytes }) {
      const range = formatUnsatisfied(totalBytes);
      return heldIn(await ask({ ":method": "HEAD", ":path": objectPath(sha256), "content-range": range }));
    },
    async write({ sha256, offset, totalBytes, bytes }, signal) {
      const range = formatContentRange({ offset, bytes: bytes.length }, totalBytes);
      const headers = { ":method": "PUT", ":path": objectPath(sha256), "content-range": range };
      return heldIn(await ask({ ...headers, "content-length": bytes.length }, bytes, signal));
    },
    async probe(direction, bytes) {
      const headers =
        direction === "down"
          ? { ":method": "GET", ":path": PROBE_PATH, range: formatRange({ offset: 0, bytes }) }
          : {
              ":method": "PUT",
              ":path": PROBE_PATH,
              "content-range": formatContentRange({ offset: 0, bytes }, bytes),
              "content-length": bytes,
            };
      const answer = await ask(headers, direction === "up" ? new Uint8Array(bytes) : undefined);
      return { dateMs: Date.parse(answer.headers.date ?? "") };
    },
    close() {
      opening?.then((open) => open.destroy()).catch(() => undefined);
      opening = undefined;
    },
  };
}

function openSession(address: string, tls: ClientTls, dial: DialTls): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = connect(`https://${address}`, {
      createConnection: () => dial({ ...tls, ALPNProtocols: ["h2"] }),
      settings: { enablePush: false, initialWindowSize: WINDOW_BYTES },
    });
    const timer = setTimeout(() => session.destroy(timedOut(address)), LIMITS.requestTimeoutMs);
    session.once("connect", () => {
      clearTimeout(timer);
      session.setLocalWindowSize(WINDOW_BYTES);
      session.unref();
      resolve(session);
    });
    // Also after the connection stands: a broken session fails its streams, and the next request opens another.
    session.on("error", (error: Error) => {
      clearTimeout(timer);
      reject(error);
    });
    session.once("close", () => {
      clearTimeout(timer);
      reject(timedOut(address));
    });
  });
}

/** @param into where the body is put, instead of a buffer of its own; a longer one is an error */
function answerOf(stream: ClientHttp2Stream, into?: Uint8Array): Promise<Answer> {
  const most = into?.length ?? LIMITS.chunkBytes;
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let length = 0;
    let headers: Answer["headers"] | undefined;
    stream.session?.ref();
    stream.setTimeout(LIMITS.requestTimeoutMs, () => stream.destroy(new Error("no byte moved before the time limit")));
    stream.on("response", (received) => {
      headers = received;
    });
    stream.on("data", (piece: Buffer) => {
      const start = length;
      length += piece.length;
      if (length > most) stream.destroy(new Error("a longer answer than was asked for"));
      else if (into === undefined) pieces.push(piece);
      else into.set(piece, start);
    });
    stream.on("error", reject);
    stream.on("close", () => {
      stream.session?.unref();
      const body = into === undefined ? Buffer.concat(pieces, length) : into.subarray(0, length);
      if (headers !== undefined && stream.readableEnded) resolve({ headers, body });
      else reject(new Error(`the connection broke (HTTP/2 code ${stream.rstCode})`));
    });
  });
}

function checked(answer: Answer, address: string): Answer {
  const status = answer.headers[":status"] ?? 0;
  if (status >= 200 && status < 300) return answer;
  const record = refusalIn(answer);
  if (record !== undefined) throw errorFromRecord(record);
  throw new ConsiliumError("unreachable", {
    subject: `coordinator ${address}`,
    expected: "the federation's service",
    actual: `an answer of status ${status}`,
    hint: "Something else may listen there, or a proxy stand between: check the address.",
  });
}

function refusalIn(answer: Answer): ErrorRecord | undefined {
  const header = answer.headers[REFUSAL_HEADER];
  if (typeof header !== "string") return undefined;
  try {
    return JSON.parse(decodeURIComponent(header)) as ErrorRecord;
  } catch {
    return undefined;
  }
}

function heldIn(answer: Answer): number {
  return Number(answer.headers[HELD_HEADER]);
}

function timedOut(address: string): ConsiliumError {
  return new ConsiliumError("unreachable", {
    subject: `coordinator ${address}`,
    expected: `a connection within ${LIMITS.requestTimeoutMs / 1000} s`,
    actual: "none",
    hint: "Check that the coordinator runs and that this machine may open a connection to that host and port.",
  });
}
