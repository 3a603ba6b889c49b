/**
 * That no sealed call is taken twice. A call's time must be near the coordinator's, so its number has to be remembered
 * only until that has passed; and only in memory, since the keys that open calls are there alone: what was sealed before
 * a restart, or before the clock was set back, cannot be opened after it.
 *
 * Invariants: a call whose number might have been forgotten is refused by its time; what one caller makes the
 * coordinator remember is bounded, and beyond that its calls are refused, nobody else's.
 */
import { type Clock, ConsiliumError, LIMITS } from "../../base/index.ts";

export interface CallsTaken {
  /**
   * @param caller the digest of its key; empty for those who enrol
   * @throws ConsiliumError `message-replayed` for a number that was there before, `limit-exceeded`
   */
  take(caller: string, nonce: string, timeMs: number): void;
}

/** By how much a call's time is off where that is too much, in ms; undefined where it is near enough. */
export function timeOff(timeMs: number, nowMs: number): number | undefined {
  const off = timeMs - nowMs;
  return Math.abs(off) <= LIMITS.sealedCallWindowMs ? undefined : off;
}

/** Callers are as many as the federation's keys; an empty one's memory goes with its last number. */
export function createCallsTaken(clock: Clock): CallsTaken {
  const taken = new Map<string, Map<string, number>>();
  let sweptMs = clock.nowMs();
  return {
    take(caller, nonce, timeMs) {
      const nowMs = clock.nowMs();
      if (Math.abs(nowMs - sweptMs) > LIMITS.sealedCallWindowMs) {
        sweptMs = nowMs;
        for (const [each, numbers] of taken) if (forget(numbers, nowMs) === 0) taken.delete(each);
      }
      const numbers = taken.get(caller) ?? new Map<string, number>();
      if (numbers.has(nonce)) throw replayed();
      if (numbers.size >= LIMITS.sealedCallsRemembered && forget(numbers, nowMs) >= LIMITS.sealedCallsRemembered) {
        throw tooMany();
      }
      numbers.set(nonce, timeMs);
      taken.set(caller, numbers);
    },
  };
}

/** @returns how many are left */
function forget(numbers: Map<string, number>, nowMs: number): number {
  for (const [nonce, timeMs] of numbers) if (nowMs - timeMs > LIMITS.sealedCallWindowMs) numbers.delete(nonce);
  return numbers.size;
}

function replayed(): ConsiliumError {
  return new ConsiliumError("message-replayed", {
    subject: "sealed call",
    expected: "a call that was not there before",
    actual: "one that was",
    hint: "Something between here and the coordinator repeats calls: ask your network's operator.",
  });
}

function tooMany(): ConsiliumError {
  return new ConsiliumError("limit-exceeded", {
    subject: "sealed calls of a site",
    expected: `at most ${LIMITS.sealedCallsRemembered} in ${(2 * LIMITS.sealedCallWindowMs) / 1000} s`,
    actual: "more",
    hint: "Wait a moment and try again.",
  });
}
