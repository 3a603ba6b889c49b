import { describe, expect, it } from "vitest";
import { readDpVectors } from "../testing/dp-vectors.ts";
import { erfc, logErfc, massBetween, upperTail } from "./normal-distribution.ts";

const { tails } = readDpVectors();

describe("tails of the normal distribution", () => {
  it("equal SciPy's from the middle to where doubles end", () => {
    expect(tails.length).toBeGreaterThan(30);
    for (const { z, upperTail: wanted, logErfc: wantedLog } of tails) {
      expect(Math.abs(upperTail(z) / wanted - 1)).toBeLessThan(3e-13);
      expect(Math.abs(logErfc(z) - wantedLog)).toBeLessThan(1e-13 * Math.max(1, Math.abs(wantedLog)));
    }
  });

  it("meet where the two formulas do, and add up", () => {
    expect(Math.abs(erfc(2 - 1e-15) / erfc(2) - 1)).toBeLessThan(1e-12);
    expect(erfc(-3) + erfc(3)).toBeCloseTo(2, 15);
    expect(massBetween(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)).toBe(1);
    expect(massBetween(1, 1)).toBe(0);
  });

  it("keep their precision in intervals far out on either side", () => {
    expect(massBetween(8, 9)).toBe(massBetween(-9, -8));
    expect(massBetween(8, 9)).toBeCloseTo(upperTail(8) - upperTail(9), 30);
    // The control: from the other side nothing is left of it.
    expect(upperTail(-9) - upperTail(-8)).not.toBeCloseTo(massBetween(8, 9), 18);
  });
});
