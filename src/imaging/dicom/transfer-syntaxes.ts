/**
 * Transfer syntaxes that pixels may come in (PS3.5, section 10; UIDs of PS3.6), each with what decodes it: JPEG-LS by
 * CharLS, JPEG 2000 by OpenJPEG (both as WebAssembly from cornerstonejs/codecs), JPEG lossless by
 * jpeg-lossless-decoder-js, RLE here. Lossy JPEG and video are refused.
 *
 * A decoder is loaded when the first frame needs it.
 */
import { ConsiliumError } from "../../base/index.ts";
import { decodeRle } from "./decode-rle.ts";
import { corrupt } from "./dicom-file.ts";
import type { PixelLayout } from "./dicom-image.ts";

export type PixelCoding =
  | { readonly kind: "native"; readonly littleEndian: boolean }
  | {
      readonly kind: "coded";
      readonly decode: (coded: Uint8Array, layout: PixelLayout, subject: string) => Promise<Uint8Array>;
    };

const NATIVE_LITTLE: PixelCoding = { kind: "native", littleEndian: true };
const JPEG_LOSSLESS: PixelCoding = { kind: "coded", decode: decodeJpegLossless };
const JPEG_LS: PixelCoding = {
  kind: "coded",
  decode: (coded, layout, subject) => decodeBy(loadCharLs, coded, layout, subject),
};
const JPEG_2000: PixelCoding = {
  kind: "coded",
  decode: (coded, layout, subject) => decodeBy(loadOpenJpeg, coded, layout, subject),
};

const CODINGS: Readonly<Record<string, PixelCoding>> = {
  "1.2.840.10008.1.2": NATIVE_LITTLE,
  "1.2.840.10008.1.2.1": NATIVE_LITTLE,
  "1.2.840.10008.1.2.1.99": NATIVE_LITTLE,
  "1.2.840.10008.1.2.2": { kind: "native", littleEndian: false },
  "1.2.840.10008.1.2.4.57": JPEG_LOSSLESS,
  "1.2.840.10008.1.2.4.70": JPEG_LOSSLESS,
  "1.2.840.10008.1.2.4.80": JPEG_LS,
  "1.2.840.10008.1.2.4.81": JPEG_LS,
  "1.2.840.10008.1.2.4.90": JPEG_2000,
  "1.2.840.10008.1.2.4.91": JPEG_2000,
  "1.2.840.10008.1.2.5": {
    kind: "coded",
    decode: async (coded, { rows, columns, bitsAllocated }, subject) =>
      decodeRle(coded, rows * columns, bitsAllocated / 8, subject),
  },
};

/** @throws ConsiliumError `dicom-unsupported`. */
export function pixelCoding(transferSyntax: string, subject: string): PixelCoding {
  const coding = CODINGS[transferSyntax];
  if (coding !== undefined) return coding;
  throw new ConsiliumError("dicom-unsupported", {
    subject,
    expected: "pixels uncompressed, or in RLE, JPEG lossless, JPEG-LS or JPEG 2000",
    actual: `transfer syntax ${transferSyntax}`,
    hint: "Export the series in one of these.",
  });
}

async function decodeJpegLossless(coded: Uint8Array, layout: PixelLayout, subject: string): Promise<Uint8Array> {
  const { Decoder } = await import("jpeg-lossless-decoder-js");
  const own = Uint8Array.from(coded);
  try {
    return checkedLength(new Uint8Array(new Decoder().decompress(own.buffer, 0, own.length)), layout, subject);
  } catch (cause) {
    throw cause instanceof ConsiliumError ? cause : undecodable(subject, "JPEG lossless", cause);
  }
}

const SILENT: CodecOptions = { print: () => {}, printErr: () => {} };

async function loadCharLs(): Promise<new () => FrameDecoder> {
  const { default: load } = await import("@cornerstonejs/codec-charls/decodewasmjs");
  return (await load(SILENT)).JpegLSDecoder;
}

async function loadOpenJpeg(): Promise<new () => FrameDecoder> {
  const { default: load } = await import("@cornerstonejs/codec-openjpeg/decodewasmjs");
  return (await load(SILENT)).J2KDecoder;
}

const loaded = new Map<() => Promise<new () => FrameDecoder>, Promise<new () => FrameDecoder>>();

async function decodeBy(
  load: () => Promise<new () => FrameDecoder>,
  coded: Uint8Array,
  layout: PixelLayout,
  subject: string,
): Promise<Uint8Array> {
  const ready = loaded.get(load) ?? load();
  loaded.set(load, ready);
  const decoder = new (await ready)();
  try {
    decoder.getEncodedBuffer(coded.length).set(coded);
    decoder.decode();
    const { width, height, componentCount } = decoder.getFrameInfo();
    if (width !== layout.columns || height !== layout.rows || componentCount !== 1) {
      throw corrupt(
        subject,
        `a frame of ${layout.columns} x ${layout.rows}, one component`,
        `${width} x ${height}, ${componentCount}`,
      );
    }
    return checkedLength(Uint8Array.from(decoder.getDecodedBuffer()), layout, subject);
  } catch (cause) {
    throw cause instanceof ConsiliumError ? cause : undecodable(subject, "compressed", cause);
  } finally {
    decoder.delete();
  }
}

/** Decoders give samples of one byte where the stream's precision is at most 8, whatever the file allocates. */
function checkedLength(bytes: Uint8Array, { rows, columns, bitsAllocated }: PixelLayout, subject: string): Uint8Array {
  const samples = rows * columns;
  if (bytes.length === (samples * bitsAllocated) / 8) return bytes;
  if (bytes.length === samples && bitsAllocated === 16) {
    const wide = new Uint8Array(2 * samples);
    for (let i = 0; i < samples; i++) wide[2 * i] = bytes[i];
    return wide;
  }
  throw corrupt(subject, `${samples} samples of ${bitsAllocated} bits`, `${bytes.length} bytes`);
}

function undecodable(subject: string, what: string, cause: unknown): ConsiliumError {
  const actual = cause instanceof Error ? cause.message : "data that the decoder refuses";
  return corrupt(subject, `a ${what} frame`, actual, cause);
}
