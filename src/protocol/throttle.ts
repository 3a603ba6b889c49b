/**
 * Large objects at no more than a site's chosen speed, both ways together. Pieces become small enough that one takes
 * about half a second, and each waits until the time of those before it is over; messages are not held back.
 */
import { LIMITS } from "../base/index.ts";
import type { ObjectChannel } from "./object-transfer.ts";
import { checkNotAborted } from "./refusal.ts";

const PIECE_SECONDS = 0.5;

/** @param bytesPerSecond at least LIMITS.throttleMinBytesPerSecond */
export function throttled(channel: ObjectChannel, bytesPerSecond: number): ObjectChannel {
  const pieceBytes = Math.min(LIMITS.chunkBytes, Math.max(1024, Math.floor(bytesPerSecond * PIECE_SECONDS)));
  let freeAtMs = 0;
  async function inTurn(bytes: number, subject: string, signal: AbortSignal | undefined): Promise<void> {
    const nowMs = performance.now();
    const startMs = Math.max(nowMs, freeAtMs);
    freeAtMs = startMs + (bytes / bytesPerSecond) * 1000;
    if (startMs > nowMs) await pause(startMs - nowMs, signal);
    checkNotAborted(signal, subject);
  }
  return {
    pieceBytes,
    async read(range, signal, into) {
      await inTurn(range.bytes, `object ${range.sha256.slice(0, 12)}`, signal);
      return channel.read(range, signal, into);
    },
    held: (object) => channel.held(object),
    async write(chunk, signal) {
      await inTurn(chunk.bytes.length, `object ${chunk.sha256.slice(0, 12)}`, signal);
      return channel.write(chunk, signal);
    },
  };
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
    if (signal?.aborted) done();
  });
}
