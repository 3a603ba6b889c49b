/** Reading and answering plain requests: bounded bodies, cookies, JSON, and refusals as JSON with their status. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { errorRecord } from "../protocol/index.ts";
import { notOffered } from "./refusals.ts";
import { PAGE_POLICY } from "./static-files.ts";

export interface Headed {
  readonly headers: IncomingHttpHeaders;
}

export function readCookie(request: Headed, wanted: string): string | undefined {
  for (const pair of (request.headers.cookie ?? "").split(";")) {
    const [name, value] = pair.trim().split("=");
    if (name === wanted) return value;
  }
  return undefined;
}

/** @throws ConsiliumError `file-not-found` for what is larger, or no JSON object */
export async function readBody(request: IncomingMessage, atMost: number): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await readBytes(request, atMost, () => notOffered("a request of that size"));
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    if (typeof value === "object" && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch {
    // Told below in the same words.
  }
  throw notOffered("a request that is no JSON object");
}

/** @throws what `tooLarge` gives, before more is kept */
export async function readBytes(request: IncomingMessage, atMost: number, tooLarge: () => Error): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > atMost) throw tooLarge();
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

const STATUS_BY_CODE: Readonly<Record<string, number>> = {
  "sign-in-required": 401,
  "role-refused": 403,
  "limit-exceeded": 429,
  "study-unknown": 404,
  "file-not-found": 404,
  "message-invalid": 400,
  "object-corrupt": 400,
  "object-refused": 409,
  "disk-full": 507,
};

export function refuse(response: ServerResponse, error: unknown): void {
  const record = errorRecord(error);
  if (response.headersSent) return void response.destroy();
  json(response, STATUS_BY_CODE[record.code] ?? 500, { error: record });
}

export function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, {
    "content-type": "application/json",
    "content-security-policy": PAGE_POLICY,
    "cache-control": "no-store",
  });
  response.end(JSON.stringify(value));
}

export function redirect(response: ServerResponse, location: string): void {
  response.writeHead(302, { location, "cache-control": "no-store", "content-security-policy": PAGE_POLICY });
  response.end();
}
