/**
 * Brings a file that a study names to the coordinator: piece after piece, each with its digest, so that neither side holds
 * more than one and the page can say how far it is.
 */
import type { StudyFilesThere, StudyFileView } from "../../src/console/index.ts";
import { csrfToken } from "./api.ts";
import { type Bytes, sha256 } from "./digest.ts";
import type { Trouble } from "./trouble.ts";

/** The least time for a piece: fewer calls a second than a session may make. */
const PIECE_MS = 30;

/** @throws a Trouble */
export function filesThere(): Promise<StudyFilesThere> {
  return asked("GET", "/study-files");
}

/** @throws a Trouble */
export function takeBack(name: string): Promise<StudyFilesThere> {
  return asked("DELETE", `/study-file?${new URLSearchParams({ name })}`);
}

interface Bringing {
  readonly file: File;
  readonly limits: Pick<StudyFilesThere, "pieceBytes" | "fileBytes">;
  readonly signal: AbortSignal;
  readonly onProgress: (held: number) => void;
}

/** @throws a Trouble, or what the signal was aborted with */
export async function bringFile({ file, limits, signal, onProgress }: Bringing): Promise<void> {
  const { name, size } = file;
  if (size === 0) throw unfit(name, "a file with something in it", "an empty one");
  if (size > limits.fileBytes) throw unfit(name, `at most ${limits.fileBytes} bytes`, `${size} bytes`);
  let upload = "";
  for (let offset = 0; offset < size; ) {
    const piece = await read(file, offset, limits.pieceBytes);
    const digest = await sha256(piece);
    const about = { name, offset: String(offset), bytes: String(size), sha256: digest, ...(upload && { upload }) };
    const path = `/study-file?${new URLSearchParams(about)}`;
    const sent = asked<StudyFileView>("POST", path, { body: piece, signal });
    const [view] = await Promise.all([sent, pause()]);
    ({ held: offset, upload } = view);
    onProgress(offset);
  }
}

async function read(file: File, offset: number, bytes: number): Promise<Bytes> {
  try {
    return new Uint8Array(await file.slice(offset, offset + bytes).arrayBuffer());
  } catch {
    throw unfit(file.name, "a file that stays as it was chosen", "one that was changed, moved or removed meanwhile");
  }
}

async function asked<T>(method: string, path: string, more: RequestInit = {}): Promise<T> {
  const answer = await fetch(path, { method, headers: { "x-consilium-csrf": csrfToken() }, ...more });
  const value = (await answer.json()) as T & { readonly error?: Trouble };
  if (value.error !== undefined) throw value.error;
  return value;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PIECE_MS));
}

function unfit(subject: string, expected: string, actual: string): Trouble {
  return { code: "file-unreadable", subject, expected, actual, hint: "Choose another, or this one again." };
}
