/** Time as a port: the wall clock and timers for real federations, a clock in hand for tests and simulations. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number;
}

export const systemClock: Clock = { nowMs: () => Date.now() };

export interface Timers {
  /** Calls back once, after so many milliseconds, and returns how to call it off. Keeps no process alive. */
  after(ms: number, work: () => void): () => void;
}

export const systemTimers: Timers = {
  after(ms, work) {
    const timer = setTimeout(work, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
