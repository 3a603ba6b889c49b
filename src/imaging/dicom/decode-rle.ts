/**
 * RLE of DICOM (PS3.5, annex G): a header of 64 bytes with the places of up to 15 segments, each of them the PackBits
 * code of one byte of every sample, the most significant byte first.
 */
import { corrupt } from "./dicom-file.ts";

const HEADER_BYTES = 64;

/**
 * @param sampleBytes bytes of one sample.
 * @returns samples, little endian, of `samples * sampleBytes` bytes.
 * @throws ConsiliumError `dicom-corrupt`.
 */
export function decodeRle(coded: Uint8Array, samples: number, sampleBytes: number, subject: string): Uint8Array {
  if (coded.length < HEADER_BYTES) throw corrupt(subject, "an RLE header of 64 bytes", `${coded.length} bytes`);
  const header = new DataView(coded.buffer, coded.byteOffset, HEADER_BYTES);
  const count = header.getUint32(0, true);
  if (count !== sampleBytes) throw corrupt(subject, `${sampleBytes} RLE segments`, String(count));
  const out = new Uint8Array(samples * sampleBytes);
  for (let segment = 0; segment < count; segment++) {
    const from = header.getUint32(4 * (segment + 1), true);
    const to = segment + 1 < count ? header.getUint32(4 * (segment + 2), true) : coded.length;
    if (from < HEADER_BYTES || to < from || to > coded.length) {
      throw corrupt(subject, "RLE segments within the frame", `bytes ${from} to ${to} of ${coded.length}`);
    }
    const written = unpack(coded.subarray(from, to), out, sampleBytes - 1 - segment, sampleBytes);
    if (written < samples) throw corrupt(subject, `${samples} samples in an RLE segment`, String(written));
  }
  return out;
}

/** PackBits, every decoded byte `step` after the last. @returns bytes written, no more than fit. */
function unpack(coded: Uint8Array, out: Uint8Array, start: number, step: number): number {
  let at = start;
  let i = 0;
  while (i < coded.length && at < out.length) {
    const n = coded[i++];
    if (n < 128) {
      for (let k = 0; k <= n && i < coded.length && at < out.length; k++, at += step) out[at] = coded[i++];
    } else if (n > 128 && i < coded.length) {
      const value = coded[i++];
      for (let k = 0; k < 257 - n && at < out.length; k++, at += step) out[at] = value;
    }
  }
  return (at - start) / step;
}
