import { expect, it } from "vitest";
import { checkPattern, POINTS, SITES } from "../testing/dropouts.ts";

it("every pattern of where each of five sites drops ends in the exact sum, hidden, or in nothing", async () => {
  const verdicts = { summed: 0, failed: 0 };
  for (let pattern = 0; pattern < POINTS.length ** SITES.length; pattern++) {
    const points = SITES.map((_, i) => POINTS[Math.floor(pattern / POINTS.length ** i) % POINTS.length]);
    verdicts[await checkPattern(points, pattern)]++;
  }
  // Five stay: 1. Four stay: 5 sites, 5 points. Three stay: 10 pairs, 25 points.
  expect(verdicts).toEqual({ summed: 1 + 25 + 250, failed: 7776 - 276 });
});
