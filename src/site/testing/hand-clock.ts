/** A clock that stands until a test puts it on: nothing in such a test depends on how long anything takes. */
import { type Clock, systemClock } from "../../base/index.ts";

export interface HandClock extends Clock {
  /** Makes it this late, at least. */
  reach(ms: number): void;
}

/** Begins at the present time. */
export function handClock(): HandClock {
  let nowMs = systemClock.nowMs();
  return {
    nowMs: () => nowMs,
    reach: (ms) => {
      nowMs = Math.max(nowMs, ms);
    },
  };
}
