import { expect, test } from "vitest";
import { chooseRate } from "./learning-rates.ts";

const identity = (dice: number | null): number | null => dice;
const of = (...dice: (number | null)[]): { rate: number; trained: number | null }[] =>
  dice.map((trained, i) => ({ rate: 0.1 / (i + 1), trained }));

test("takes the rate of the best Dice, the first of equals, and tells all", () => {
  const chosen = chooseRate(of(0.4, 0.6, 0.6), identity);
  expect(chosen).toMatchObject({ rate: 0.05, trained: 0.6 });
  expect(chosen.tried.map(({ dice }) => dice)).toEqual([0.4, 0.6, 0.6]);
});

test("a rate whose model finds nothing to measure is never better", () => {
  expect(chooseRate(of(null, 0), identity).rate).toBe(0.05);
});

test("a single rate needs no validation cases, a choice does", () => {
  expect(chooseRate(of(null), identity).rate).toBe(0.1);
  expect(() => chooseRate(of(null, null), identity)).toThrow(/validation cases/);
});
