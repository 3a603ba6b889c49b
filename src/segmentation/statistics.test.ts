import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bootstrapInterval, worstDecile } from "./bootstrap.ts";
import { complementaryError, holm, meanRanks, signedRankTest } from "./signed-rank.ts";

const VECTORS: {
  readonly signedRank: readonly {
    readonly differences: readonly number[];
    readonly statistic: number;
    readonly p: number;
    readonly method: string;
  }[];
  readonly holm: readonly { readonly p: readonly number[]; readonly corrected: readonly number[] }[];
  readonly ranks: readonly { readonly values: readonly number[]; readonly ranks: readonly number[] }[];
  readonly bootstrap: { readonly values: readonly number[]; readonly low: number; readonly high: number };
  readonly erfc: readonly (readonly [number, number])[];
} = JSON.parse(readFileSync(new URL("testdata/statistics-vectors.json", import.meta.url), "utf8"));

describe("signedRankTest", () => {
  it.each(VECTORS.signedRank)("equals SciPy's wilcoxon ($method, $differences.length pairs)", (vector) => {
    const test = signedRankTest(vector.differences);
    expect(test.method).toBe(vector.method);
    expect(Math.abs(test.p - vector.p) / vector.p).toBeLessThan(1e-9);
    // SciPy's permutation method answers with the sum of positive ranks.
    const total = (test.pairs * (test.pairs + 1)) / 2;
    expect([vector.statistic, total - vector.statistic]).toContainEqual(test.statistic);
  });

  it("finds nothing where nothing differs", () => {
    expect(signedRankTest([0, 0, 0])).toEqual({ pairs: 0, statistic: 0, p: 1, method: "exact" });
  });

  it("does not tell first from second", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -9, max: 9 }), { maxLength: 70 }), (differences) => {
        expect(signedRankTest(differences.map((d) => -d)).p).toBe(signedRankTest(differences).p);
      }),
    );
  });
});

describe("complementaryError", () => {
  it.each(VECTORS.erfc)("of %d equals SciPy's", (x, expected) => {
    expect(Math.abs(complementaryError(x) - expected) / expected).toBeLessThan(1e-12);
  });
});

describe("holm", () => {
  it("equals statsmodels", () => {
    for (const { p, corrected } of VECTORS.holm) {
      for (const [i, value] of holm(p).entries()) expect(value).toBeCloseTo(corrected[i], 12);
    }
  });
});

describe("meanRanks", () => {
  it("equals SciPy's rankdata", () => {
    for (const { values, ranks } of VECTORS.ranks) expect(meanRanks(values)).toEqual(ranks);
  });
});

describe("bootstrapInterval", () => {
  const samples = VECTORS.bootstrap.values.map((value, i) => ({ subject: `s${i}`, value }));
  const options = { seed: 3, resamples: 20_000, level: 0.95 };

  it("comes to SciPy's percentile interval, to 3 % of its width", () => {
    const { low, high } = VECTORS.bootstrap;
    const interval = bootstrapInterval(samples, options) ?? [0, 0];
    for (const [end, expected] of [
      [interval[0], low],
      [interval[1], high],
    ]) {
      expect(Math.abs(end - expected)).toBeLessThan(0.03 * (high - low));
    }
  });

  it("depends on the seed, and not on the order of cases", () => {
    const few = { ...options, resamples: 200 };
    expect(bootstrapInterval([...samples].reverse(), few)).toEqual(bootstrapInterval(samples, few));
    expect(bootstrapInterval(samples, { ...few, seed: 4 })).not.toEqual(bootstrapInterval(samples, few));
  });

  it("draws patients, not scans: ten scans of each make the interval no narrower", () => {
    const often = samples.flatMap((sample) => Array.from({ length: 10 }, () => sample));
    const [low, high] = bootstrapInterval(samples, options) ?? [0, 0];
    const [first, last] = bootstrapInterval(often, options) ?? [0, 0];
    expect(last - first).toBeCloseTo(high - low, 9);
    // As if each scan were a patient of its own: the interval that must not come out.
    const apart = often.map((sample, i) => ({ ...sample, subject: `s${i}` }));
    const [from, to] = bootstrapInterval(apart, { ...options, resamples: 2000 }) ?? [0, 0];
    expect(to - from).toBeLessThan(0.5 * (high - low));
  });

  it("has none for one subject", () => {
    expect(bootstrapInterval([samples[0], samples[0]], options)).toBeUndefined();
  });
});

describe("worstDecile", () => {
  it("is the mean of the worst tenth, rounded up", () => {
    const values = Array.from({ length: 21 }, (_, i) => i);
    expect(worstDecile(values, "lowest")).toBe(1);
    expect(worstDecile(values, "highest")).toBe(19);
    expect(worstDecile([5], "lowest")).toBe(5);
    expect(worstDecile([], "lowest")).toBeUndefined();
  });
});
