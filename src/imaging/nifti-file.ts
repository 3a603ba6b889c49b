/** NIfTI files on disk: bounded, named in errors by file name alone, written whole or not at all. */
import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { ConsiliumError, LIMITS } from "../base/index.ts";
import { writeFileAtomically } from "./atomic-file.ts";
import { encodeNifti, type NiftiImage, type NiftiOptions, parseNifti } from "./nifti-codec.ts";
import type { Volume } from "./volume.ts";

const gzipAsync = promisify(gzip);

/**
 * Reads a .nii or .nii.gz file; which of the two it is, its bytes tell.
 * @throws ConsiliumError `file-not-found`, `file-unreadable`, `limit-exceeded` and those of parseNifti.
 */
export async function readNifti(path: string): Promise<NiftiImage> {
  const subject = basename(path);
  let bytes: Buffer;
  try {
    const { size } = await stat(path);
    if (size > LIMITS.volumeBytes) throw tooLarge(subject, size);
    bytes = await readFile(path);
  } catch (cause) {
    throw readError(cause, path);
  }
  return parseNifti(bytes, subject);
}

function tooLarge(subject: string, size: number): ConsiliumError {
  return new ConsiliumError("limit-exceeded", {
    subject,
    expected: `a file of at most ${LIMITS.volumeBytes} bytes`,
    actual: `${size} bytes`,
    hint: "Resample or crop the image first.",
  });
}

export function readError(cause: unknown, path: string): unknown {
  if (cause instanceof ConsiliumError) return cause;
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === undefined) return cause;
  const missing = code === "ENOENT" || code === "ENOTDIR";
  return new ConsiliumError(missing ? "file-not-found" : "file-unreadable", {
    subject: path,
    expected: "a file or folder that can be read",
    actual: code,
    hint: missing ? "Check the path." : "Check the file's permissions and the disk.",
    cause,
  });
}

/**
 * Writes a volume, gzipped where the name ends in .gz. The same volume and options give the same bytes.
 * @throws ConsiliumError `disk-full`, `folder-not-writable` and those of encodeNifti.
 */
export async function writeNifti(path: string, volume: Volume, options: NiftiOptions = {}): Promise<void> {
  const plain = encodeNifti(volume, options);
  await writeFileAtomically(path, path.endsWith(".gz") ? await gzipAsync(plain, { level: 6 }) : plain);
}
