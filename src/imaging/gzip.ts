/**
 * Gzip (RFC 1952) with bounds: what a file claims is looked at before memory is taken for it, and truncation, a wrong
 * checksum or length are told as `nifti-corrupt`. zlib checks CRC-32 and length; work runs on Node's thread pool.
 */
import { promisify } from "node:util";
import { constants, gunzip, gunzipSync } from "node:zlib";
import { ConsiliumError, LIMITS } from "../base/index.ts";

const gunzipAsync = promisify(gunzip);
/** Deflate cannot expand more (RFC 1951: 258 bytes from two bits). */
const MAX_DEFLATE_RATIO = 1032;
/** Room for the header and its extensions beside the voxels. */
const HEADER_ALLOWANCE_BYTES = 65536;

export function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** The beginning of the decompressed stream, from the first 16 KiB of the compressed one; may be shorter than asked. */
export function gunzipStart(bytes: Uint8Array, length: number, subject: string): Uint8Array {
  try {
    const finishFlush = constants.Z_SYNC_FLUSH;
    return gunzipSync(bytes.subarray(0, 16384), { finishFlush }).subarray(0, length);
  } catch (cause) {
    throw gzipError(cause, subject);
  }
}

/**
 * The whole stream.
 * @param expectedBytes taken as the size of the first buffer; not trusted beyond that.
 * @throws ConsiliumError `nifti-corrupt`, or `limit-exceeded` where it grows over `maxOutputLength`.
 */
export async function gunzipBounded(
  bytes: Uint8Array,
  expectedBytes: number,
  subject: string,
  maxOutputLength: number = LIMITS.volumeBytes + HEADER_ALLOWANCE_BYTES,
): Promise<Uint8Array> {
  try {
    // One byte more than expected, so that a stream of the expected length ends within its first buffer.
    const chunkSize = Math.max(65536, Math.min(expectedBytes + 1, bytes.length * MAX_DEFLATE_RATIO));
    return await gunzipAsync(bytes, { chunkSize, maxOutputLength });
  } catch (cause) {
    throw gzipError(cause, subject);
  }
}

function gzipError(cause: unknown, subject: string): ConsiliumError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "ERR_BUFFER_TOO_LARGE") {
    return new ConsiliumError("limit-exceeded", {
      subject,
      expected: `a volume of at most ${LIMITS.volumeBytes} bytes when decompressed`,
      actual: "more",
      hint: "Resample or crop the image first; if it is not that large, the file is damaged.",
      cause,
    });
  }
  return new ConsiliumError("nifti-corrupt", {
    subject,
    expected: "a complete gzip stream whose checksum holds",
    actual: code === "Z_BUF_ERROR" ? "a truncated one" : message,
    hint: "The file is damaged: copy or download it again.",
    cause,
  });
}
