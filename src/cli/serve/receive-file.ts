/**
 * One file of a job as it comes in: it stands in the job's folder under its name once it is whole, and not before; what
 * ends early leaves nothing, and takes back its part of the job's limits.
 */
import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ConsiliumError } from "../../base/index.ts";
import { writeError } from "../../protocol/index.ts";
import type { Job } from "./job-store.ts";

export type UploadLimits = Readonly<Record<"serveFiles" | "serveJobBytes", number>>;

/**
 * @param signal ends it; its reason is thrown then
 * @throws ConsiliumError `limit-exceeded`, `disk-full`, `folder-not-writable`
 */
export async function receiveFile(
  job: Job,
  name: string,
  bytes: Readable,
  { serveFiles, serveJobBytes }: UploadLimits,
  signal: AbortSignal,
): Promise<void> {
  // This one is among those that are coming already.
  const others = job.arriving - 1 + job.sizes.size - (job.sizes.has(name) ? 1 : 0);
  if (others >= serveFiles) throw tooMuch(`at most ${serveFiles} files a job`);
  const part = join(job.work, `${randomUUID()}.part`);
  let size = 0;
  try {
    await pipeline(
      bytes,
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          size += chunk.length;
          job.bytes += chunk.length;
          if (job.bytes > serveJobBytes) throw tooMuch(`at most ${serveJobBytes} bytes a job`);
          yield chunk;
        }
      },
      createWriteStream(part, { flags: "wx", mode: 0o600 }),
      { signal },
    );
    await rename(part, join(job.files, name));
  } catch (error) {
    job.bytes -= size;
    await rm(part, { force: true });
    signal.throwIfAborted();
    throw writeError(error, "file of a job");
  }
  job.bytes -= job.sizes.get(name) ?? 0;
  job.sizes.set(name, size);
}

function tooMuch(expected: string): ConsiliumError {
  const hint = "Send the four series alone.";
  return new ConsiliumError("limit-exceeded", { subject: "job", expected, actual: "more", hint });
}
