/**
 * The state machine at work: events are taken one after another, journalled, and only then true.
 *
 * Invariants
 * - An accepted event is on disk before the state moves, before anybody is told, before any effect begins.
 * - Where the journal cannot take it (a full disk), the state stays, the caller is told, and the next event is tried.
 * - Listeners hear of events in their order; what a listener throws concerns nobody else.
 * - After every LIMITS.journalSnapshotEvents events the state is kept in the journal. Nobody waits for that, and where
 *   it fails, the next event tries again: a start then reads more, and comes to the same state.
 */
import { LIMITS } from "../base/index.ts";
import type { CoordinatorEvent } from "./events.ts";
import type { Journal } from "./journal.ts";
import { checkCountersigned } from "./journal-audit.ts";
import { type CoordinatorState, INITIAL_STATE, STATE_FORMAT } from "./state.ts";
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

/** @throws ConsiliumError `journal-corrupt`, `journal-version`, `journal-rolled-back` */
export async function openMachine(journal: Journal, listener: MachineListener): Promise<Machine> {
  const snapshot = await journal.snapshot(STATE_FORMAT);
  let state = snapshot === undefined ? INITIAL_STATE : (JSON.parse(snapshot.body) as CoordinatorState);
  let keptAt = snapshot?.head.number ?? 0;
  await journal.replay((event) => {
    state = step(state, event).state;
  }, snapshot?.head);
  await checkCountersigned(journal);
  let queue: Promise<unknown> = keepState();

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
      queue = taken.then(keepState, () => undefined);
      return taken;
    },
    duties: () => dutiesOf(state),
    idle: async () => void (await queue),
  };
}
