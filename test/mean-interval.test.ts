/** The interval beside two models' figures: quantiles as tables print them, and cover as promised. */
import { expect, test } from "vitest";
import { meanInterval, studentQuantile } from "../dashboard/src/mean-interval.ts";

// Two-sided 5 % points of Student's t, as printed in tables.
test.each([
  [2, 4.30265],
  [3, 3.18245],
  [4, 2.77645],
  [9, 2.26216],
  [28, 2.04841],
  [120, 1.97993],
])("t of %i degrees of freedom is %f", (degrees, quantile) => {
  expect(studentQuantile(degrees)).toBeCloseTo(quantile, 4);
});

test("a worked example, and none where there is too little", () => {
  // Differences 0.01, 0.03, 0.05: mean 0.03, deviation 0.02, half width 4.30265 * 0.02 / sqrt(3).
  const interval = meanInterval([0.01, 0.03, 0.05]);
  expect(interval?.mean).toBeCloseTo(0.03, 12);
  expect(interval?.high).toBeCloseTo(0.03 + (4.30265 * 0.02) / Math.sqrt(3), 6);
  expect(interval?.low).toBeCloseTo(0.03 - (4.30265 * 0.02) / Math.sqrt(3), 6);
  expect(meanInterval([0.1, 0.2])).toBeUndefined();
});

test("holds the true mean in about 95 of 100 samples", () => {
  let state = 7;
  const uniform = (): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  let held = 0;
  for (let i = 0; i < 2000; i++) {
    const interval = meanInterval(Array.from({ length: 5 }, () => 0.02 + 0.05 * normal()));
    if (interval !== undefined && interval.low <= 0.02 && interval.high >= 0.02) held++;
  }
  expect(held / 2000).toBeGreaterThan(0.93);
  expect(held / 2000).toBeLessThan(0.97);
});
