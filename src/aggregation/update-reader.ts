/**
 * Updates as streams of bytes from a store, read stretch by stretch into aligned integers.
 *
 * An update is never whole in memory: whoever needs it asks for the same stretch of every update in turn, so that
 * memory does not grow with the number of sites; the store puts the bytes where they are worked on. What an encoding
 * writes in blocks is read in blocks; numbers of a block that the stretch does not take wait for the next.
 *
 * Invariant: bytes are hashed in the order in which they lie in the update, since stretches are read in ascending
 * order and without gaps; `finish` compares the digest.
 */
import { createHash } from "node:crypto";
import { ConsiliumError, invariant, type Sha256 } from "../base/index.ts";
import { checkCoordinates } from "./exact-sum.ts";
import { decodeUpdate, elementsPerUnit, encodedBytes, type UpdateEncoding } from "./update-encoding.ts";
import { coordinateLimit } from "./update-scales.ts";

/** One site's update where it is stored. */
export interface UpdateSource {
  readonly siteId: string;
  /** A positive integer: what the update counts for in the sum (cases, one each, or parts of either where work is partial). */
  readonly weight: number;
  /** Length of the stored object. */
  readonly bytes: number;
  /** Compared with what was read, where given. */
  readonly sha256?: Sha256;
  /** Fills `into` with the bytes from `startByte` on. @returns how many there were: fewer only where the object ends */
  read(startByte: number, into: Uint8Array): Promise<number>;
}

export interface UpdateReader {
  /** Fills the target with the coordinates that follow those read last. */
  read(target: Int32Array): Promise<void>;
  /** @throws ConsiliumError `object-corrupt` where the digest is not the announced one. */
  finish(): void;
}

/** What an update's bytes stand for. */
export interface UpdateFormat {
  readonly layoutLength: number;
  readonly precisionBits: number;
  /** `int32` unless given. */
  readonly encoding?: UpdateEncoding | undefined;
}

/** @throws ConsiliumError `update-shape` where the object's length is not that of the layout. */
export function createUpdateReader(source: UpdateSource, format: UpdateFormat): UpdateReader {
  const { encoding = "int32" } = format;
  const wantedBytes = encodedBytes(encoding, format.layoutLength);
  if (source.bytes !== wantedBytes) throw wrongLength(source, wantedBytes, source.bytes);
  const hash = source.sha256 === undefined ? undefined : createHash("sha256");
  let position = 0;
  const fill = async (bytes: Uint8Array): Promise<void> => {
    const filled = await source.read(position, bytes);
    if (filled !== bytes.length) throw wrongLength(source, bytes.length, filled);
    hash?.update(bytes);
    position += filled;
  };
  return {
    read:
      encoding === "int32"
        ? (target) => fill(new Uint8Array(target.buffer, target.byteOffset, target.byteLength))
        : decodingRead(fill, { ...format, encoding }),
    finish() {
      invariant(position === wantedBytes, "an update read to its end");
      const digest = hash?.digest("hex");
      if (digest === source.sha256) return;
      throw new ConsiliumError("object-corrupt", {
        subject: `update of site ${source.siteId}`,
        expected: `SHA-256 ${source.sha256}`,
        actual: `${digest}`,
        hint: "The stored update changed after it came in: have the site send it again, and check the disk.",
      });
    },
  };
}

/** Reads whole units of an encoding, hands on as many numbers as are asked for, and keeps the rest. */
function decodingRead(
  fill: (bytes: Uint8Array) => Promise<void>,
  { encoding, precisionBits, layoutLength }: Required<UpdateFormat> & { readonly encoding: UpdateEncoding },
): UpdateReader["read"] {
  const unit = elementsPerUnit(encoding);
  let waiting: Int32Array = new Int32Array(0);
  let decoded = 0;
  return async (target) => {
    const kept = Math.min(waiting.length, target.length);
    target.set(waiting.subarray(0, kept));
    waiting = waiting.subarray(kept);
    const wanted = target.length - kept;
    if (wanted === 0) return;
    const elements = Math.min(layoutLength - decoded, Math.ceil(wanted / unit) * unit);
    const bytes = new Uint8Array(encodedBytes(encoding, elements));
    await fill(bytes);
    const numbers = elements === wanted ? target.subarray(kept) : new Int32Array(elements);
    decodeUpdate(bytes, encoding, precisionBits, numbers);
    decoded += elements;
    if (elements === wanted) return;
    target.set(numbers.subarray(0, wanted), kept);
    waiting = numbers.subarray(wanted);
  };
}

const CHECK_ELEMENTS = 1 << 18;

/**
 * Reads a whole update as it came in, so that a bad one is refused to its sender instead of failing the round later.
 *
 * @throws ConsiliumError `update-shape`, `update-out-of-range`, and `object-corrupt` where the source has a digest.
 */
export async function checkUpdate(source: UpdateSource, format: UpdateFormat): Promise<void> {
  const { layoutLength, precisionBits } = format;
  const limit = coordinateLimit(precisionBits);
  const reader = createUpdateReader(source, format);
  const buffer = new Int32Array(Math.min(CHECK_ELEMENTS, layoutLength));
  for (let start = 0; start < layoutLength; start += buffer.length) {
    const coordinates = buffer.subarray(0, Math.min(buffer.length, layoutLength - start));
    await reader.read(coordinates);
    checkCoordinates(coordinates, limit);
  }
  reader.finish();
}

function wrongLength(source: UpdateSource, expected: number, actual: number): ConsiliumError {
  return new ConsiliumError("update-shape", {
    subject: `update of site ${source.siteId}`,
    expected: `${expected} bytes`,
    actual: `${actual}`,
    hint: "Train from the model of this round, and send every element of it in the encoding that the study declares.",
  });
}
