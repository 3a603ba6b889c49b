/** Between the two processes of bench/control-rates.ts: a length, a number and a body; number 0 carries an order in JSON. */
import type { Readable, Writable } from "node:stream";

const HEAD_BYTES = 8;
export const ORDER = 0;

export interface Frame {
  readonly number: number;
  readonly body: Uint8Array;
}

export function writeFrame(to: Writable, { number, body }: Frame): void {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(body.length, 0);
  head.writeUInt32LE(number, 4);
  to.write(Buffer.concat([head, body]));
}

export function writeOrder(to: Writable, order: unknown): void {
  writeFrame(to, { number: ORDER, body: Buffer.from(JSON.stringify(order)) });
}

export function readFrames(from: Readable, take: (frame: Frame) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  from.on("data", (piece: Buffer) => {
    rest = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    for (;;) {
      if (rest.length < HEAD_BYTES) return;
      const end = HEAD_BYTES + rest.readUInt32LE(0);
      if (rest.length < end) return;
      const frame = { number: rest.readUInt32LE(4), body: rest.subarray(HEAD_BYTES, end) };
      rest = rest.subarray(end);
      take(frame);
    }
  });
}

export function orderIn<T>({ body }: Frame): T {
  return JSON.parse(Buffer.from(body).toString("utf8")) as T;
}
