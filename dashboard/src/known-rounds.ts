/** A coordinator's status out of what is known and what its stream brings, which leaves out rounds that are known, and their matrices. */
import type { CoordinatorStatus } from "../../src/coordinator/index.ts";

/**
 * The server tells only rounds that are new, and the last known one again: they are put after those that are known, of the
 * same study, and so are their matrices. What did not change stays the same object, and so does a list: screens draw
 * neither anew.
 */
export function withKnownRounds(known: CoordinatorStatus | undefined, came: CoordinatorStatus): CoordinatorStatus {
  if (came.study === null || known?.study?.hash !== came.study.hash) return came;
  const first = came.study.rounds[0]?.round ?? Number.POSITIVE_INFINITY;
  const rounds = joined(known.study.rounds, came.study.rounds, first);
  const matrices = joined(known.study.matrices, came.study.matrices, first);
  return { ...came, study: { ...came.study, rounds, matrices } };
}

/** What is known of rounds before the first, and what came of the others. */
function joined<T extends { readonly round: number }>(
  before: readonly T[],
  came: readonly T[],
  first: number,
): readonly T[] {
  const start = before.findIndex(({ round }) => round >= first);
  const kept = start === -1 ? before : before.slice(0, start);
  const all = [...kept, ...came.map((each, i) => sameOr(before[kept.length + i], each))];
  const changed = all.length !== before.length || all.some((each, i) => each !== before[i]);
  return changed ? all : before;
}

function sameOr<T>(before: T | undefined, now: T): T {
  return before !== undefined && JSON.stringify(before) === JSON.stringify(now) ? before : now;
}
