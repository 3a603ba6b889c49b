/** A bucket of tokens for each caller: so many calls at once, and so many a second after that. */
import type { Clock } from "./clock.ts";
import { ConsiliumError } from "./error.ts";

export interface RateLimit {
  /** @throws ConsiliumError `limit-exceeded` */
  take(caller: string): void;
}

/** Callers whose buckets are remembered; beyond that the oldest is forgotten. */
const CALLERS = 1_000;

export function createRateLimit(what: string, burst: number, perSecond: number, clock: Clock): RateLimit {
  const buckets = new Map<string, { level: number; atMs: number }>();
  return {
    take(caller) {
      const nowMs = clock.nowMs();
      const bucket = buckets.get(caller) ?? { level: burst, atMs: nowMs };
      const gained = (Math.max(0, nowMs - bucket.atMs) / 1000) * perSecond;
      const level = Math.min(burst, bucket.level + gained);
      buckets.delete(caller);
      // What is refused takes nothing: else whoever asks too often would keep the bucket empty, for others too.
      buckets.set(caller, { level: level >= 1 ? level - 1 : level, atMs: nowMs });
      if (buckets.size > CALLERS) buckets.delete(buckets.keys().next().value ?? caller);
      if (level >= 1) return;
      throw new ConsiliumError("limit-exceeded", {
        subject: what,
        expected: `at most ${burst} at once, then ${perSecond} a second`,
        actual: "more",
        hint: "Wait a moment and try again.",
      });
    },
  };
}
