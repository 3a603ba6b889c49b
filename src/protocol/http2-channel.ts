/**
 * Pieces of large objects over plain HTTP/2 with mutual TLS, on the coordinator's one port: GET /objects/<sha256> with
 * Range, PUT with Content-Range, HEAD for what is held. Messages go by Connect beside it; tensors would be copied
 * three times there (measured: 68 to 312 MB/s, against about 500 MB/s so).
 *
 * Invariants: one session (`http2-session.ts`); no request waits longer than LIMITS.requestTimeoutMs without a byte
 * moving, and the session on which one did is given up; no answer longer than asked for is read.
 */
import type { ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader, OutgoingHttpHeaders } from "node:http2";
import { ConsiliumError, LIMITS } from "../base/index.ts";
import { keptSession } from "./http2-session.ts";
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
  const session = keptSession({ address, tls, dial, windowBytes: WINDOW_BYTES });

  async function ask(
    headers: OutgoingHttpHeaders,
    body?: Uint8Array,
    signal?: AbortSignal,
    into?: Uint8Array,
  ): Promise<Answer> {
    try {
      const stream = await session.request(headers, { endStream: body === undefined, ...(signal && { signal }) });
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
    close: session.giveUp,
  };
}

/** @param into where the body is put, instead of a buffer of its own; a longer one is an error */
function answerOf(stream: ClientHttp2Stream, into?: Uint8Array): Promise<Answer> {
  const { session } = stream;
  const most = into?.length ?? LIMITS.chunkBytes;
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let length = 0;
    let headers: Answer["headers"] | undefined;
    stream.setTimeout(LIMITS.requestTimeoutMs, () => {
      stream.destroy(new Error("no byte moved before the time limit"));
      // What was swallowed once is swallowed on the next request as well.
      session?.destroy();
    });
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
