import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { apportion, FETS_SIZES, partitionSubjects } from "./partition.ts";

const subjects = (count: number): string[] => Array.from({ length: count }, (_, i) => `s${i}`);

describe("sizes of real institutions", () => {
  test("have the published shape: 29, from 1 to 827, median 67, the five largest 36 %", () => {
    const sorted = FETS_SIZES.toSorted((a, b) => b - a);
    const all = sorted.reduce((sum, size) => sum + size, 0);
    expect(sorted).toHaveLength(29);
    expect([sorted[0], sorted[14], sorted[28]]).toEqual([827, 67, 1]);
    expect(sorted.slice(0, 5).reduce((sum, size) => sum + size, 0) / all).toBeCloseTo(0.36, 2);
  });

  test("need two subjects for each site", () => {
    expect(() => partitionSubjects(subjects(57), 29, "fets", 1)).toThrow(/at least 58/);
    expect(partitionSubjects(subjects(58), 29, "fets", 1)).toHaveLength(29);
  });

  test("belong to 29 sites", () => {
    expect(() => partitionSubjects(subjects(100), 28, "fets", 1)).toThrow(/29 sites/);
  });
});

test("every subject goes to exactly one site, and none stays empty", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 200 }), fc.nat(), (sites, more, seed) => {
      const all = subjects(sites + more);
      const parts = partitionSubjects(all, sites, "even", seed);
      expect(parts.flat().sort()).toEqual(all.sort());
      expect(Math.min(...parts.map((part) => part.length))).toBeGreaterThanOrEqual(1);
      expect(
        Math.max(...parts.map((part) => part.length)) - Math.min(...parts.map((part) => part.length)),
      ).toBeLessThan(2);
    }),
  );
});

test("largest remainder: whole shares first, then the largest fractions, at least one each", () => {
  expect(apportion(10, [5, 3, 2])).toEqual([5, 3, 2]);
  expect(apportion(10, [6, 6, 2])).toEqual([4, 4, 2]);
  expect(apportion(5, [1000, 1, 1])).toEqual([3, 1, 1]);
});

test("another seed deals otherwise, the same seed the same", () => {
  const deal = (seed: number): string => JSON.stringify(partitionSubjects(subjects(30), 3, "even", seed));
  expect(deal(1)).toBe(deal(1));
  expect(deal(1)).not.toBe(deal(2));
});
