/**
 * GET, HEAD and PUT of /objects/<sha256> at the coordinator. One request moves one piece of at most LIMITS.chunkBytes,
 * so a proxy never sees a long call. What a call holds of it in memory is a part or two (LIMITS.chunkPartBytes) and what
 * the connection's window lets in: parts go to the disk and come from it one after another.
 */
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { ConsiliumError, type ErrorCode, LIMITS } from "../base/index.ts";
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
  request: Http2ServerRequest,
  response: Http2ServerResponse,
): Promise<void> {
  try {
    const peer = peerOf();
    const sha256 = parseObjectPath(request.url);
    switch (request.method) {
      case "GET": {
        await sendPiece(response, parseRange(one(request.headers.range)), (range) =>
          service.readObject(peer, { sha256, ...range }),
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
        for await (const bytes of partsOf(request, expected, LIMITS.chunkPartBytes)) {
          held = await service.writeObject(peer, { sha256, offset: offset + done, totalBytes, bytes });
          done += bytes.length;
        }
        response.writeHead(200, { [HELD_HEADER]: held }).end();
        return;
      }
      default:
        throw invalidRequest("GET, HEAD or PUT", request.method);
    }
  } catch (error) {
    refuse(response, error);
    // What still comes of a refused piece must not fill the connection's window.
    request.resume();
  }
}

/** Part by part, each once the one before is on its way. A part that cannot be read breaks the stream off. */
async function sendPiece(
  response: Http2ServerResponse,
  { offset, bytes }: ByteRange,
  read: (range: ByteRange) => Promise<Uint8Array>,
): Promise<void> {
  for (let sent = 0; sent < bytes; ) {
    const part = await read({ offset: offset + sent, bytes: Math.min(LIMITS.chunkPartBytes, bytes - sent) });
    if (sent === 0) response.writeHead(206, { "content-type": "application/octet-stream" });
    if (part.length === 0) break;
    sent += part.length;
    if (!response.write(part) && sent < bytes) await drained(response);
  }
  response.end();
}

/** Until there is room for more, or the stream is gone. */
function drained({ stream }: Http2ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    const go = (): void => {
      stream.off("drain", go).off("close", stop);
      resolve();
    };
    const stop = (): void => {
      stream.off("drain", go);
      reject(new Error("the stream was closed"));
    };
    if (stream.destroyed) reject(new Error("the stream was closed"));
    else stream.once("drain", go).once("close", stop);
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

/** @throws ConsiliumError `message-invalid` for another length */
export async function readBody(request: Http2ServerRequest, expected: number): Promise<Uint8Array> {
  let whole: Uint8Array = new Uint8Array();
  for await (const part of partsOf(request, expected, expected)) whole = part;
  return whole;
}

/**
 * A body in parts of at least so many bytes, but for the last.
 * @throws ConsiliumError `message-invalid` where it is longer, before what is too much is given out, or ends before
 */
async function* partsOf(request: Http2ServerRequest, expected: number, partBytes: number): AsyncGenerator<Buffer> {
  let pieces: Buffer[] = [];
  let [length, held] = [0, 0];
  for await (const piece of request as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > Math.min(expected, LIMITS.chunkBytes)) break;
    pieces.push(piece);
    held += piece.length;
    if (held < partBytes && length < expected) continue;
    yield Buffer.concat(pieces, held);
    [pieces, held] = [[], 0];
  }
  if (length !== expected) throw invalidRequest(`a piece of ${expected} bytes`, `${length} bytes`);
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
