/**
 * Jobs of the segmentation service: files come in, one job at a time is worked at, results wait to be fetched.
 *
 *   receiving -> waiting -> working -> done | failed
 *
 * Invariants
 * - Everything of a job lies in a folder of its own that this user alone can read, and goes with the job: when it is
 *   deleted, when its time is over, when the service ends.
 * - What still comes in for a job is ended and waited for before its folder goes; a job starts when all of it is there.
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
  /** For what is not whole yet, and what the work keeps meanwhile; gone when it ends. */
  readonly work: string;
  /** Bytes of each file that is whole. */
  readonly sizes: Map<string, number>;
  state: JobState;
  /** Files that are coming in. */
  arriving: number;
  /** Of all files, whole or coming in. */
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
  /**
   * Lets a file come into a job.
   * @param take is given a signal by which the job's removal ends it
   * @throws ConsiliumError `message-invalid` for a job that was started already
   */
  receive(job: Job, take: (signal: AbortSignal) => Promise<void>): Promise<void>;
  /** @throws ConsiliumError `message-invalid` for a job that was started already, or that files are still coming into */
  start(job: Job): void;
  /** Jobs before it, itself not counted. */
  position(job: Job): number;
  remove(job: Job): Promise<void>;
  close(): Promise<void>;
}

interface Underway {
  readonly abort: AbortController;
  readonly ended: Promise<unknown>;
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
  const underway = new Map<Job, Set<Underway>>();
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
  /** Does something in a job's folder, which the job's removal ends and waits for. */
  async function within<T>(job: Job, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const abort = new AbortController();
    const entry = { abort, ended: act(abort.signal) };
    const own = underway.get(job) ?? new Set();
    underway.set(job, own.add(entry));
    try {
      return await entry.ended;
    } finally {
      own.delete(entry);
      job.touchedAtMs = nowMs();
    }
  }
  async function remove(job: Job): Promise<void> {
    jobs.delete(job.id);
    const entries = [...(underway.get(job) ?? [])];
    for (const { abort } of entries) abort.abort(jobMissing());
    await Promise.allSettled(entries.map(({ ended }) => ended));
    underway.delete(job);
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
      const idle = job.state !== "waiting" && job.state !== "working" && job.arriving === 0;
      if (idle && nowMs() - job.touchedAtMs > LIMITS.serveKeptMs) await remove(job);
    }
  }
  const sweep = setInterval(() => void removeOld().catch(trouble), LIMITS.serveKeptMs / 10);
  sweep.unref();
  return {
    async open(kind) {
      await removeOld();
      if (stopping.signal.aborted) throw jobMissing();
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
        sizes: new Map(),
        state: "receiving",
        arriving: 0,
        bytes: 0,
        outcome: null,
        touchedAtMs: nowMs(),
      };
      jobs.set(id, job);
      await within(job, async () => {
        for (const folder of [files, results, workFolder]) await mkdir(folder, { recursive: true, mode: 0o700 });
      });
      return job;
    },
    find(id) {
      const job = jobs.get(id);
      if (job !== undefined) return job;
      throw jobMissing();
    },
    async receive(job, take) {
      checkReceiving(job);
      job.arriving++;
      try {
        await within(job, take);
      } finally {
        job.arriving--;
      }
    },
    start(job) {
      checkReceiving(job);
      if (job.arriving > 0) throw stillComing(job.arriving);
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

function jobMissing(): ConsiliumError {
  return new ConsiliumError("object-missing", {
    subject: "job",
    expected: "a job of this service",
    actual: "none of that name",
    hint: "Jobs are gone when they were deleted, an hour after their end, and when the service stops.",
  });
}

function stillComing(files: number): ConsiliumError {
  return new ConsiliumError("message-invalid", {
    subject: "job",
    expected: "a job whose files are all there",
    actual: `one with ${files} still coming`,
    hint: "Start it once every upload was answered.",
  });
}

function checkReceiving({ state }: Job): void {
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
