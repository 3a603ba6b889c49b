/** What a journal holds, taken again: by a coordinator that starts, by a replay of aggregates, by the audit. */
import { ConsiliumError } from "../base/index.ts";
import type { CoordinatorEvent } from "./events.ts";
import type { CoordinatorState } from "./state.ts";
import { step } from "./step.ts";

/**
 * The state after an event of the journal. Only accepted events are written: one that is refused means that this version
 * takes the history otherwise than the one that wrote it, and every state from there on would be another than sites know.
 *
 * @param number of the record
 * @throws ConsiliumError `journal-corrupt`
 */
export function takenAgain(state: CoordinatorState, event: CoordinatorEvent, number: number): CoordinatorState {
  const { verdict, state: after } = step(state, event);
  if (verdict.outcome === "accepted") return after;
  throw new ConsiliumError("journal-corrupt", {
    subject: `journal, record ${number}`,
    expected: "an event that the state before it accepts",
    actual: `${event.kind}, ${verdict.error.code}`,
    hint: "Use the version of Consilium that wrote it. If that is this one, the journal was changed by something other than the coordinator: restore the home from a copy made before.",
    cause: verdict.error,
  });
}
