/** Takes so many bytes of a stream at a time, and holds no more of it than was asked for and one piece. */
import type { Readable } from "node:stream";

export interface ByteReader {
  /** The next so many bytes; undefined where the stream ends before. */
  take(bytes: number): Promise<Buffer | undefined>;
  /** Whether nothing is left. */
  atEnd(): Promise<boolean>;
  /** Lets go of what is left. */
  drop(): void;
}

export function byteReader(stream: Readable): ByteReader {
  let held: Buffer[] = [];
  let length = 0;
  let wanted = 0;
  let over = false;
  let wake = (): void => undefined;
  const end = (): void => {
    over = true;
    wake();
  };
  const hold = (piece: Buffer): void => {
    held.push(piece);
    length += piece.length;
    if (length < wanted) return;
    stream.pause();
    wake();
  };
  stream.pause();
  stream.on("data", hold);
  for (const last of ["end", "close", "error"]) stream.on(last, end);
  async function take(bytes: number): Promise<Buffer | undefined> {
    wanted = bytes;
    while (length < bytes && !over) {
      await new Promise<void>((resolve) => {
        wake = resolve;
        stream.resume();
      });
    }
    if (length < bytes) return undefined;
    const all = held.length === 1 ? held[0] : Buffer.concat(held, length);
    length -= bytes;
    held = length === 0 ? [] : [all.subarray(bytes)];
    return all.subarray(0, bytes);
  }
  return {
    take,
    async atEnd() {
      return (await take(1)) === undefined;
    },
    drop() {
      stream.off("data", hold);
      held = [];
      length = 0;
      stream.resume();
    },
  };
}
