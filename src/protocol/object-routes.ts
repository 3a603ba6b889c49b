/**
 * GET, HEAD and PUT of /objects/<sha256> at the coordinator. One request moves one piece of at most LIMITS.chunkBytes,
 * so a proxy never sees a long call. What a call holds of it in memory is a part or two (LIMITS.chunkPartBytes) and what
 * the connection's window lets in: parts go to the disk and come from it one after another, in buffers of a pool.
 */
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { type BufferPool, ConsiliumError, type ErrorCode, LIMITS } from "../base/index.ts";
import { errorRecord } from "./refusal.ts";
import type { FederationService, Peer } from "./service.ts";
import {
  type ByteRange,
  HELD_HEADER,
  parseContentRange,
  parseObjectPath,
  parseRange,
  parseUnsatisfied,
  REFUSAL_HEADER,
} from "./wire.ts";

export async function answerObjectRequest(
  service: FederationService,
  peerOf: () => Peer,
  parts: BufferPool,
  request: Http2ServerRequest,
  response: Http2ServerResponse,
): Promise<void> {
  try {
    const peer = peerOf();
    const sha256 = parseObjectPath(request.url);
    switch (request.method) {
      case "GET": {
        await sendPiece(response, parts, parseRange(one(request.headers.range)), (range, into) =>
          service.readObject(peer, { sha256, ...range }, into),
        );
        return;
      }
      case "HEAD": {
        const totalBytes = parseUnsatisfied(one(request.headers["content-range"]));
        const held = await service.heldBytes(peer, { sha256, totalBytes });
        response.writeHead(200, { [HELD_HEADER]: held }).end();
        return;
      }
      case "PUT": {
        const { offset, bytes: expected, totalBytes } = parseContentRange(one(request.headers["content-range"]));
        let [done, held] = [0, offset];
        await receive(request, parts, expected, async (bytes) => {
          held = await service.writeObject(peer, { sha256, offset: offset + done, totalBytes, bytes });
          done += bytes.length;
        });
        response.writeHead(200, { [HELD_HEADER]: held }).end();
        return;
      }
      default:
        throw invalidRequest("GET, HEAD or PUT", request.method);
    }
  } catch (error) {
    refuse(response, error);
    // What still comes of a refused piece must not fill the connection's window.
    request.stream.resume();
  }
}

/**
 * Part by part: one is read while the one before is on its way. A part that cannot be read, or that the caller does not
 * take, breaks the stream off.
 */
async function sendPiece(
  response: Http2ServerResponse,
  parts: BufferPool,
  { offset, bytes }: ByteRange,
  read: (range: ByteRange, into: Uint8Array) => Promise<Uint8Array>,
): Promise<void> {
  const lanes = [parts.take(), parts.take()].map((buffer) => ({ buffer, taken: Promise.resolve() }));
  for (let sent = 0, turn = 0; sent < bytes; turn++) {
    const lane = lanes[turn % lanes.length];
    await lane.taken;
    const range = { offset: offset + sent, bytes: Math.min(LIMITS.chunkPartBytes, bytes - sent) };
    const part = await read(range, lane.buffer);
    if (sent === 0) response.writeHead(206, { "content-type": "application/octet-stream" });
    if (part.length === 0) break;
    sent += part.length;
    lane.taken = written(response, part);
    // Awaited when its buffer is needed again; until then a failure must not go unheard.
    lane.taken.catch(() => undefined);
  }
  for (const { taken } of lanes) await taken;
  response.end();
  for (const { buffer } of lanes) parts.give(buffer);
}

/** Until nothing of the part is needed any more. @throws where the stream is gone before */
function written(response: Http2ServerResponse, part: Uint8Array): Promise<void> {
  const { stream } = response;
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new Error("the stream was closed"));
    if (stream.destroyed) return stop();
    stream.once("close", stop);
    stream.write(part, (error) => {
      stream.off("close", stop);
      if (error) reject(error);
      else resolve();
    });
  });
}

export function refuse(response: Http2ServerResponse, error: unknown): void {
  if (response.headersSent || response.stream.destroyed) {
    response.stream.destroy();
    return;
  }
  const record = errorRecord(error);
  const headers = { [REFUSAL_HEADER]: encodeURIComponent(JSON.stringify(record)) };
  response.writeHead(STATUS[record.code as ErrorCode] ?? 403, headers).end();
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  internal: 500,
  "disk-full": 507,
  "folder-not-writable": 507,
  "message-invalid": 400,
  "object-missing": 404,
  "object-corrupt": 422,
  "limit-exceeded": 413,
};

/**
 * A body part by part: one is used while the next fills another buffer. Taken from the stream as it comes, piece by piece:
 * asked for in any other way, a stream joins what waits in it to one more buffer.
 * @throws ConsiliumError `message-invalid` where it is longer, before what is too much is used, or ends before; what `use` throws
 */
export async function receive(
  { stream }: Http2ServerRequest,
  parts: BufferPool,
  expected: number,
  use: (part: Uint8Array) => Promise<void>,
): Promise<void> {
  const buffers = [parts.take(), parts.take()];
  const most = Math.min(expected, LIMITS.chunkBytes);
  let [length, held, turn] = [0, 0, 0];
  let inUse = false;
  let hasEnded = false;
  let hasFailed = false;
  /** What is left of a piece that found no room. */
  let waiting: Buffer | undefined;
  await new Promise<void>((resolve, reject) => {
    const fail = (error: unknown): void => {
      // Nothing more is used: whoever called may ask again, and be told what was held until then.
      hasFailed = true;
      stream.off("data", take);
      reject(error);
    };
    const goOn = (): void => {
      if (inUse || hasFailed) return;
      if (held === buffers[turn].length || (hasEnded && held > 0)) {
        inUse = true;
        use(buffers[turn].subarray(0, held)).then(() => {
          inUse = false;
          goOn();
        }, fail);
        [turn, held] = [1 - turn, 0];
      }
      if (waiting !== undefined) {
        const piece = waiting;
        waiting = undefined;
        stream.resume();
        put(piece);
      }
      if (hasEnded && held === 0 && !inUse) resolve();
    };
    const put = (piece: Buffer): void => {
      for (let left = piece; left.length > 0; ) {
        const fits = left.subarray(0, buffers[turn].length - held);
        if (fits.length === 0) {
          waiting = left;
          stream.pause();
          return;
        }
        buffers[turn].set(fits, held);
        held += fits.length;
        left = left.subarray(fits.length);
        goOn();
      }
    };
    const take = (piece: Buffer): void => {
      length += piece.length;
      if (length > most) fail(invalidRequest(`a piece of ${most} bytes`, `more than ${most} bytes`));
      else put(piece);
    };
    stream.on("data", take);
    stream.once("end", () => {
      if (length !== expected) return fail(invalidRequest(`a piece of ${expected} bytes`, `${length} bytes`));
      hasEnded = true;
      goOn();
    });
    stream.once("error", fail);
    stream.once("close", () => {
      if (!hasEnded) fail(new Error("the stream was closed"));
    });
  });
  for (const buffer of buffers) parts.give(buffer);
}

function one(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

export function invalidRequest(expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("message-invalid", {
    subject: "object request",
    expected,
    actual,
    hint: "The sender does not follow the protocol: compare the versions at both ends.",
  });
}
