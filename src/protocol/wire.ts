/** Facts of the wire that client and server share. */
import { ConsiliumError, isSha256, LIMITS, type Sha256 } from "../base/index.ts";

/** Bytes held of an upload, in answers to HEAD and PUT. */
export const HELD_HEADER = "consilium-held";
/** A refusal as percent-encoded JSON: HEAD has no body to say it in. */
export const REFUSAL_HEADER = "consilium-refusal";
/** Status for who asks too often: no code of the protocol's, a site waits and tries again. */
export const TOO_MANY_REQUESTS = 429;
/** HTTP/2 flow-control window of a connection, and of a stream to a site; node's default of 64 KiB halves the speed. */
export const WINDOW_BYTES = 8 << 20;
/** Of a stream to the coordinator: what it may have to hold of an upload for each site that sends at the same time. */
export const UPLOAD_WINDOW_BYTES = 1 << 20;

export function objectPath(sha256: Sha256): string {
  return `/objects/${sha256}`;
}

/** @throws ConsiliumError `message-invalid` */
export function parseObjectPath(path: string): Sha256 {
  const digest = path.startsWith("/objects/") ? path.slice("/objects/".length) : "";
  if (!isSha256(digest)) throw invalid("a path /objects/<sha256>", path.slice(0, 100));
  return digest;
}

export interface ByteRange {
  readonly offset: number;
  readonly bytes: number;
}

/** Range (RFC 9110, 14.2), one range with both ends, at most LIMITS.chunkBytes. */
export function formatRange({ offset, bytes }: ByteRange): string {
  return `bytes=${offset}-${offset + bytes - 1}`;
}

/** @throws ConsiliumError `message-invalid` */
export function parseRange(header: string | undefined): ByteRange {
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header ?? "");
  return checkedRange(match, header);
}

/** Content-Range (RFC 9110, 14.4) of a piece of an object. */
export function formatContentRange({ offset, bytes }: ByteRange, totalBytes: number): string {
  return `bytes ${offset}-${offset + bytes - 1}/${totalBytes}`;
}

/** @throws ConsiliumError `message-invalid` */
export function parseContentRange(header: string | undefined): ByteRange & { readonly totalBytes: number } {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(header ?? "");
  const range = checkedRange(match, header);
  const totalBytes = Number(match?.[3]);
  if (range.offset + range.bytes > totalBytes) throw invalid("a piece within the object", String(header));
  return { ...range, totalBytes };
}

/** Content-Range that asks only for the whole's size. */
export function formatUnsatisfied(totalBytes: number): string {
  return `bytes */${totalBytes}`;
}

/** @throws ConsiliumError `message-invalid` */
export function parseUnsatisfied(header: string | undefined): number {
  const match = /^bytes \*\/(\d{1,15})$/.exec(header ?? "");
  if (match === null) throw invalid("Content-Range: bytes */<total>", String(header).slice(0, 100));
  return Number(match[1]);
}

function checkedRange(match: RegExpExecArray | null, header: string | undefined): ByteRange {
  const offset = Number(match?.[1]);
  const bytes = Number(match?.[2]) - offset + 1;
  if (match === null || !(bytes >= 1 && bytes <= LIMITS.chunkBytes)) {
    throw invalid(`a range of 1 to ${LIMITS.chunkBytes} bytes`, String(header).slice(0, 100));
  }
  return { offset, bytes };
}

function invalid(expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("message-invalid", {
    subject: "object request",
    expected,
    actual,
    hint: "The sender does not follow the protocol: compare the versions at both ends.",
  });
}
