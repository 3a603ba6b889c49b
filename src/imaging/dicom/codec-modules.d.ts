/** What the product uses of decoders that come without types. Bytes decoded are little endian, rows from the top. */

interface FrameDecoder {
  /** Memory of the decoder for that many coded bytes. */
  getEncodedBuffer(length: number): Uint8Array;
  decode(): void;
  /** A view of the decoder's memory: copy it before `delete`. */
  getDecodedBuffer(): Uint8Array;
  getFrameInfo(): { width: number; height: number; bitsPerSample: number; componentCount: number; isSigned?: boolean };
  delete(): void;
}

interface CodecOptions {
  print: (line: string) => void;
  printErr: (line: string) => void;
}

declare module "@cornerstonejs/codec-charls/decodewasmjs" {
  const load: (options: CodecOptions) => Promise<{ JpegLSDecoder: new () => FrameDecoder }>;
  export default load;
}

declare module "@cornerstonejs/codec-openjpeg/decodewasmjs" {
  const load: (options: CodecOptions) => Promise<{ J2KDecoder: new () => FrameDecoder }>;
  export default load;
}

declare module "jpeg-lossless-decoder-js" {
  export class Decoder {
    /** @returns samples of 1 or 2 bytes as the stream's precision asks. */
    decompress(buffer: ArrayBuffer, offset: number, length: number): ArrayBuffer;
  }
}
