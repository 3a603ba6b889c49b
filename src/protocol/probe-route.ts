/**
 * GET and PUT of /probe at the coordinator: as many zeros as asked for, or as many bytes thrown away, so that a site can
 * measure its line before a round. One request moves one piece of at most LIMITS.chunkBytes, and only for a caller whom
 * the federation's authority certified; nothing is kept.
 */
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { BufferPool } from "../base/index.ts";
import { invalidRequest, receive, refuse } from "./object-routes.ts";
import type { Peer } from "./service.ts";
import { parseContentRange, parseRange } from "./wire.ts";

export const PROBE_PATH = "/probe";

export async function answerProbe(
  peerOf: () => Peer,
  parts: BufferPool,
  request: Http2ServerRequest,
  response: Http2ServerResponse,
): Promise<void> {
  try {
    peerOf();
    if (request.method === "GET") {
      const { bytes } = parseRange(request.headers.range);
      response.writeHead(206, { "content-type": "application/octet-stream", "content-length": bytes });
      response.end(new Uint8Array(bytes));
    } else if (request.method === "PUT") {
      await receive(request, parts, parseContentRange(request.headers["content-range"]).bytes, () => Promise.resolve());
      response.writeHead(200).end();
    } else {
      throw invalidRequest("GET or PUT", request.method);
    }
  } catch (error) {
    refuse(response, error);
  }
}
