/**
 * GET, HEAD and PUT of /objects/<sha256> at the coordinator. One request moves one piece of at most LIMITS.chunkBytes,
 * so a proxy never sees a long call, and what a caller can make the coordinator hold is one piece a stream.
 */
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { ConsiliumError, type ErrorCode, LIMITS } from "../base/index.ts";
import { errorRecord } from "./refusal.ts";
import type { FederationService, Peer } from "./service.ts";
import {
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
        const piece = await service.readObject(peer, { sha256, ...parseRange(one(request.headers.range)) });
        response.writeHead(206, { "content-type": "application/octet-stream", "content-length": piece.length });
        response.end(piece);
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
        const bytes = await readBody(request, expected);
        const held = await service.writeObject(peer, { sha256, offset, totalBytes, bytes });
        response.writeHead(200, { [HELD_HEADER]: held }).end();
        return;
      }
      default:
        throw invalidRequest("GET, HEAD or PUT", request.method);
    }
  } catch (error) {
    refuse(response, error);
  }
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
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > Math.min(expected, LIMITS.chunkBytes)) break;
    pieces.push(piece);
  }
  if (length !== expected) throw invalidRequest(`a piece of ${expected} bytes`, `${length} bytes`);
  return Buffer.concat(pieces, length);
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
