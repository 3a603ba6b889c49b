/** A limit on how long work may take, beside whatever else may stop it. */

export interface TimeLimit {
  /** Aborts with the caller's signal, or with a `TimeoutError` once the time is over. */
  readonly signal: AbortSignal;
  /** Ends the wait for it, once the work is over. */
  release(): void;
}

/**
 * `AbortSignal.any([signal, AbortSignal.timeout(ms)])` is no limit under node 20: the timeout is held by nothing, and
 * never comes where memory is collected before.
 * @param atMostMs from now on
 */
export function timeLimit(signal: AbortSignal, atMostMs: number): TimeLimit {
  const limit = new AbortController();
  const timer = setTimeout(() => {
    limit.abort(new DOMException(`not done within ${atMostMs / 1000} s`, "TimeoutError"));
  }, atMostMs);
  return { signal: AbortSignal.any([signal, limit.signal]), release: () => clearTimeout(timer) };
}
