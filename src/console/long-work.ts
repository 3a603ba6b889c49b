/**
 * Work of a console that takes long: the doctor's examination, a replay, the registration of a dataset. One of a kind
 * runs at a time; what it says on its way can be asked for, and what the last one came to.
 *
 * Invariants: work ends by its time limit or with the console; what is kept of its words is bounded.
 */
import { type Clock, ConsiliumError, LIMITS, systemClock, timeLimit } from "../base/index.ts";

/** Does the work that is asked for, and tells a line now and then. @throws ConsiliumError */
export type Work<Result, Order = void> = (
  signal: AbortSignal,
  tell: (line: string) => void,
  order: Order,
) => Promise<Result>;

export interface WorkView<Result> {
  readonly running: { readonly sinceMs: number; readonly lines: readonly string[] } | null;
  readonly last: { readonly endedMs: number; readonly result: Result } | null;
  /** Why the last one came to no end. */
  readonly failed: Record<string, string> | null;
}

export interface LongWork<Result, Order = void> {
  view(): WorkView<Result>;
  /** @throws ConsiliumError `limit-exceeded` while one runs, `interrupted` once the console closes */
  begin(order: Order): WorkView<Result>;
  close(): Promise<void>;
}

export interface LongWorkOptions {
  /** What it is called where it is refused. */
  readonly name: string;
  /** The command that does the same. */
  readonly command: string;
  readonly atMostMs: number;
  readonly clock?: Clock;
}

export function longWork<Result, Order = void>(
  options: LongWorkOptions,
  doIt: Work<Result, Order>,
): LongWork<Result, Order> {
  const { name, atMostMs, clock = systemClock } = options;
  const closing = new AbortController();
  let running: WorkView<Result>["running"] = null;
  let last: WorkView<Result>["last"] = null;
  let failed: WorkView<Result>["failed"] = null;
  let work: Promise<void> = Promise.resolve();

  const tell = (line: string): void => {
    if (running === null) return;
    const lines = [...running.lines, line.slice(0, LIMITS.reasonChars)].slice(-LIMITS.consoleWorkLines);
    running = { ...running, lines };
  };
  const run = async (order: Order): Promise<void> => {
    const limit = timeLimit(closing.signal, atMostMs);
    try {
      const result = await doIt(limit.signal, tell, order);
      last = { endedMs: clock.nowMs(), result };
    } catch (error) {
      failed = (error instanceof ConsiliumError ? error : cameToNoEnd(options, error)).toJSON();
    } finally {
      limit.release();
      running = null;
    }
  };
  const view = (): WorkView<Result> => ({ running, last, failed });
  return {
    view,
    begin(order) {
      if (closing.signal.aborted) throw closed(name);
      if (running !== null) throw busy(name);
      running = { sinceMs: clock.nowMs(), lines: [] };
      failed = null;
      work = run(order);
      return view();
    },
    async close() {
      closing.abort();
      await work;
    },
  };
}

function busy(subject: string): ConsiliumError {
  return new ConsiliumError("limit-exceeded", {
    subject,
    expected: "one at a time",
    actual: "another that runs",
    hint: "Wait until it is done.",
  });
}

function closed(subject: string): ConsiliumError {
  return new ConsiliumError("interrupted", {
    subject,
    expected: "a console that runs",
    actual: "one that is being closed",
    hint: "Start it again, as `consilium coordinator start` or `consilium site console`.",
  });
}

function cameToNoEnd({ name, command }: LongWorkOptions, cause: unknown): ConsiliumError {
  return new ConsiliumError("internal", {
    subject: name,
    expected: "work to its end",
    actual: "a stop",
    hint: `Run \`${command}\` to see more.`,
    cause,
  });
}
