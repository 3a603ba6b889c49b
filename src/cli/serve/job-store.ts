/**
 * Jobs of the segmentation service: files come in, one job at a time is worked at, results wait to be fetched.
 *
 *   receiving -> waiting -> working -> done | failed
 *
 * Invariants
 * - Everything of a job lies in a folder of its own that this user alone can read, and goes with the job: when it is
 *   deleted, when its time is over, when the service ends.
 * - Numbers and sizes are bounded; what goes over is refused, never dropped in silence.
 */
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConsiliumError, type Json, LIMITS, timeLimit } from "../../base/index.ts";

export const JOB_KINDS = ["dicom", "nifti"] as const;
export type JobKind = (typeof JOB_KINDS)[number];
type JobState = "receiving" | "waiting" | "working" | "done" | "failed";

export interface Job {
  readonly id: string;
  readonly kind: JobKind;
  /** Files that came in, and results, each in a folder. */
  readonly files: string;
  readonly results: string;
  /** For what the work keeps meanwhile; gone when it ends. */
  readonly work: string;
  state: JobState;
  fileCount: number;
  bytes: number;
  /** What the work said, or the failure. */
  outcome: Json;
  touchedAtMs: number;
}

/** Does a job's work. @returns what there is to say of it. @throws ConsiliumError that the client may read. */
export type Work = (job: Job, signal: AbortSignal) => Promise<Json>;

export interface JobStore {
  open(kind: JobKind): Promise<Job>;
  find(id: string): Job;
  start(job: Job): void;
  /** Jobs before it, itself not counted. */
  position(job: Job): number;
  remove(job: Job): Promise<void>;
  close(): Promise<void>;
}

/** @param trouble hears why scans that are not needed any more still lie in their folder; removing them is tried again. */
export async function openJobStore(
  work: Work,
  trouble: (error: unknown) => void,
  nowMs: () => number = Date.now,
  jobMs: number = LIMITS.serveJobMs,
): Promise<JobStore> {
  const root = await mkdtemp(join(tmpdir(), "consilium-serve-"));
  const jobs = new Map<string, Job>();
  const queue: Job[] = [];
  const stopping = new AbortController();
  let running: { readonly job: Job; readonly abort: AbortController; readonly ended: Promise<void> } | undefined;

  function next(): void {
    if (running !== undefined || stopping.signal.aborted) return;
    const job = queue.shift();
    if (job === undefined) return;
    const abort = new AbortController();
    running = { job, abort, ended: run(job, abort) };
  }
  async function run(job: Job, abort: AbortController): Promise<void> {
    job.state = "working";
    const limit = timeLimit(abort.signal, jobMs);
    try {
      job.outcome = await work(job, limit.signal);
      job.state = "done";
    } catch (error) {
      job.outcome = { error: asConsiliumError(error).toJSON() };
      job.state = "failed";
    } finally {
      limit.release();
    }
    // Scans are not needed any more.
    for (const folder of [job.files, job.work]) {
      await rm(folder, { recursive: true, force: true }).catch(trouble);
    }
    job.touchedAtMs = nowMs();
    running = undefined;
    next();
  }
  async function remove(job: Job): Promise<void> {
    jobs.delete(job.id);
    if (queue.includes(job)) queue.splice(queue.indexOf(job), 1);
    if (running?.job === job) {
      const { ended } = running;
      running.abort.abort();
      await ended;
    }
    await rm(join(root, job.id), { recursive: true, force: true });
  }
  async function removeOld(): Promise<void> {
    for (const job of [...jobs.values()]) {
      const idle = job.state !== "waiting" && job.state !== "working";
      if (idle && nowMs() - job.touchedAtMs > LIMITS.serveKeptMs) await remove(job);
    }
  }
  const sweep = setInterval(() => void removeOld().catch(trouble), LIMITS.serveKeptMs / 10);
  sweep.unref();
  return {
    async open(kind) {
      await removeOld();
      if (jobs.size >= LIMITS.serveJobs) {
        throw new ConsiliumError("limit-exceeded", {
          subject: "jobs",
          expected: `at most ${LIMITS.serveJobs} at once`,
          actual: "one more",
          hint: "Fetch and delete jobs that are done, or try again later.",
        });
      }
      const id = randomBytes(12).toString("hex");
      const [files, results, workFolder] = ["files", "results", "work"].map((name) => join(root, id, name));
      const job: Job = {
        id,
        kind,
        files,
        results,
        work: workFolder,
        state: "receiving",
        fileCount: 0,
        bytes: 0,
        outcome: null,
        touchedAtMs: nowMs(),
      };
      jobs.set(id, job);
      for (const folder of [files, results, workFolder]) await mkdir(folder, { recursive: true, mode: 0o700 });
      return job;
    },
    find(id) {
      const job = jobs.get(id);
      if (job !== undefined) return job;
      throw new ConsiliumError("object-missing", {
        subject: "job",
        expected: "a job of this service",
        actual: "none of that name",
        hint: "Jobs are gone when they were deleted, or an hour after their end.",
      });
    },
    start(job) {
      checkReceiving(job);
      job.state = "waiting";
      queue.push(job);
      next();
    },
    position: (job) => (job.state === "waiting" ? queue.indexOf(job) + (running === undefined ? 0 : 1) : 0),
    remove,
    async close() {
      clearInterval(sweep);
      stopping.abort();
      for (const job of [...jobs.values()]) await remove(job);
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** @throws ConsiliumError `message-invalid` for a job that was started already. */
export function checkReceiving({ state }: Job): void {
  if (state === "receiving") return;
  throw new ConsiliumError("message-invalid", {
    subject: "job",
    expected: "a job that is still receiving files",
    actual: `one that is ${state}`,
    hint: "Open another job.",
  });
}

function asConsiliumError(cause: unknown): ConsiliumError {
  if (cause instanceof ConsiliumError) return cause;
  return new ConsiliumError("internal", {
    subject: "job",
    expected: "work to its end",
    actual: cause instanceof Error ? cause.name : "an unknown failure",
    hint: "Look at the service's own output.",
    cause,
  });
}
