/** Time as a port: the wall clock for real federations, a clock in hand for tests and simulations. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number;
}

export const systemClock: Clock = { nowMs: () => Date.now() };
