/** A coordinator's status out of what is known and what its stream brings, which leaves out rounds that are known. */
import type { CoordinatorStatus, RoundStatus } from "../../src/coordinator/index.ts";

/**
 * The server tells only rounds that are new, and the last known one again: they are put after those that are known, of the
 * same study. A round that did not change stays the same object, and so does the list of them: screens draw neither anew.
 */
export function withKnownRounds(known: CoordinatorStatus | undefined, came: CoordinatorStatus): CoordinatorStatus {
  if (came.study === null || known?.study?.hash !== came.study.hash) return came;
  const { rounds: before } = known.study;
  const first = came.study.rounds[0]?.round ?? Number.POSITIVE_INFINITY;
  const start = before.findIndex(({ round }) => round >= first);
  const kept = start === -1 ? before : before.slice(0, start);
  const rounds = [...kept, ...came.study.rounds.map((round, i) => sameOr(before[kept.length + i], round))];
  const changed = rounds.length !== before.length || rounds.some((round, i) => round !== before[i]);
  return { ...came, study: { ...came.study, rounds: changed ? rounds : before } };
}

function sameOr(before: RoundStatus | undefined, now: RoundStatus): RoundStatus {
  return before !== undefined && JSON.stringify(before) === JSON.stringify(now) ? before : now;
}
