/**
 * A world with its own time, for simulations of whole federations: what happens next is the earliest of what was asked
 * for, and chance is one seeded stream, so that a seed is a history.
 *
 * Invariants
 * - Between two events Node's loop turns once: every promise that can go on has gone on, and what the product puts off
 *   to the next turn, as a coordinator its writes, goes on in the order of asking. Nothing inside may wait for real
 *   files, sockets or timers: a world with nothing left to happen says that it is stuck.
 * - What a dead process asks for never comes back to it, and changes nothing.
 */
import { type Clock, ConsiliumError, createRandom, type Random, type Timers } from "../../src/base/index.ts";

export interface World extends Clock, Timers {
  readonly random: Random;
  /** Runs until the condition holds. @throws ConsiliumError `internal` where nothing is left, or it takes too long */
  runUntil(done: () => boolean): Promise<void>;
  readonly events: () => number;
}

interface Planned {
  readonly atMs: number;
  readonly order: number;
  work: (() => void) | undefined;
}

export interface WorldOptions {
  readonly seed: number;
  readonly startMs: number;
  /** Time of the world, and events, after which it is given up. */
  readonly longestMs: number;
  readonly mostEvents: number;
}

export function createWorld({ seed, startMs, longestMs, mostEvents }: WorldOptions): World {
  const queue: Planned[] = [];
  let nowMs = startMs;
  let order = 0;
  let events = 0;
  return {
    random: createRandom("chaos", seed),
    nowMs: () => Math.floor(nowMs),
    events: () => events,
    after(ms, work) {
      const planned: Planned = { atMs: nowMs + Math.max(0, ms), order: order++, work };
      push(queue, planned);
      return () => {
        planned.work = undefined;
      };
    },
    async runUntil(done) {
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        if (done()) return;
        const next = pop(queue);
        if (next === undefined) throw stuck("nothing left to happen");
        if (next.work === undefined) continue;
        nowMs = next.atMs;
        events++;
        if (nowMs - startMs > longestMs) throw stuck(`${Math.round(longestMs / 3_600_000)} hours of its time`);
        if (events > mostEvents) throw stuck(`${mostEvents} events`);
        next.work();
      }
    },
  };
}

function stuck(actual: string): ConsiliumError {
  return new ConsiliumError("internal", {
    subject: "simulated federation",
    expected: "an end of its study",
    actual,
    hint: "The study does not end: replay the seed.",
  });
}

/** One run of a process, from its start to its death. */
export interface Life {
  readonly isAlive: () => boolean;
  kill(): void;
}

export function createLife(died: () => void): Life {
  let alive = true;
  return {
    isAlive: () => alive,
    kill() {
      if (!alive) return;
      alive = false;
      died();
    },
  };
}

/** What a dead process waits for. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}

/** Waits in the world's time, until then or the signal's end. */
export function sleep(world: World, life: Life, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const finish = (): void => {
      callOff();
      signal?.removeEventListener("abort", finish);
      if (life.isAlive()) resolve();
    };
    const callOff = world.after(ms, finish);
    signal?.addEventListener("abort", finish, { once: true });
  });
}

export interface DiskFaults {
  /** Chances at each operation: of a death just before or after it, and of a full disk. */
  readonly death: number;
  readonly full: number;
}

/** A disk whose operations take effect whole, or not at all; the process may die before or after any of them. */
export interface Disk {
  read<T>(read: () => T): Promise<T>;
  write<T>(apply: () => T): Promise<T>;
}

export function createDisk(world: World, life: Life, { death, full }: DiskFaults): Disk {
  return {
    async read(read) {
      return life.isAlive() ? read() : never();
    },
    async write(apply) {
      if (!life.isAlive()) return never();
      if (world.random.chance(full)) throw diskFull();
      const fate = world.random.uniform();
      if (fate < death / 2) return dies(life);
      const result = apply();
      if (fate < death) return dies(life);
      return result;
    },
  };
}

function dies<T>(life: Life): Promise<T> {
  life.kill();
  return never();
}

function diskFull(): ConsiliumError {
  return new ConsiliumError("disk-full", {
    subject: "simulated disk",
    expected: "room",
    actual: "none",
    hint: "Make room.",
  });
}

/** A binary heap by time, then by the order of asking. */
function push(heap: Planned[], item: Planned): void {
  let at = heap.push(item) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBefore(heap[at], heap[parent])) return;
    [heap[at], heap[parent]] = [heap[parent], heap[at]];
    at = parent;
  }
}

function pop(heap: Planned[]): Planned | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (heap.length === 0 || last === undefined) return top;
  heap[0] = last;
  for (let at = 0; ; ) {
    const left = 2 * at + 1;
    const right = left + 1;
    let least = at;
    if (left < heap.length && isBefore(heap[left], heap[least])) least = left;
    if (right < heap.length && isBefore(heap[right], heap[least])) least = right;
    if (least === at) return top;
    [heap[at], heap[least]] = [heap[least], heap[at]];
    at = least;
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
