/**
 * The doctor of the site's console: one examination at a time, what it says on its way, and what the last one found.
 *
 * Invariants: an examination ends by LIMITS.consoleDoctorMs or with the console; what is kept of its words is bounded.
 */
import { type Clock, ConsiliumError, LIMITS, systemClock } from "../base/index.ts";
import type { Examination } from "../site/index.ts";

/** Examines the site, and tells a line for whatever it looks at. @throws ConsiliumError */
export type Examine = (signal: AbortSignal, tell: (line: string) => void) => Promise<Examination>;

export interface DoctorView {
  readonly running: { readonly sinceMs: number; readonly lines: readonly string[] } | null;
  readonly last: { readonly endedMs: number; readonly examination: Examination } | null;
  /** Why the last one came to no end. */
  readonly failed: Record<string, string> | null;
}

export interface SiteDoctor {
  view(): DoctorView;
  /** @throws ConsiliumError `limit-exceeded` while one runs, `interrupted` once the console closes */
  begin(): DoctorView;
  close(): Promise<void>;
}

export function siteDoctor(examine: Examine, clock: Clock = systemClock): SiteDoctor {
  const closing = new AbortController();
  let running: DoctorView["running"] = null;
  let last: DoctorView["last"] = null;
  let failed: DoctorView["failed"] = null;
  let work: Promise<void> = Promise.resolve();

  const tell = (line: string): void => {
    if (running === null) return;
    const lines = [...running.lines, line.slice(0, LIMITS.reasonChars)].slice(-LIMITS.consoleDoctorLines);
    running = { ...running, lines };
  };
  const run = async (): Promise<void> => {
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(LIMITS.consoleDoctorMs)]);
    try {
      const examination = await examine(signal, tell);
      last = { endedMs: clock.nowMs(), examination };
    } catch (error) {
      failed = (error instanceof ConsiliumError ? error : cameToNoEnd(error)).toJSON();
    } finally {
      running = null;
    }
  };
  const view = (): DoctorView => ({ running, last, failed });
  return {
    view,
    begin() {
      if (closing.signal.aborted) throw closed();
      if (running !== null) throw busy();
      running = { sinceMs: clock.nowMs(), lines: [] };
      failed = null;
      work = run();
      return view();
    },
    async close() {
      closing.abort();
      await work;
    },
  };
}

function busy(): ConsiliumError {
  return new ConsiliumError("limit-exceeded", {
    subject: "doctor",
    expected: "one examination at a time",
    actual: "another that runs",
    hint: "Wait until it is done.",
  });
}

function closed(): ConsiliumError {
  return new ConsiliumError("interrupted", {
    subject: "doctor",
    expected: "a console that runs",
    actual: "one that is being closed",
    hint: "Start it again with `consilium site console`.",
  });
}

function cameToNoEnd(cause: unknown): ConsiliumError {
  return new ConsiliumError("internal", {
    subject: "doctor",
    expected: "an examination to its end",
    actual: "a stop",
    hint: "Run `consilium site doctor --home HOME` to see more.",
    cause,
  });
}
