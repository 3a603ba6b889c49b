/**
 * The state machine at work: events are taken one after another, journalled, and only then true.
 *
 * Invariants
 * - An accepted event is on disk before the state moves, before anybody is told, before any effect begins.
 * - Where the journal cannot take it (a full disk), the state stays, the caller is told, and the next event is tried.
 * - Listeners hear of events in their order; what a listener throws concerns nobody else.
 */
import type { CoordinatorEvent } from "./events.ts";
import type { Journal } from "./journal.ts";
import { type CoordinatorState, INITIAL_STATE } from "./state.ts";
import { dutiesOf, type Effect, step } from "./step.ts";
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

/** @throws ConsiliumError `journal-corrupt` */
export async function openMachine(journal: Journal, listener: MachineListener): Promise<Machine> {
  let state = INITIAL_STATE;
  await journal.replay((event) => {
    state = step(state, event).state;
  });
  let queue: Promise<unknown> = Promise.resolve();

  async function takeNow(event: CoordinatorEvent): Promise<Verdict> {
    const next = step(state, event);
    if (next.verdict.outcome !== "accepted") return next.verdict;
    await journal.append(event);
    state = next.state;
    listener.taken(event, state);
    if (next.effects.length > 0) listener.due(next.effects);
    return next.verdict;
  }
  return {
    state: () => state,
    wouldTake: (event) => step(state, event).verdict,
    take(event) {
      const taken = queue.then(() => takeNow(event));
      queue = taken.catch(() => undefined);
      return taken;
    },
    duties: () => dutiesOf(state),
    idle: async () => void (await queue),
  };
}
