/** What the dashboard makes of a stream that tells only rounds that are new, and the last known one again. */
import { expect, test } from "vitest";
import { withKnownRounds } from "../dashboard/src/known-rounds.ts";
import type { CoordinatorStatus } from "../src/coordinator/index.ts";
import { longHistory } from "./dashboard/long-history.ts";

const NOW_MS = 1_800_000_000_000;

/** As it comes over the wire: other objects, the same words. */
function told(rounds: number, after: number, change: Partial<CoordinatorStatus> = {}): CoordinatorStatus {
  const whole = longHistory(2, rounds, NOW_MS);
  const study = whole.study && { ...whole.study, rounds: whole.study.rounds.slice(after) };
  return JSON.parse(JSON.stringify({ ...whole, study, ...change })) as CoordinatorStatus;
}

function numbers({ study }: CoordinatorStatus): readonly number[] {
  return study?.rounds.map(({ round }) => round) ?? [];
}

test("rounds that come go after those that are known, and in the place of the same ones", () => {
  const known = told(5, 0);
  const came = told(7, 4);
  const merged = withKnownRounds(known, came);
  expect(numbers(merged)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(merged.study?.rounds.slice(0, 4)).toEqual(known.study?.rounds.slice(0, 4));
  expect(merged.study?.rounds.slice(5)).toEqual(came.study?.rounds.slice(1));
  expect(numbers(withKnownRounds(known, told(5, 5)))).toEqual([1, 2, 3, 4, 5]);
});

test("a round that was told again keeps its object, and the list as well where nothing in it changed", () => {
  const known = told(5, 0);
  const merged = withKnownRounds(known, told(5, 4, { serving: false }));
  expect(merged.serving).toBe(false);
  expect(merged.study?.rounds).toBe(known.study?.rounds);
});

test("a round that got its evaluation is another, and those before it stay", () => {
  const known = told(5, 0);
  const came = told(5, 4);
  const [last] = came.study?.rounds ?? [];
  const evaluated = { ...last, evaluatedMs: NOW_MS + 1 };
  const merged = withKnownRounds(known, { ...came, study: came.study && { ...came.study, rounds: [evaluated] } });
  expect(merged.study?.rounds.at(-1)).toEqual(evaluated);
  expect(merged.study?.rounds.at(-2)).toBe(known.study?.rounds.at(-2));
});

test("a matrix that is known stays, and the same one, where only later rounds are told", () => {
  const known = told(6, 0);
  const came = told(7, 5);
  const merged = withKnownRounds(known, { ...came, study: came.study && { ...came.study, matrices: [] } });
  expect(merged.study?.matrices.map(({ round }) => round)).toEqual([3]);
  expect(merged.study?.matrices).toBe(known.study?.matrices);
});

test("another study, or none, takes nothing from what was known", () => {
  const known = told(5, 0);
  const came = told(2, 0);
  const other = { ...came, study: came.study && { ...came.study, hash: "another" } };
  expect(withKnownRounds(known, other)).toBe(other);
  const none = { ...came, study: null };
  expect(withKnownRounds(known, none)).toBe(none);
  expect(withKnownRounds(undefined, came)).toBe(came);
});
