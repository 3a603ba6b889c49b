import { inflateSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodePng } from "./png.ts";

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
  readonly crc: number;
  readonly checked: Uint8Array;
}

function chunksOf(png: Uint8Array): Chunk[] {
  const view = new DataView(png.buffer, png.byteOffset);
  const chunks: Chunk[] = [];
  for (let at = 8; at < png.length; ) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...png.subarray(at + 4, at + 8));
    chunks.push({
      type,
      data: png.subarray(at + 8, at + 8 + length),
      crc: view.getUint32(at + 8 + length),
      checked: png.subarray(at + 4, at + 8 + length),
    });
    at += 12 + length;
  }
  return chunks;
}

/** CRC-32 bit by bit, as its definition says. */
function slowCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** Undoes filter type 2 (up), the only one written. */
function decode(png: Uint8Array): { width: number; height: number; pixels: Uint8Array } {
  const chunks = chunksOf(png);
  const header = chunks[0].data;
  const view = new DataView(header.buffer, header.byteOffset);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const stride = width * (header[9] === 2 ? 3 : 1);
  const rows = new Uint8Array(inflateSync(chunks[1].data));
  const pixels = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    expect(rows[y * (stride + 1)]).toBe(2);
    for (let x = 0; x < stride; x++) {
      const above = y === 0 ? 0 : pixels[(y - 1) * stride + x];
      pixels[y * stride + x] = rows[y * (stride + 1) + 1 + x] + above;
    }
  }
  return { width, height, pixels };
}

describe("encodePng", () => {
  it("writes what a decoder reads back, grey and RGB", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        fc.constantFrom(1, 3),
        fc.uint8Array({ minLength: 432, maxLength: 432 }),
        (width, height, channels, bytes) => {
          const pixels = bytes.subarray(0, width * height * channels);
          expect(decode(encodePng(width, height, pixels))).toEqual({ width, height, pixels: Uint8Array.from(pixels) });
        },
      ),
      { numRuns: 40 },
    );
  });

  it("has the signature, the three chunks in order and their checksums", () => {
    const png = encodePng(3, 2, Uint8Array.of(0, 50, 100, 150, 200, 250));
    expect([...png.subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]);
    const chunks = chunksOf(png);
    expect(chunks.map((chunk) => chunk.type)).toEqual(["IHDR", "IDAT", "IEND"]);
    for (const { crc, checked } of chunks) expect(crc).toBe(slowCrc(checked));
  });

  it("refuses pixels that do not fill the image", () => {
    expect(() => encodePng(4, 4, new Uint8Array(15))).toThrow("one or three bytes per pixel");
  });
});
