/**
 * The state machine at work: events are taken one after another, journalled, and only then true.
 *
 * Invariants
 * - An accepted event is on disk before the state moves, before anybody is told, before any effect begins. Events that
 *   wait at the same moment are journalled together, a record each; until they are on disk nobody has a verdict that
 *   one of them led to.
 * - Where the journal cannot take them (a full disk), the state stays, their callers are told, and the next are tried.
 * - Listeners hear of events in their order; what a listener throws concerns nobody else.
 * - After every LIMITS.journalSnapshotEvents events the state is kept in the journal. Nobody waits for that, and where
 *   it fails, the next event tries again: a start then reads more, and comes to the same state.
 */
import { setImmediate } from "node:timers/promises";
import { LIMITS } from "../base/index.ts";
import type { CoordinatorEvent } from "./events.ts";
import type { Journal } from "./journal.ts";
import { checkCountersigned } from "./journal-audit.ts";
import { type CoordinatorState, INITIAL_STATE, STATE_FORMAT } from "./state.ts";
import { dutiesOf, type Effect, type Step, step } from "./step.ts";
import { takenAgain } from "./take-again.ts";
import type { Verdict } from "./verdict.ts";

export interface Machine {
  state(): CoordinatorState;
  /** How an event would be taken, without taking it. */
  wouldTake(event: CoordinatorEvent): Verdict;
  /** @throws ConsiliumError `disk-full` and others of the journal; the event is then not taken. */
  take(event: CoordinatorEvent): Promise<Verdict>;
  /** All that is to be done now: for a coordinator that starts. */
  duties(): Effect[];
  /** Resolves once every event that was given is taken or refused. */
  idle(): Promise<void>;
}

export interface MachineListener {
  taken(event: CoordinatorEvent, state: CoordinatorState): void;
  due(effects: readonly Effect[]): void;
}

interface Waiting {
  readonly event: CoordinatorEvent;
  resolve(verdict: Verdict): void;
  reject(reason: unknown): void;
}

/** Steps from one event to the next; an event that the machine has no answer to is refused by itself. */
function stepsOf(before: CoordinatorState, group: readonly Waiting[]): (Waiting & Step)[] {
  let state = before;
  return group.flatMap((waiting) => {
    try {
      const taken = step(state, waiting.event);
      state = taken.state;
      return { ...waiting, ...taken };
    } catch (error) {
      waiting.reject(error);
      return [];
    }
  });
}

/** @throws ConsiliumError `journal-corrupt`, `journal-version`, `journal-rolled-back` */
export async function openMachine(journal: Journal, listener: MachineListener): Promise<Machine> {
  const snapshot = await journal.snapshot(STATE_FORMAT);
  let state = snapshot === undefined ? INITIAL_STATE : (JSON.parse(snapshot.body) as CoordinatorState);
  let keptAt = snapshot?.head.number ?? 0;
  await journal.replay((event, { number }) => {
    state = takenAgain(state, event, number);
  }, snapshot?.head);
  await checkCountersigned(journal);
  let waiting: Waiting[] = [];
  let running = false;
  let work = Promise.resolve();
  begin();

  function begin(): void {
    if (running) return;
    running = true;
    work = takeWaiting();
  }
  async function keepState(): Promise<void> {
    const { number } = journal.head();
    if (number - keptAt < LIMITS.journalSnapshotEvents) return;
    try {
      await journal.keepSnapshot(STATE_FORMAT, JSON.stringify(state));
      keptAt = number;
    } catch {
      // The records hold all of it: whatever kept this from being written is told when the next one cannot be.
    }
  }

  async function takeWaiting(): Promise<void> {
    do {
      await keepState();
      await setImmediate();
      const group = waiting.slice(0, LIMITS.journalWritesTogether);
      waiting = waiting.slice(group.length);
      await takeGroup(group);
    } while (waiting.length > 0);
    running = false;
  }
  async function takeGroup(group: readonly Waiting[]): Promise<void> {
    const steps = stepsOf(state, group);
    const accepted = steps.filter(({ verdict }) => verdict.outcome === "accepted");
    try {
      if (accepted.length > 0) await journal.append(accepted.map(({ event }) => event));
    } catch (error) {
      for (const { reject } of steps) reject(error);
      return;
    }
    for (const taken of steps) settle(taken);
  }
  function settle({ event, verdict, effects, resolve, reject, ...taken }: Waiting & Step): void {
    try {
      if (verdict.outcome === "accepted") {
        state = taken.state;
        listener.taken(event, state);
        if (effects.length > 0) listener.due(effects);
      }
      resolve(verdict);
    } catch (error) {
      reject(error);
    }
  }
  return {
    state: () => state,
    wouldTake: (event) => step(state, event).verdict,
    take(event) {
      return new Promise((resolve, reject) => {
        waiting.push({ event, resolve, reject });
        begin();
      });
    },
    duties: () => dutiesOf(state),
    async idle() {
      while (running) await work;
    },
  };
}
