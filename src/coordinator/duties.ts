/**
 * What the state asks for, done: sums, alarms, removals. Nothing here decides anything; results come back as events.
 *
 * Invariants: one aggregation at a time; what fails for want of room or for a passing trouble of the disk is tried
 * again until it succeeds, and told meanwhile; anything else that fails becomes an event that fails the study in words.
 */
import { type Clock, ConsiliumError, type ErrorCode, type Timers } from "../base/index.ts";
import { systemCode } from "../protocol/index.ts";
import { aggregate } from "./aggregate.ts";
import type { CoordinatorEvent } from "./events.ts";
import type { Machine } from "./machine.ts";
import type { ObjectStore } from "./object-store.ts";
import { NOTHING_PRUNED, obsoleteObjects, prunedUpTo } from "./objects-in-use.ts";
import type { Effect } from "./step.ts";

/** Longest delay that a timer of node takes. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const RETRY_MS = 5_000;
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["disk-full", "folder-not-writable"]);

export interface DutiesOptions {
  readonly machine: () => Machine;
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly trouble: (error: unknown) => void;
}

export interface Duties {
  start(effects: readonly Effect[]): void;
  /** Looks at the clock: for clocks that move by hand. */
  tick(): Promise<void>;
  /** Resolves once nothing runs any more; nothing new begins. */
  stop(): Promise<void>;
}

function mayPass(error: unknown): boolean {
  return error instanceof ConsiliumError ? PASSING.has(error.code) : systemCode(error) !== undefined;
}

function inWords(error: unknown): { readonly code: ErrorCode; readonly reason: string } {
  if (!(error instanceof ConsiliumError))
    return { code: "internal", reason: "a defect of the coordinator; see its log" };
  const { code, subject, expected, actual } = error;
  return { code, reason: `${subject}: expected ${expected}, got ${actual}` };
}

export function createDuties({ machine, store, clock, timers, trouble }: DutiesOptions): Duties {
  const running = new Set<Promise<void>>();
  const pending = new Set<() => void>();
  let pruned = NOTHING_PRUNED;
  let removed: ReadonlySet<string> = new Set();
  let callOffAlarm: () => void = () => undefined;
  let stopped = false;

  function run(work: () => Promise<unknown>): void {
    const done: Promise<void> = work()
      .then(() => undefined, trouble)
      .finally(() => running.delete(done));
    running.add(done);
  }
  function later(delayMs: number, work: () => void): () => void {
    const callOff = timers.after(delayMs, () => {
      pending.delete(callOff);
      if (!stopped) work();
    });
    pending.add(callOff);
    return () => {
      callOff();
      pending.delete(callOff);
    };
  }
  async function tell(event: CoordinatorEvent): Promise<void> {
    try {
      await machine().take(event);
    } catch (error) {
      trouble(error);
      later(RETRY_MS, () => run(() => tell(event)));
    }
  }
  async function sumUp(round: number): Promise<void> {
    const state = machine().state();
    if (stopped || state.phase.kind !== "aggregating" || state.phase.round !== round) return;
    try {
      const result = await aggregate(state, store);
      await tell({ ...result, atMs: clock.nowMs() });
    } catch (error) {
      trouble(error);
      if (mayPass(error)) later(RETRY_MS, () => run(() => sumUp(round)));
      else await tell({ kind: "aggregation-failed", round, ...inWords(error), atMs: clock.nowMs() });
    }
  }
  async function prune(): Promise<void> {
    const state = machine().state();
    const { phase } = state;
    const obsolete = obsoleteObjects(state, pruned);
    for (const object of obsolete) if (!removed.has(object)) await store.remove(object);
    [removed, pruned] = [obsolete, prunedUpTo(state)];
    if (phase.kind === "done" || phase.kind === "failed") await store.dropAllIncoming();
  }
  function setAlarm(atMs: number): void {
    callOffAlarm();
    const delayMs = Math.min(LONGEST_TIMER_MS, Math.max(0, atMs - clock.nowMs()));
    callOffAlarm = later(delayMs, () => {
      if (clock.nowMs() < atMs) setAlarm(atMs);
      else run(() => tell({ kind: "time-reached", atMs: clock.nowMs() }));
    });
  }
  return {
    start(effects) {
      if (stopped) return;
      for (const effect of effects) {
        switch (effect.kind) {
          case "aggregate":
            run(() => sumUp(effect.round));
            break;
          case "alarm":
            setAlarm(effect.atMs);
            break;
          case "prune":
            run(prune);
            break;
          default:
            effect satisfies never;
        }
      }
    },
    tick: () => tell({ kind: "time-reached", atMs: clock.nowMs() }),
    async stop() {
      stopped = true;
      for (const callOff of pending) callOff();
      await Promise.all(running);
    },
  };
}
