/** How an event was taken: every message is answered accepted, rejected or discarded, with the reason. */
import { ConsiliumError, type ErrorCode, type ErrorFields } from "../base/index.ts";
import type { CoordinatorState } from "./state.ts";

export type Verdict =
  | { readonly outcome: "accepted" }
  /** Wrong: the same again would be wrong again. */
  | { readonly outcome: "rejected"; readonly error: ConsiliumError }
  /** Right, but of no use any more: late, or counted already. */
  | { readonly outcome: "discarded"; readonly error: ConsiliumError };

/** A state is new only where the verdict is `accepted`; otherwise it is the very state that went in. */
export interface Taken {
  readonly state: CoordinatorState;
  readonly verdict: Verdict;
}

export function accepted(state: CoordinatorState): Taken {
  return { state, verdict: { outcome: "accepted" } };
}

export function rejected(state: CoordinatorState, code: ErrorCode, fields: ErrorFields): Taken {
  return { state, verdict: { outcome: "rejected", error: new ConsiliumError(code, fields) } };
}

export function discarded(state: CoordinatorState, code: ErrorCode, fields: ErrorFields): Taken {
  return { state, verdict: { outcome: "discarded", error: new ConsiliumError(code, fields) } };
}
